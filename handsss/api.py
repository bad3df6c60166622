"""What stands behind the public verbs: reconstruct, train, evaluate. The commands do the same.

``import handsss`` hands these out without loading torch; everything heavy is imported where it is used.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from handsss.detect.types import Detection
    from handsss.io.image import Photo
    from handsss.reconstruction.hand import Hand

ImageLike = Any  # a path, a PIL picture, or an array [H, W, 3] uint8
Side = Literal["auto", "left", "right"]
_TOGETHER = 8  # photos whose hands go through network and fit at once


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
        from handsss.reconstruction.pipeline import Reconstructor as Pipeline
        from handsss.reconstruction.pipeline import ReconstructSettings

        if hand not in ("auto", "left", "right"):
            raise ValueError(f"hand is 'auto', 'left' or 'right', got {hand!r}")
        self.hand = hand
        self._pipeline = Pipeline(
            model,
            ReconstructSettings(
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
        """The hands of one photo; see :func:`reconstruct` for the arguments.

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
            intrinsics: one camera for all, see :func:`reconstruct`.
            keypoints: one entry a photo, see :func:`reconstruct`.

        Yields:
            a list of hands for each photo, in order.

        Raises:
            InputError: a photo that cannot be read, with its name; earlier ones have been yielded.
        """
        from handsss.reconstruction.hand import hands_of

        given = [None] * len(images) if keypoints is None else list(keypoints)
        if len(given) != len(images):
            raise ValueError(f"{len(images)} images but {len(given)} keypoints: give one entry, or None, for each")
        for begin in range(0, len(images), _TOGETHER):
            views, photos = [], []
            for image, own in zip(images[begin : begin + _TOGETHER], given[begin:], strict=False):
                name, photo = _read(image)
                camera = _camera(photo, name, intrinsics)
                found = self._pipeline.look(
                    photo.array, camera.intrinsics, _detections(own, photo, self.hand) if own is not None else None
                )
                views += found
                photos.append((name, photo, camera, len(found)))
            results = iter(self._pipeline.reconstruct(views) if views else [])
            for name, photo, camera, count in photos:
                yield hands_of([next(results) for _ in range(count)], photo.array, camera, name)


def reconstruct(
    image: ImageLike,
    *,
    intrinsics: Any = None,
    hand: Side = "auto",
    all_hands: bool = False,
    model: str = "open",
    device: str = "cpu",
    refine: bool = True,
    keypoints: Any = None,
) -> list[Hand]:
    """One photo to textured 3D hands. For many photos keep a :class:`Reconstructor`.

    Args:
        image: a path, a PIL picture, or an array [H, W, 3] uint8 RGB. EXIF orientation is applied.
        intrinsics: [3, 3] px or (fx, fy, cx, cy), of the upright photo; left out: from EXIF, or a field of view of 60
            degrees is assumed (``hand.camera`` says which).
        hand: look for this side only; "auto": either. With an array of keypoints: whose they are.
        all_hands: every hand, not only the surest.
        model: "open", "open-detail", "mano" or a path.
        device: of the network.
        refine: fit; False: the network's prediction alone.
        keypoints: found elsewhere, instead of the built-in detector: a path to OpenPose's JSON, or an array [21, 2] or
            [21, 3] of px and confidence in OpenPose's hand order.

    Returns:
        the surest hand, or all, surest first; empty where no hand was found.

    Raises:
        InputError: a photo, camera, keypoints or model that cannot be used; the message says why.
        TypeError, ValueError: an image or array of another kind or shape.

    Example:
        >>> import handsss
        >>> hand = handsss.reconstruct("photo.jpg")[0]
        >>> hand.joints.shape, hand.vertices.shape
        ((21, 3), (778, 3))
        >>> paths = hand.save("hand.glb")
        >>> hand.overlay().save("look.png")
    """
    return _kept(model, hand, all_hands, refine, device)(image, intrinsics=intrinsics, keypoints=keypoints)


@lru_cache(maxsize=2)
def _kept(model: str, hand: Side, all_hands: bool, refine: bool, device: str) -> Reconstructor:
    """A reconstructor that the next call finds again: a loop over photos loads networks once."""
    return Reconstructor(model=model, hand=hand, all_hands=all_hands, refine=refine, device=device)


def _read(image: ImageLike) -> tuple[str, Photo]:
    """A photo and its name, "" for pictures that have none."""
    from PIL import Image as PilImage

    from handsss.io.image import Photo, photo_of, read_image

    if isinstance(image, (str, os.PathLike)):
        path = Path(image)
        return path.as_posix(), read_image(path)
    if isinstance(image, PilImage.Image):
        name = str(getattr(image, "filename", "") or "")
        return name, photo_of(image, name or "picture")
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"an image array is [H, W, 3] uint8 RGB, got {list(image.shape)} {image.dtype}")
        _, photo = "", photo_of(PilImage.fromarray(np.ascontiguousarray(image)))
        return "", Photo(photo.array, None, ())
    raise TypeError(f"an image is a path, a PIL picture or an array [H, W, 3] uint8, got {type(image).__name__}")


def _camera(photo: Photo, name: str, intrinsics: Any) -> Any:
    from handsss.io.camera import CameraOptions, choose_camera, intrinsics_matrix

    options = None if intrinsics is None else CameraOptions(intrinsics=intrinsics_matrix(intrinsics))
    return choose_camera((photo.array.shape[1], photo.array.shape[0]), photo.exif, name, options)


def _detections(keypoints: Any, photo: Photo, hand: Side) -> list[Detection]:
    from handsss.data.keypoints.files import hands_of, read_hands

    size = photo.array.shape[1], photo.array.shape[0]
    if isinstance(keypoints, (str, os.PathLike)):
        return read_hands(Path(keypoints), size, hand=hand)
    return hands_of(keypoints, size, hand=hand)
