"""A trained network, read from a checkpoint or a weights file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from handsss.network.s2hand import S2Hand


class LoadedNetwork(NamedTuple):
    """A trained network and its description."""

    path: Path  # of the file that was read
    network: S2Hand  # for right hands, in evaluation mode
    model: str  # hand model: "open", "mano" or a path
    keypoint_set: str  # definition of the 2D keypoints that it was trained on
    config: str  # the run's settings as TOML
    about: dict[str, Any]  # supervision, baseline, data, step, program: see docs/guides/train.md
    facts: dict[str, Any] = {}  # name, licence, note, evaluation, of files of weights  # noqa: RUF012
