"""Metrics of a run: one JSON object per line (metrics.jsonl), and TensorBoard event files where that is installed."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

from handsss.errors import UserError
from handsss.io.atomic import write_error, write_file

NAME = "metrics.jsonl"
_RENAMED = {"rate": "learning_rate", "spread": "size_ratio"}  # keys of older files


class MetricsLogger:
    """Writes a run's metrics.

    Args:
        folder: of the run.
        step: lines after this step, left by an interrupted run, are dropped.
        tensorboard: write event files too. None: if the package is installed.

    Raises:
        UserError: TensorBoard is asked for and not installed, or nothing can be written.
    """

    def __init__(self, folder: Path, step: int = 0, *, tensorboard: bool | None = None) -> None:
        self.path = folder / NAME
        kept = [line for line in read_metrics(self.path) if line.get("step", 0) <= step] if step else []
        write_file(self.path, "".join(json.dumps(line) + "\n" for line in kept).encode(), resumable=True)
        try:
            self._stream = self.path.open("a", encoding="utf-8")
            self._board = (
                None if tensorboard is False else _board(folder / "tensorboard", step, needed=bool(tensorboard))
            )
        except OSError as error:
            raise write_error(folder, error, resumable=True) from error

    def write(self, kind: str, step: int, values: dict[str, Any]) -> None:
        """One line: ``{"kind": ..., "step": ..., ...}``. Numbers that are not finite become null.

        Raises:
            UserError: the disk is full, or the file cannot be written.
        """
        line = {"kind": kind, "step": step, **{name: _plain(value) for name, value in values.items()}}
        try:
            self._stream.write(json.dumps(line) + "\n")
            self._stream.flush()
            if self._board is not None:
                for name, value in values.items():
                    if isinstance(value, int | float):
                        self._board.add_scalar(f"{kind}/{name}", value, step)
        except OSError as error:
            raise write_error(self.path, error, resumable=True) from error

    def close(self) -> None:
        """To disk.

        Raises:
            UserError: the disk is full, or the files cannot be written.
        """
        try:
            if not self._stream.closed:
                self._stream.flush()
                os.fsync(self._stream.fileno())
                self._stream.close()
            if self._board is not None:
                self._board.close()
        except OSError as error:
            raise write_error(self.path, error, resumable=True) from error


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Lines of a metrics file under today's keys; one that a killed process left half written is skipped."""
    if not path.exists():
        return []
    lines: list[dict[str, Any]] = []
    for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict):
            lines.append({_RENAMED.get(str(key), str(key)): value for key, value in line.items()})
    return lines


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _board(folder: Path, step: int, *, needed: bool) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        if needed:
            raise UserError(
                "{tensorboard}: the package tensorboard is not installed. Install it: "
                'pip install "handsss[tensorboard]", or leave the option out.',
                options=["tensorboard"],
            ) from None
        return None
    return SummaryWriter(str(folder), purge_step=step or None)
