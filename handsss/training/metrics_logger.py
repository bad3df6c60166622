"""Metrics of a run: one JSON object per line (metrics.jsonl), and the same for its loggers."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

from handsss.io.atomic import write_error, write_file
from handsss.training.loggers.fan_out import Loggers

NAME = "metrics.jsonl"
_RENAMED = {"rate": "learning_rate", "spread": "size_ratio"}  # keys of older files


class MetricsLogger:
    """Writes a run's metrics.

    Args:
        folder: of the run.
        step: lines after this step, left by an interrupted run, are dropped.
        loggers: told the same; closed with it.

    Raises:
        UserError: nothing can be written.
    """

    def __init__(self, folder: Path, step: int = 0, *, loggers: Loggers | None = None) -> None:
        self.path = folder / NAME
        self.loggers = loggers or Loggers()
        kept = [line for line in read_metrics(self.path) if line.get("step", 0) <= step] if step else []
        write_file(self.path, "".join(json.dumps(line) + "\n" for line in kept).encode(), resumable=True)
        try:
            self._stream = self.path.open("a", encoding="utf-8")
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
        except OSError as error:
            raise write_error(self.path, error, resumable=True) from error
        self.loggers.values(kind, step, values)

    def close(self) -> None:
        """To disk; loggers too.

        Raises:
            UserError: the disk is full, or the files cannot be written.
        """
        self.loggers.close()
        try:
            if not self._stream.closed:
                self._stream.flush()
                os.fsync(self._stream.fileno())
                self._stream.close()
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
