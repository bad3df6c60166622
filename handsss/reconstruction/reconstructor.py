"""Photos, in whatever form Python users have them, to hands; the networks are kept for the next photos."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from handsss.data.keypoints.files import hands_of as array_hands
from handsss.data.keypoints.files import read_hands
from handsss.detect.types import Detection
from handsss.io.camera import CameraChoice, CameraOptions, choose_camera, intrinsics_matrix
from handsss.io.image import Photo, photo_of, read_image
from handsss.reconstruction.hand import Hand, hands_of
from handsss.reconstruction.pipeline import HandPipeline, PipelineSettings

ImageLike = Any  # a path, a PIL picture, or an array [H, W, 3] uint8
Side = Literal["auto", "left", "right"]
_BATCH = 8  # photos whose hands go through network and fit at once


class Reconstructor:
    """Turns photos into hands, and keeps its networks for the next ones.

    Args:
        model: the hand model: "open" (778 vertices), "open-detail" (1649), "mano" (your own files, found through
            ``HANDSSS_MANO``), or a path.
        hand: look for this side only; "auto": either.
        all_hands: every hand of a photo, not only the surest.
        refine: fit to keypoints and outline; False: the network's prediction, placed on the keypoints.
        texture: light, skin colour and texture from the photo.
        checkpoint: the network that predicts before the fit: "auto" (the one that comes along, for the open hand),
            "none", a checkpoint of ``handsss.train``, a run's folder, or weights.
        device: of the network: "cpu", "cuda", "cuda:1" or "auto". The fit computes on the CPU.
        precision: of the network: "float32", "bfloat16" or "float16".

    Raises:
        UserError: no such device, or an unknown precision.
        InputError: no such model or checkpoint, or one of another hand model.

    Example:
        >>> import handsss
        >>> reconstructor = handsss.Reconstructor(all_hands=True)
        >>> for hand in reconstructor("photo.jpg"):
        ...     paths = hand.save(f"{hand.hand}.glb")
    """

    def __init__(
        self,
        *,
        model: str = "open",
        hand: Side = "auto",
        all_hands: bool = False,
        refine: bool = True,
        texture: bool = True,
        checkpoint: str | os.PathLike[str] | None = "auto",
        device: str = "cpu",
        precision: str = "float32",
    ) -> None:
        if hand not in ("auto", "left", "right"):
            raise ValueError(f"hand is 'auto', 'left' or 'right', got {hand!r}")
        self.hand = hand
        self._pipeline = HandPipeline(
            model,
            PipelineSettings(
                hand=hand,
                all_hands=all_hands,
                refine=refine,
                appearance=texture,
                checkpoint=None if checkpoint is None else os.fspath(checkpoint),
                device=device,
                precision=precision,
            ),
        )

    def __call__(self, image: ImageLike, *, intrinsics: Any = None, keypoints: Any = None) -> list[Hand]:
        """The hands of one photo; see :func:`handsss.reconstruct` for the arguments.

        Returns:
            the surest hand, or all, surest first; empty where none was found.
        """
        return next(self.batch([image], intrinsics=intrinsics, keypoints=None if keypoints is None else [keypoints]))

    def batch(
        self, images: Sequence[ImageLike], *, intrinsics: Any = None, keypoints: Sequence[Any] | None = None
    ) -> Iterator[list[Hand]]:
        """The hands of many photos; those of eight photos go through network and fit together.

        Args:
            images: paths, PIL pictures or arrays.
            intrinsics: one camera for all, see :func:`handsss.reconstruct`.
            keypoints: one entry a photo, see :func:`handsss.reconstruct`.

        Yields:
            a list of hands for each photo, in order.

        Raises:
            InputError: a photo that cannot be read, with its name; earlier ones have been yielded.
        """
        given = [None] * len(images) if keypoints is None else list(keypoints)
        if len(given) != len(images):
            raise ValueError(f"{len(images)} images but {len(given)} keypoints: give one entry, or None, for each")
        for begin in range(0, len(images), _BATCH):
            inputs, photos = [], []
            for image, own in zip(images[begin : begin + _BATCH], given[begin:], strict=False):
                name, photo = _read(image)
                camera = _camera(photo, name, intrinsics)
                found = self._pipeline.find_hands(
                    photo.array, camera.intrinsics, _detections(own, photo, self.hand) if own is not None else None
                )
                inputs += found
                photos.append((name, photo, camera, len(found)))
            results = iter(self._pipeline.reconstruct(inputs) if inputs else [])
            for name, photo, camera, count in photos:
                yield hands_of([next(results) for _ in range(count)], photo.array, camera, name)


def _read(image: ImageLike) -> tuple[str, Photo]:
    """A photo and its name, "" for pictures that have none."""
    if isinstance(image, (str, os.PathLike)):
        path = Path(image)
        return path.as_posix(), read_image(path)
    if isinstance(image, Image.Image):
        name = str(getattr(image, "filename", "") or "")
        return name, photo_of(image, name or "picture")
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"an image array is [H, W, 3] uint8 RGB, got {list(image.shape)} {image.dtype}")
        photo = photo_of(Image.fromarray(np.ascontiguousarray(image)))
        return "", Photo(photo.array, None, ())
    raise TypeError(f"an image is a path, a PIL picture or an array [H, W, 3] uint8, got {type(image).__name__}")


def _camera(photo: Photo, name: str, intrinsics: Any) -> CameraChoice:
    options = None if intrinsics is None else CameraOptions(intrinsics=intrinsics_matrix(intrinsics))
    return choose_camera((photo.array.shape[1], photo.array.shape[0]), photo.exif, name, options)


def _detections(keypoints: Any, photo: Photo, hand: Side) -> list[Detection]:
    size = photo.array.shape[1], photo.array.shape[0]
    if isinstance(keypoints, (str, os.PathLike)):
        return read_hands(Path(keypoints), size, hand=hand)
    return array_hands(keypoints, size, hand=hand)
