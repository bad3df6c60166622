"""The small preset learns eight pictures by heart, from 2D keypoints alone."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch

from handsss.training.config import resolve
from handsss.training.progress import Progress
from handsss.training.recipe import Recipe
from handsss.training.run import TrainingRun

_SHAPE, _FINETUNE = 250, 6


@pytest.mark.slow
def test_the_small_preset_over_fits_eight_pictures(tmp_path: Path, stores: tuple[Path, Path]) -> None:
    config = resolve(
        "small",
        None,
        (
            f"schedule.steps={_SHAPE + _FINETUNE}",
            "schedule.batch=8",
            "schedule.stages=[shape, finetune]",
            f"shape.epochs={_SHAPE}",
            "losses.w_auxiliary=0",  # cross-entropies have a floor: they cannot fall by ten times
            "losses.w_lifted=0",  # keypoints and what they are lifted to contradict each other a little
            "schedule.ema_decay=0",
            f"finetune.epochs={_FINETUNE}",
            *(f"augmentation.{name}=0" for name in ("rotation_deg", "zoom", "lost", "colour")),
            "logging.picture_every=0",
            "logging.save_every=0",
        ),
    )
    run = TrainingRun(tmp_path / "run", config, Recipe(stores[0]), device=torch.device("cpu"))
    seen: list[Progress] = []
    misses: list[float] = []

    def watch(progress: Progress) -> None:
        seen.append(progress)
        if progress.step == _SHAPE:
            batch = run.trainer.as_batch(torch.utils.data.default_collate([run.data[i] for i in range(8)]))
            with torch.no_grad():
                made = run.network(batch.image, batch.K, run.objective.keypoint_set, branch=False)
            misses.append(float((made.projected - batch.keypoints).norm(dim=-1).mean()))

    begin = time.monotonic()
    run.run(on_progress=watch)
    seconds = time.monotonic() - begin
    first, last = seen[0].total_loss, seen[_SHAPE - 1].total_loss
    print(f"E {first:.4f} -> {last:.4f}, {misses[0]:.2f} px, {seconds:.0f} s")  # noqa: T201
    assert last < 0.1 * first
    assert misses[0] < 3
    # The last stage renders, and its picture comes nearer to the input.
    assert seen[-1].parts["E_pixel"] < seen[_SHAPE].parts["E_pixel"]
