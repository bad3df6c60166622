"""HO-3D v2 and v3: sequences of pictures with one pickle each.

``ROOT/train/SEQ/{rgb,meta}/ID.*``, ``ROOT/evaluation/...``, and lists of ``SEQ/ID`` in train.txt and evaluation.txt.
Pictures are PNG in v2 and JPEG in v3. Points are in an OpenGL camera (y up, the hand at z < 0) and joints in MANO's
order with the tips behind; both are converted here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from handsss.data.annotated_image import AnnotatedImage
from handsss.data.keypoints.names import Picture
from handsss.data.readers.annotations import read_lines
from handsss.errors import InputError, UserError
from handsss.geometry.cameras import from_opengl
from handsss.hand.joints import reorder_indices
from handsss.hand.safe_pickle import array_from, read_pickle

SPLITS = ("training", "evaluation")
VERSIONS = ("v2", "v3")
ROOT_JOINT = 0  # wrist
HOME = "https://github.com/shreyashampali/ho3d (links to v2 and v3)"
_FOLDERS = {"training": ("train", "train.txt"), "evaluation": ("evaluation", "evaluation.txt")}
# Frames that the authors' lists hold. The lists decide; other counts are reported, not refused.
KNOWN_COUNTS = {("v2", "training"): 66034, ("v2", "evaluation"): 11524, ("v3", "evaluation"): 20137}


@dataclass(frozen=True)
class Ho3d:
    """One split; annotations are read picture by picture."""

    root: Path
    split: str
    version: str
    frames: tuple[str, ...]  # SEQ/ID
    folder: Path

    def __len__(self) -> int:
        return len(self.frames)

    def item(self, row: int) -> AnnotatedImage:
        """The picture of a row.

        Raises:
            InputError: a missing or damaged pickle; a refused one, by name.
        """
        frame = self.frames[row]
        sequence, number = frame.rsplit("/", 1)
        picture = self._picture(sequence, number)
        meta_path = self.folder / sequence / "meta" / f"{number}.pkl"
        meta = _Meta(meta_path, read_pickle(meta_path, "HO-3D"))
        intrinsics = meta.numbers("camMat", (3, 3))
        joints, box = None, None
        bounds = meta.numbers("handBoundingBox", (4,))
        truth: dict[str, np.ndarray | None] = {}
        if self.split == "training":
            given = meta.numbers("handJoints3D", (21, 3))
            if given is not None:
                joints = from_opengl(given)[reorder_indices("ho3d", "openpose")]
                truth["root_3d"] = joints[ROOT_JOINT]
            truth["mano_pose"] = meta.numbers("handPose", (48,))
            truth["mano_shape"] = meta.numbers("handBeta", (10,))
            truth["mano_translation"] = meta.numbers("handTrans", (3,))
        else:
            root = meta.numbers("handJoints3D", (3,), first_of=21)
            truth["root_3d"] = None if root is None else from_opengl(root)
            box = bounds
        return AnnotatedImage(
            path=picture,
            name=picture.relative_to(self.root).as_posix(),
            index=row,
            sample=row,
            intrinsics=intrinsics,
            box=box,
            hand_boxes=() if bounds is None else (bounds,),
            joints_3d=joints,
            truth={name: value for name, value in truth.items() if value is not None},
        )

    def pictures(self) -> list[Picture]:
        """All pictures, without their annotations."""
        suffix = ".png" if self.version == "v2" else ".jpg"
        listed = []
        for row, frame in enumerate(self.frames):
            sequence, number = frame.rsplit("/", 1)
            path = self.folder / sequence / "rgb" / f"{number}{suffix}"
            listed.append(Picture(path, path.relative_to(self.root).as_posix(), row, row))
        return listed

    def _picture(self, sequence: str, number: str) -> Path:
        suffixes = (".png", ".jpg") if self.version == "v2" else (".jpg", ".png")
        for suffix in suffixes:
            path = self.folder / sequence / "rgb" / f"{number}{suffix}"
            if path.is_file():
                return path
        return self.folder / sequence / "rgb" / f"{number}{suffixes[0]}"

    @property
    def attributes(self) -> dict[str, Any]:
        """Attributes for the store."""
        return {
            "dataset": "ho3d",
            "split": self.split,
            "version": self.version,
            "samples": len(self.frames),
            "root_joint": ROOT_JOINT,
            "joints_3d_set": "ho3d",
            "mano_flat_hand_mean": 1,
            "mano_frame": "OpenGL camera (y up, z backwards), rotation about the wrist, as the dataset has it",
            "known_count": KNOWN_COUNTS.get((self.version, self.split), 0),
        }


@dataclass(frozen=True)
class _Meta:
    """One pickle's dictionary. Frames without annotation have None for their entries."""

    path: Path
    content: dict[str, Any]

    def numbers(self, key: str, shape: tuple[int, ...], first_of: int = 0) -> np.ndarray | None:
        """An entry as an array; None where it is None or absent.

        Args:
            key: of the entry.
            shape: expected.
            first_of: the entry may also be a list of this many such arrays, of which the first is meant (files to
                which the truth was added hold all joints where the root alone was).

        Raises:
            InputError: another shape, or no finite numbers.
        """
        if self.content.get(key) is None:
            return None
        array = array_from(self.content, key, self.path, "HO-3D").astype(np.float64)
        size = int(np.prod(shape))
        if first_of and array.size == size * first_of:
            array = array.reshape(first_of, size)[0]
        if array.size != size:
            raise InputError(f"{self.path}: {key} should have the shape {list(shape)}, got {list(array.shape)}.")
        if not np.isfinite(array).all():
            raise InputError(f"{self.path}: {key} holds a number that is not finite.")
        return array.reshape(shape)


def open_ho3d(root: Path, split: str = "training", version: str = "v2") -> Ho3d:
    """Read a split's list of frames.

    Args:
        root: holds train/, evaluation/, train.txt, evaluation.txt.
        split: "training" or "evaluation".
        version: "v2" or "v3".

    Raises:
        InputError: no such folder or list, or a line that is not SEQ/ID.
    """
    if version not in VERSIONS:
        raise UserError(f"{{version}} {version}: expected v2 or v3.", options=("version",))
    name, list_name = _FOLDERS[split]
    folder = root / name
    if not folder.is_dir():
        raise InputError(
            f"{folder}: no such folder. Expected HO-3D's layout: {root}/{name}/SEQ/rgb, {root}/{name}/SEQ/meta, "
            f"{root}/{list_name}. HO-3D comes from {HOME}."
        )
    frames = read_lines(root / list_name, f"HO-3D's list of frames, lines like ABF10/0000, next to {name}/")
    for number, line in enumerate(frames):
        parts = line.split("/")
        if len(parts) != 2 or not all(parts) or ".." in parts:
            raise InputError(f"{root / list_name}: line {number + 1} is {line!r}; expected SEQ/ID, like ABF10/0000.")
    if not frames:
        raise InputError(f"{root / list_name}: is empty. Expected lines like ABF10/0000.")
    return Ho3d(root, split, version, tuple(frames), folder)
