"""Photos as a dataset: no annotations, left and right hands."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
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

    def __len__(self) -> int:
        return len(self.names)

    def item(self, row: int) -> AnnotatedImage:
        """The picture of a row."""
        name = self.names[row]
        intrinsics: np.ndarray | None = None
        if self.camera is not None and (self.camera.intrinsics is not None or self.camera.table is not None):
            intrinsics = choose_camera((0, 0), None, name, self.camera).intrinsics
        return AnnotatedImage(
            path=self.root / name, name=name, index=row, sample=row, side=self.side, intrinsics=intrinsics
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
        }


def open_photos(root: Path, side: str = "auto", camera: CameraOptions | None = None) -> Photos:
    """List the pictures below a folder; hidden files and folders, trash and thumbnails are left out.

    Raises:
        InputError: no folder, or no pictures in it.
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
    return Photos(root, names, side, camera)
