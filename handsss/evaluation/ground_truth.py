"""Pictures with ground truth, from a store or a dataset's folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from handsss.data.store.reader import Store
from handsss.errors import InputError
from handsss.evaluation.ground_truth_folder import FolderGroundTruth, open_folder

Progress = Callable[[int, int], None]


class DetectedKeypoints(NamedTuple):
    """2D keypoints of a detector."""

    keypoints: np.ndarray  # [N, 21, 2] px of the crop; NaN: not seen
    confidence: np.ndarray  # [N, 21] 0..1
    keypoint_set: str  # the definition they follow

    def rows(self, chosen: np.ndarray) -> DetectedKeypoints:
        """Keypoints of some pictures."""
        return DetectedKeypoints(self.keypoints[chosen], self.confidence[chosen], self.keypoint_set)


@dataclass(frozen=True)
class GroundTruth:
    """N pictures; metres, camera frame of the crop, OpenPose joint order. Left hands are mirrored."""

    path: Path
    dataset: str  # "freihand", "ho3d", "images"
    split: str
    joints_set: str  # definition of the joints; "" where the dataset has none
    samples: int  # annotations of the dataset; several pictures can share one
    names: list[str]
    index: np.ndarray  # [N] number of each picture in the dataset
    K: np.ndarray  # [N, 3, 3] px of the crop
    mirrored: np.ndarray  # [N] bool: a left hand
    joints: np.ndarray  # [N, 21, 3]; NaN: not known
    vertices: np.ndarray | None  # [N, V, 3]; NaN: not known
    roots: np.ndarray  # [N, 3] the dataset's root joint; NaN: not known
    crop: Callable[[int], np.ndarray]  # [224, 224, 3] uint8 RGB of a row
    detected: DetectedKeypoints | None = None
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def known(self) -> np.ndarray:
        """[N] bool: the true joints are known."""
        return np.isfinite(self.joints).all((1, 2))

    @property
    def signs(self) -> np.ndarray:
        """[N, 1, 3] factors that mirror left hands, from the store to the source picture and back."""
        return np.where(self.mirrored[:, None, None], np.array([-1.0, 1.0, 1.0]), 1.0)

    def detections(self, rows: np.ndarray) -> DetectedKeypoints | None:
        """The detections of some pictures; None where the data bring none."""
        return None if self.detected is None else self.detected.rows(rows)

    def require(self) -> None:
        """Check that there is ground truth.

        Raises:
            InputError: not one picture has true joints.
        """
        if self.known.any():
            return
        advice = {
            "ho3d": "HO-3D's evaluation truth is public since November 2024: put evaluation_xyz.json and "
            "evaluation_verts.json beside evaluation.txt and give the dataset's folder.",
            "freihand": "FreiHAND's evaluation truth is public since 2022: put evaluation_xyz.json and "
            "evaluation_verts.json beside evaluation_K.json, and preprocess again or give the dataset's folder.",
        }.get(self.dataset, "Photos have none: give FreiHAND, HO-3D or a dataset in FreiHAND's layout.")
        raise InputError(
            f"{self.path}: {len(self)} pictures (dataset {self.dataset}, split {self.split}), and none has true joints "
            f"to compare with. {advice}"
        )


def open_ground_truth(
    path: Path,
    split: str | None = None,
    *,
    scored: bool = True,
    limit: int | None = None,
    progress: Progress = lambda done, total: None,
) -> GroundTruth:
    """Read ground truth from a store or a dataset's folder.

    Args:
        path: a store, or the folder of FreiHAND, of HO-3D or of a dataset in FreiHAND's layout.
        split: "training" or "evaluation"; of a folder by default its evaluation split, or the training split where
            there is none (with truth, if it is to be scored).
        scored: truth is needed.
        limit: first pictures only.
        progress: told pictures done and in all.

    Raises:
        InputError: nothing readable there, a split that it does not have, or no truth where it is needed.
    """
    truth = (
        _of_folder(open_folder(path, split, scored, limit, progress)) if path.is_dir() else _store(path, split, limit)
    )
    if scored:
        truth.require()
    return truth


def _of_folder(folder: FolderGroundTruth) -> GroundTruth:
    return GroundTruth(
        path=folder.path,
        dataset=str(folder.attributes["dataset"]),
        split=str(folder.attributes["split"]),
        joints_set=str(folder.attributes["joints_3d_set"]),
        samples=int(folder.attributes["samples"]),
        names=folder.names,
        index=folder.index,
        K=folder.K,
        mirrored=np.zeros(len(folder.names), dtype=bool),
        joints=folder.joints,
        vertices=folder.vertices,
        roots=folder.roots,
        crop=folder.crop,
        notes=folder.notes,
    )


def _store(path: Path, split: str | None, limit: int | None) -> GroundTruth:
    store = Store(path)
    attributes = store.attributes
    own = str(attributes.get("split", ""))
    if split is not None and split != own:
        store.close()
        raise InputError(f"{path}: holds the {own} split of {attributes.get('dataset')}, not the {split} split.")
    count = len(store) if limit is None else min(limit, len(store))
    first = slice(count)

    def floats(name: str, shape: tuple[int, ...]) -> np.ndarray:
        if name not in store.file:
            return np.full((count, *shape), np.nan)
        return np.asarray(store.read(name, first), dtype=np.float64)

    vertices = store.read("vertices", first) if "vertices" in store.file else None
    confidence = floats("confidence", (21,))
    detected = None
    source = attributes.get("keypoint_source", {})
    if source.get("source") != "truth":
        keypoints = np.where(confidence[..., None] > 0, floats("keypoints_2d", (21, 2)), np.nan)
        detected = DetectedKeypoints(keypoints, confidence, str(attributes.get("keypoint_set", "openpose")))
    return GroundTruth(
        path=path,
        dataset=str(attributes.get("dataset", "")),
        split=own,
        joints_set=str(attributes.get("joints_3d_set", "")),
        samples=int(attributes.get("samples", 0)),
        names=[bytes(name).decode("utf-8", "backslashreplace") for name in store.read("name", first)],
        index=store.read("index", first),
        K=floats("K", (3, 3)),
        mirrored=store.read("hand", first) == 1,
        joints=floats("joints_3d", (21, 3)),
        vertices=vertices,
        roots=floats("root_3d", (3,)),
        crop=store.crop,
        detected=detected,
    )
