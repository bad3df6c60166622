"""Data types of an evaluation: samples (prediction and ground truth) and its result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from handsss.evaluation.ground_truth import DetectedKeypoints


@dataclass(frozen=True)
class Samples:
    """N predicted hands with their ground truth.

    Metres, camera frame (x right, y down, z forward), OpenPose joint order.

    Rows without ground truth are left out. Left hands are mirrored, as in the store.
    """

    names: list[str]  # [N] picture names, as the store or dataset has them
    joints: np.ndarray  # [N, 21, 3] predicted, in the definition of the truth's joints
    true_joints: np.ndarray  # [N, 21, 3]
    vertices: np.ndarray | None  # [N, V, 3] predicted
    true_vertices: np.ndarray | None  # [N, V', 3]
    # "detector", "predicted" (2D branch), "projected": [N, 21, 2] px of the crop, those that there are. A keypoint
    # that the detector did not see is NaN.
    keypoints: dict[str, np.ndarray]
    confidence: np.ndarray | None  # [N, 21] 0..1, of the detector
    # [N, 21, 2] px, in the definition that `keypoints` follow where the true mesh allows it, else projected true joints
    true_keypoints: np.ndarray | None
    K: np.ndarray | None  # [N, 3, 3] px
    source: Path | None  # the store or dataset folder that the pictures come from
    rows: np.ndarray  # [N] row numbers in that source
    corresponding: bool = True  # vertex i is the same point of both meshes; False: V' is not V, or other numbering
    detected: DetectedKeypoints | None = None  # [N] the data's detections, any definition; guide the network's view
    crop: Callable[[int], np.ndarray] | None = None  # the picture of sample i (not row), [224, 224, 3] uint8 RGB

    def __len__(self) -> int:
        return len(self.joints)


@dataclass(frozen=True)
class Evaluation:
    """Samples, metrics, per-frame errors and notes."""

    samples: Samples
    metrics: dict[str, Any]  # the content of metrics.json, see docs/guides/evaluate.md
    # [N] a frame. mm: "raw_mpjpe", "raw_mpvpe", "root_aligned_mpjpe", "scale_translation_aligned_mpjpe",
    # "aligned_mpjpe", "aligned_mpvpe", ... px: "detector", "predicted", "projected" (mean over joints) and
    # "detector_max", ... (worst joint)
    per_frame: dict[str, np.ndarray]
    notes: list[str]  # for the user: joint order, reflections, units
