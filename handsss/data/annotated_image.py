"""One image of a dataset with its annotations."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


@dataclass
class AnnotatedImage:
    """An image and its annotations, in this package's camera frame and joint order."""

    path: Path
    name: str  # below the dataset's root, with / between folders
    index: int
    sample: int = -1  # number of the annotation; several images may share one
    side: str = "right"  # "left" | "right" | "auto": as detected
    keep: str = "auto"  # "left" | "right": of the detected hands only those of this side
    intrinsics: np.ndarray | None = None  # [3, 3] px; None: EXIF or the default field of view
    box: np.ndarray | None = None  # [4] px, given by the dataset: the crop lies around it
    hand_boxes: tuple[np.ndarray, ...] = ()  # [4] px, around a hand each: the detector looks there and nowhere else
    whole: bool = False  # the image is already cropped
    mask: Path | None = None
    joints_3d: np.ndarray | None = None  # [21, 3] m, OpenPose order
    truth: dict[str, Any] = field(default_factory=dict)  # further store fields, by name
