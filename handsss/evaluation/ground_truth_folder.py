"""Reads ground truth from a dataset's folder, without preprocessing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from handsss.data.annotated_image import AnnotatedImage
from handsss.data.image_rows import crop_window, make_rows
from handsss.data.keypoints.sources import TruthSource
from handsss.data.readers.annotations import read_number_lists
from handsss.data.readers.freihand import FreiHand, open_freihand
from handsss.data.readers.ho3d import Ho3d, open_ho3d
from handsss.data.store.crop_jpeg import decode_crop
from handsss.errors import InputError
from handsss.evaluation.protocols import PROTOCOLS
from handsss.geometry.framing import BOX_MARGIN, MARGIN
from handsss.io.camera import choose_camera

# As `handsss preprocess` cuts by default.
_NO_PICTURE = np.zeros((1, 1, 3), dtype=np.uint8)


@dataclass
class FolderGroundTruth:
    """See :class:`handsss.evaluation.ground_truth.GroundTruth`."""

    path: Path
    attributes: dict[str, Any]
    names: list[str]
    index: np.ndarray
    K: np.ndarray
    joints: np.ndarray
    vertices: np.ndarray | None
    roots: np.ndarray
    crop: Callable[[int], np.ndarray]
    notes: list[str] = field(default_factory=list)


def open_folder(
    root: Path, split: str | None, scored: bool, limit: int | None, progress: Callable[[int, int], None]
) -> FolderGroundTruth:
    """Read FreiHAND, HO-3D or a dataset in FreiHAND's layout.

    Args:
        root: its folder.
        split: "training", "evaluation", or None to choose.
        scored: truth is needed, so that a split without truth is not chosen.
        limit: first pictures only.
        progress: told pictures done and in all.

    Raises:
        InputError: no such dataset here, or its files are damaged.
    """
    freihand = any((root / name / "rgb").is_dir() for name in ("training", "evaluation"))
    ho3d = any((root / name).is_file() for name in ("train.txt", "evaluation.txt"))
    if not freihand and not ho3d:
        raise InputError(
            f"{root}: neither FreiHAND's layout (training/rgb or evaluation/rgb) nor HO-3D's (train.txt or "
            "evaluation.txt). Give the folder of such a dataset, or a file that `handsss preprocess` wrote."
        )
    notes: list[str] = []
    chosen = split or _choose(root, ho3d and not freihand, scored, notes)
    if freihand:
        return _freihand(root, chosen, limit, notes, progress)
    return _ho3d(root, chosen, limit, notes, progress)


def _choose(root: Path, ho3d: bool, scored: bool, notes: list[str]) -> str:
    """The evaluation split, or the training split where there is none that can be scored."""
    listed = (root / "evaluation.txt").is_file() if ho3d else (root / "evaluation" / "rgb").is_dir()
    training = (root / "train.txt").is_file() if ho3d else (root / "training" / "rgb").is_dir()
    truth = root / "evaluation_xyz.json"
    if listed and (truth.is_file() or not scored or not training):
        return "evaluation"
    if listed:
        notes.append(
            f"{truth} is not there, so nothing is known of the evaluation pictures: the training pictures were scored."
        )
    return "training"


def _freihand(
    root: Path, split: str, limit: int | None, notes: list[str], progress: Callable[[int, int], None]
) -> FolderGroundTruth:
    return _read(root, open_freihand(root, split), "freihand", None, None, limit, notes, progress)


def _ho3d(
    root: Path, split: str, limit: int | None, notes: list[str], progress: Callable[[int, int], None]
) -> FolderGroundTruth:
    name = "train" if split == "training" else "evaluation"
    version = "v3" if next((root / name).glob("*/rgb/*.jpg"), None) is not None else "v2"
    reader = open_ho3d(root, split, version)
    joints, vertices = None, None
    # The truth that was published later lies in files like a submission's: HO-3D's order, OpenGL's camera.
    if split == "evaluation":
        protocol = PROTOCOLS["ho3d"]
        joints = _list(root / "evaluation_xyz.json", (21, 3), "21 joints", len(reader))
        vertices = _list(root / "evaluation_verts.json", (-1, 3), "meshes", len(reader))
        joints = None if joints is None else protocol.joints_from_file(joints)
        vertices = None if vertices is None else protocol.from_file(vertices)
    return _read(root, reader, "ho3d", joints, vertices, limit, notes, progress)


def _list(path: Path, shape: tuple[int, ...], what: str, count: int) -> np.ndarray | None:
    if not path.is_file():
        return None
    values = read_number_lists(path, shape, what)
    if len(values) != count:
        raise InputError(f"{path}: {len(values)} entries, but evaluation.txt lists {count} frames. Of another version?")
    return values


def _read(
    root: Path,
    reader: FreiHand | Ho3d,
    joints_set: str,
    joints: np.ndarray | None,
    vertices: np.ndarray | None,
    limit: int | None,
    notes: list[str],
    progress: Callable[[int, int], None],
) -> FolderGroundTruth:
    count = len(reader) if limit is None else min(limit, len(reader))
    source = TruthSource(joints_set)
    names: list[str] = []
    index = np.zeros(count, dtype=np.int64)
    cameras, roots = np.zeros((count, 3, 3)), np.full((count, 3), np.nan)
    points = np.full((count, 21, 3), np.nan)
    meshes: list[np.ndarray | None] = []
    size: tuple[int, int] | None = None

    def item_of(row: int) -> AnnotatedImage:
        item = reader.item(row)
        return item if joints is None else replace(item, joints_3d=joints[row])

    for row in range(count):
        item = item_of(row)
        size = size or _size(item.path)  # one size in all of a dataset
        camera = item.intrinsics
        if camera is None:  # frames without any annotation
            camera = choose_camera(size, None, item.name).intrinsics
        hand, *_ = source.find(item, _NO_PICTURE, camera)[0]
        window = crop_window(item, hand.keypoints, size, MARGIN, BOX_MARGIN, mirrored=False)
        names.append(item.name)
        index[row] = item.index
        cameras[row] = window.intrinsics(camera)
        if item.joints_3d is not None:
            points[row] = item.joints_3d
        if item.truth.get("root_3d") is not None:
            roots[row] = item.truth["root_3d"]
        meshes.append(item.truth.get("vertices") if vertices is None else vertices[row])
        progress(row + 1, count)

    def crop(row: int) -> np.ndarray:
        rows = make_rows(item_of(row), source, MARGIN, BOX_MARGIN, keep_file=False)
        return decode_crop(rows.rows[0].crop)

    known = [mesh for mesh in meshes if mesh is not None]
    stacked = None
    if known:
        unknown = np.full_like(known[0], np.nan)
        stacked = np.array([unknown if mesh is None else mesh for mesh in meshes])
    return FolderGroundTruth(root, reader.attributes, names, index, cameras, points, stacked, roots, crop, notes)


def _size(path: Path) -> tuple[int, int]:
    try:
        with Image.open(path) as picture:
            return picture.size
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a picture ({error}).") from error
