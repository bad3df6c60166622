"""One picture of a dataset with what the dataset says about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


@dataclass
class Item:
    """A picture and its annotations, in this package's frame and joint order."""

    path: Path
    name: str  # below the dataset's root, with / between folders
    index: int
    sample: int = -1  # number of the annotation, where several pictures share one
    side: str = "right"  # of a dataset that says so; "auto": the detector's word
    intrinsics: np.ndarray | None = None  # [3, 3] px; None: EXIF or the default field of view
    box: np.ndarray | None = None  # [4] px, given by the dataset
    whole: bool = False  # the picture is the crop already
    mask: Path | None = None
    joints_3d: np.ndarray | None = None  # [21, 3] m, OpenPose order
    truth: dict[str, Any] = field(default_factory=dict)  # further store fields, by name
