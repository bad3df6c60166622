"""Photos as a dataset: no annotations, left and right hands."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from handsss.data.annotated_image import AnnotatedImage
from handsss.data.keypoints.names import Picture
from handsss.errors import InputError
from handsss.io.camera import CameraOptions, choose_camera
from handsss.io.folders import is_clutter
from handsss.io.image import IMAGE_SUFFIXES


@dataclass(frozen=True)
class Photos:
    """The pictures of a folder and the folders in it, by name."""

    root: Path
    names: tuple[str, ...]
    side: str = "auto"
    camera: CameraOptions | None = None
    hand: str = "auto"  # keep hands of this side only
    boxes: Mapping[str, Sequence[np.ndarray]] = field(default_factory=dict)  # name -> [4] px, around a hand each

    def __len__(self) -> int:
        return len(self.names)

    def item(self, row: int) -> AnnotatedImage:
        """The picture of a row."""
        name = self.names[row]
        intrinsics: np.ndarray | None = None
        if self.camera is not None and (self.camera.intrinsics is not None or self.camera.table is not None):
            intrinsics = choose_camera((0, 0), None, name, self.camera).intrinsics
        return AnnotatedImage(
            path=self.root / name,
            name=name,
            index=row,
            sample=row,
            side=self.side,
            keep=self.hand,
            intrinsics=intrinsics,
            hand_boxes=tuple(self.boxes.get(name, ())),
        )

    def pictures(self) -> list[Picture]:
        """All pictures, without their cameras."""
        return [Picture(self.root / name, name, row, row) for row, name in enumerate(self.names)]

    @property
    def attributes(self) -> dict[str, Any]:
        """Attributes for the store."""
        listed = hashlib.sha256("\n".join(self.names).encode("utf-8", "surrogateescape")).hexdigest()[:16]
        given = self.camera is not None and (self.camera.intrinsics is not None or self.camera.table is not None)
        return {
            "dataset": "images",
            "split": "training",
            "version": listed,  # of the list of names
            "samples": len(self.names),
            "camera": "given" if given else "EXIF focal length, else a field of view of 60 degrees",
            **({"hand": self.hand} if self.hand != "auto" else {}),
            **({"boxes": _fingerprint(self.boxes)} if self.boxes else {}),
        }


def _fingerprint(boxes: Mapping[str, Sequence[np.ndarray]]) -> str:
    listed = "\n".join(f"{name} {[box.tolist() for box in boxes[name]]}" for name in sorted(boxes))
    return hashlib.sha256(listed.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def open_photos(
    root: Path,
    side: str = "auto",
    camera: CameraOptions | None = None,
    *,
    hand: str = "auto",
    boxes: Mapping[str, Sequence[np.ndarray]] | None = None,
) -> Photos:
    """List the pictures below a folder; hidden files and folders, trash and thumbnails are left out.

    Args:
        root: the folder.
        side: "left" or "right": every picture shows one hand, and it is of this side; "auto": as detected.
        camera: of the pictures.
        hand: "left" or "right": of the detected hands only those of this side.
        boxes: name of a picture, below the folder, to boxes [4] px around a hand each.

    Raises:
        InputError: no folder, no pictures in it, or a box of a picture that is not there.
    """
    if not root.is_dir():
        raise InputError(f"{root}: no such folder. Expected a folder of photos.")
    names = tuple(
        sorted(
            path.relative_to(root).as_posix()
            for path in root.rglob("*")
            if path.suffix.lower() in IMAGE_SUFFIXES
            and path.is_file()
            and not path.name.startswith(".")
            and not is_clutter(path.relative_to(root).parts[:-1])
        )
    )
    if not names:
        raise InputError(f"{root}: holds no pictures ({', '.join(IMAGE_SUFFIXES[:6])}, ...).")
    strange = sorted(set(boxes or {}) - set(names))
    if strange:
        raise InputError(
            f"{{boxes}}: {strange[0]} is no picture of {root} ({len(strange)} of {len(boxes or {})} names are none). "
            f"Expected names such as {names[0]}.",
            options=("boxes",),
        )
    return Photos(root, names, side, camera, hand, boxes or {})
