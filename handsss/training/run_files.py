"""Files of a run's folder beside its checkpoints: config.toml, run.json, CHECKPOINT.json; and the newest run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from handsss.errors import UserError
from handsss.io.atomic import DiskFullError, write_file
from handsss.network.s2hand import parameter_counts
from handsss.training.config import TrainConfig, to_toml
from handsss.training.trained_network import FINAL, LATEST
from handsss.training.trainer import Trainer
from handsss.version import __version__

_BEGINNING = ("command", "started", "program", "torch", "device", "processes", "threads")  # facts of one start


def write_run_facts(
    folder: Path, config: TrainConfig, about: dict[str, Any], trainer: Trainer, command: list[str], bone_from: str
) -> None:
    """Write config.toml, and run.json: what was trained on what, with which program on which machine.

    A resumed run keeps the command, start, program and machine that it began with; its own are added to ``resumes``.
    """
    write_file(folder / "config.toml", to_toml(config).encode(), resumable=True)
    content = about | {
        "program": __version__,
        "torch": torch.__version__,
        "command": command,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": str(trainer.device),
        "processes": trainer.processes.size,
        "threads": torch.get_num_threads(),
        "keypoint_set": trainer.objective.keypoint_set,
        "mean_bone_m": trainer.objective.mean_bone,
        "mean_bone_from": bone_from,
        "stages": [asdict(stage) for stage in trainer.stages],
        "parameters": parameter_counts(trainer.network),
    }
    if trainer.step > 0 and (earlier := _read(folder / "run.json")):
        resume = {key: content[key] for key in (*_BEGINNING, "step", "steps")}
        content |= {key: earlier[key] for key in _BEGINNING if key in earlier}
        content["resumes"] = [*earlier.get("resumes", []), resume]
    write_file(folder / "run.json", json.dumps(content, indent=1).encode(), resumable=True)


@contextmanager
def nothing_saved_yet(folder: Path) -> Iterator[None]:
    """A full disk before the first checkpoint leaves nothing to resume: the message must not propose it.

    Raises:
        DiskFullError: as the work raises it, with what to do.
    """
    try:
        yield
    except DiskFullError as error:
        if (folder / LATEST).exists():
            raise
        raise DiskFullError(
            f"{folder}: no space left on the disk, before the first checkpoint: there is nothing to resume. Make room, "
            "or choose another {out}, and run the same command again.",
            options=["out"],
        ) from error


def _read(path: Path) -> dict[str, Any]:
    """The run.json of an earlier start; empty if there is none that can be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def write_checkpoint_facts(
    checkpoint: Path, about: dict[str, Any], validation: dict[str, Any] | None, terms: dict[str, float]
) -> None:
    """Write a checkpoint's figures and code version beside it, CHECKPOINT.json."""
    content = about | {
        "program": __version__,
        "torch": torch.__version__,
        "validation_figures": validation,
        "terms": terms,
    }
    write_file(checkpoint.with_suffix(".json"), json.dumps(content, indent=1).encode(), resumable=True)


def newest_run(base: Path = Path("runs")) -> Path:
    """The run's folder below ``base`` that was saved to last.

    Raises:
        UserError: there is none.
    """
    saved = [path for name in (LATEST, FINAL) for path in base.glob(f"*/{name}")]
    if not saved:
        raise UserError(f"no run in {base.resolve()}: expected {base}/NAME/{LATEST}. Give the run's folder.")
    return max(saved, key=lambda path: path.stat().st_mtime).parent
