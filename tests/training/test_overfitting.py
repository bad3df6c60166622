"""The small preset learns eight pictures by heart, from detections alone."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch

from handsss.training.config import resolve
from handsss.training.prepare import Recipe
from handsss.training.run import Progress, Run


@pytest.mark.slow
def test_the_small_preset_over_fits_eight_pictures(tmp_path: Path, stores: tuple[Path, Path]) -> None:
    config = resolve(
        "small",
        None,
        (
            "schedule.steps=150",
            "schedule.batch=8",
            "schedule.stages=[shape, finetune]",
            "shape.epochs=135",
            "shape.decay=cosine",
            "finetune.epochs=15",
            "watch.picture_every=0",
            "watch.save_every=0",
        ),
    )
    run = Run(tmp_path / "run", config, Recipe(stores[0]), device=torch.device("cpu"))
    seen: list[Progress] = []
    begin = time.monotonic()
    run.run(on_progress=seen.append)
    seconds = time.monotonic() - begin
    shape = [p for p in seen if p.stage == "shape"]
    # The same terms, so the same E: all but the last stage's.
    assert shape[-1].total_loss < 0.1 * shape[0].total_loss, (shape[0].total_loss, shape[-1].total_loss)
    batch = run.trainer.as_batch(torch.utils.data.default_collate([run.data[i] for i in range(8)]))
    run.network.train()
    with torch.no_grad():
        made = run.network(batch.image, batch.K, run.objective.keypoint_set)
    miss = float((made.projected - batch.keypoints).norm(dim=-1).mean())
    assert miss < 3, miss
    assert seen[-1].parts["E_pixel"] < seen[len(shape)].parts["E_pixel"]
    print(f"E {shape[0].total_loss:.4f} -> {shape[-1].total_loss:.4f}, {miss:.2f} px, {seconds:.0f} s")  # noqa: T201
