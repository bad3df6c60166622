"""FreiHAND, and datasets in its layout: pictures, JSON lists, masks.

``ROOT/training/rgb/%08d.jpg``, ``ROOT/training_K.json`` and so on. The 130,240 training pictures are four versions of
32,560 samples (background removed by green screen, harmonised, and coloured in two ways), one after the other, so the
annotation of picture ``i`` is number ``i % 32560``. Masks exist for the first version only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from handsss.data.annotated_image import AnnotatedImage
from handsss.data.keypoints.names import Picture
from handsss.data.readers.annotations import read_number_lists
from handsss.errors import InputError
from handsss.io.image import IMAGE_SUFFIXES

VERSIONS = ("gs", "hom", "sample", "auto")
SPLITS = ("training", "evaluation")
ROOT_JOINT = 9  # middle finger's knuckle
HOME = "https://lmb.informatik.uni-freiburg.de/projects/freihand/ (registration; FreiHAND_pub_v2.zip)"
_MANO_NUMBERS = 61  # 48 pose, 10 shape, 2 root in the picture, 1 scale


@dataclass(frozen=True)
class FreiHand:
    """One split, its annotations read and checked.

    Raises (from :func:`open_freihand`):
        InputError: a file missing or of the wrong length; named, with what was expected.
    """

    root: Path
    split: str
    version: str
    numbers: np.ndarray  # [N] picture numbers
    unique: int  # annotations
    intrinsics: np.ndarray  # [U, 3, 3]
    scale: np.ndarray  # [U] m
    joints: np.ndarray | None  # [U, 21, 3] m
    vertices: np.ndarray | None  # [U, V, 3] m
    mano: np.ndarray | None  # [U, 61]
    files: Mapping[int, str]  # name of each picture that is called otherwise than 00000000.jpg, by number

    def __len__(self) -> int:
        return len(self.numbers)

    def item(self, row: int) -> AnnotatedImage:
        """The picture of a row."""
        number = int(self.numbers[row])
        sample = number % self.unique
        truth: dict[str, Any] = {"scale": self.scale[sample]}
        if self.vertices is not None:
            truth["vertices"] = self.vertices[sample]
        if self.mano is not None:
            pose, shape, uv_root, scale = split_mano(self.mano[sample])
            truth |= {"mano_pose": pose, "mano_shape": shape}
            truth["root_3d"] = root_position(uv_root, scale, self.intrinsics[sample])
        elif self.joints is not None:
            truth["root_3d"] = self.joints[sample, ROOT_JOINT]
        name = self._name(number)
        has_mask = self.split == "training" and number < self.unique
        return AnnotatedImage(
            path=self.root / name,
            name=name,
            index=number,
            sample=sample,
            intrinsics=self.intrinsics[sample],
            whole=True,
            mask=self._mask(number) if has_mask and self._masks else None,
            joints_3d=None if self.joints is None else self.joints[sample],
            truth=truth,
        )

    def pictures(self) -> list[Picture]:
        """All pictures, without their annotations."""
        names = [self._name(int(number)) for number in self.numbers]
        return [
            Picture(self.root / name, name, int(number), int(number) % self.unique)
            for number, name in zip(self.numbers, names, strict=True)
        ]

    def _name(self, number: int) -> str:
        return f"{self.split}/rgb/{self.files.get(number, f'{number:08d}.jpg')}"

    def _mask(self, number: int) -> Path:
        folder = self.root / self.split / "mask"
        named = [folder / f"{number:08d}.jpg", folder / f"{number:08d}.png", folder / self.files.get(number, "")]
        return next((path for path in named if path.is_file()), named[0])

    @property
    def _masks(self) -> bool:
        return (self.root / self.split / "mask").is_dir()

    @property
    def attributes(self) -> dict[str, Any]:
        """Attributes for the store."""
        return {
            "dataset": "freihand",
            "split": self.split,
            "version": self.version,
            "samples": self.unique,
            "root_joint": ROOT_JOINT,
            "joints_3d_set": "freihand",
            "mano_flat_hand_mean": 0,
            "mano_frame": "camera; the root joint 9 lies at root_3d",
            "vertices_model": "778 vertices of the dataset's hand model",
        }


def split_mano(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Pose [48], shape [10], root in the picture [2] px, scale (m) of FreiHAND's 61 numbers."""
    return values[:48], values[48:58], values[58:60], float(values[60])


def root_position(uv: np.ndarray, scale: float, intrinsics: np.ndarray) -> np.ndarray:
    """Position of the root joint, from its pixel and the "scale": ``[(uv - pp), f] / scale`` with f the mean focal
    length (FreiHAND's ``recover_root``).

    Args:
        uv: [2] px.
        scale: focal length over depth, px per m.
        intrinsics: [3, 3].

    Returns:
        [3] m, camera frame.
    """
    focal = 0.5 * (intrinsics[0, 0] + intrinsics[1, 1])
    root: np.ndarray = np.array([*(uv - intrinsics[:2, 2]), focal]) / scale
    return root


def open_freihand(root: Path, split: str = "training", version: str = "all") -> FreiHand:
    """Read the annotations of a split and check them against the pictures.

    Args:
        root: holds training/, evaluation/ and the JSON files.
        split: "training" or "evaluation".
        version: "gs", "hom", "sample", "auto" or "all"; a dataset of one version knows "gs" and "all".

    Raises:
        InputError: see :class:`FreiHand`.
    """
    pictures = root / split / "rgb"
    if not pictures.is_dir():
        raise InputError(
            f"{pictures}: no such folder. Expected FreiHAND's layout: {root}/{split}/rgb/00000000.jpg, "
            f"{root}/{split}_K.json, {root}/{split}_scale.json. FreiHAND comes from {HOME}."
        )
    intrinsics = read_number_lists(root / f"{split}_K.json", (3, 3), "3x3 camera matrices")
    unique = len(intrinsics)
    scale = read_number_lists(root / f"{split}_scale.json", (), "bone lengths in metres")
    optional: dict[str, np.ndarray | None] = {"xyz": None, "verts": None, "mano": None}
    shapes = {"xyz": ((21, 3), "21 joints"), "verts": ((-1, 3), "meshes"), "mano": ((_MANO_NUMBERS,), "61 numbers")}
    for name, (shape, what) in shapes.items():
        path = root / f"{split}_{name}.json"
        if path.exists():
            optional[name] = read_number_lists(path, shape, what)
        elif split == "training" and name == "xyz":
            raise InputError(f"{path}: no such file. Expected FreiHAND's list of 21 joints for each sample.")
    for name, values in {"scale": scale, **optional}.items():
        if values is not None and len(values) != unique:
            raise InputError(
                f"{root / f'{split}_{name}.json'}: {len(values)} entries, but {root / f'{split}_K.json'} has {unique}. "
                "Expected one entry for each sample: are the files of one download?"
            )
    if optional["verts"] is not None and optional["verts"].shape[1] != 778:
        raise InputError(f"{root / f'{split}_verts.json'}: meshes of {optional['verts'].shape[1]} vertices, not 778.")
    files = _files(pictures)
    return FreiHand(
        root,
        split,
        version,
        _picture_numbers(pictures, files, unique, split, version),
        unique,
        intrinsics,
        scale,
        optional["xyz"],
        optional["verts"],
        optional["mano"],
        {number: name for number, name in files.items() if name != f"{number:08d}.jpg"},
    )


def _files(pictures: Path) -> dict[int, str]:
    """Name of each picture by number; JPEG before other formats of the same number."""
    found: dict[int, str] = {}
    for path in sorted(pictures.iterdir()):
        stem, suffix = path.stem, path.suffix.lower()
        if stem.isascii() and stem.isdigit() and len(stem) < 20 and suffix in IMAGE_SUFFIXES:
            number = int(stem)
            if number not in found or path.name == f"{number:08d}.jpg":
                found[number] = path.name
    return found


def _picture_numbers(pictures: Path, files: Mapping[int, str], unique: int, split: str, version: str) -> np.ndarray:
    """Numbers of the pictures of a version, after counting those that are there."""
    count, highest = len(files), max(files, default=-1)
    versions = -(-max(highest + 1, unique) // unique)
    allowed = (1, len(VERSIONS)) if split == "training" else (1,)
    if versions not in allowed or highest >= versions * unique:
        raise InputError(
            f"{pictures}: pictures up to number {highest}, but the annotations are {unique}. Expected {unique} pictures"
            + (f" or {len(VERSIONS)} x {unique}." if split == "training" else ".")
        )
    expected = versions * unique
    if count < expected:
        first = next(number for number in range(expected) if number not in files)
        if count < 0.9 * expected:
            raise InputError(
                f"{pictures}: {count} pictures, expected {expected} ({unique} annotations x {versions}); "
                f"{first:08d}.jpg is the first that is missing. Is the download complete?"
            )
    if version == "all":
        return np.arange(expected)
    if version not in VERSIONS:
        raise InputError(f"{{version}} {version}: expected one of {', '.join(VERSIONS)} or all.", options=("version",))
    block = VERSIONS.index(version)
    if block >= versions:
        raise InputError(
            f"{{version}} {version}: {pictures} holds one version only ({expected} pictures for {unique} annotations). "
            "Use {version} all.",
            options=("version",),
        )
    return np.arange(unique) + block * unique
