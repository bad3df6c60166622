"""Photos, in whatever form Python users have them, to hands; the networks are kept for the next photos."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from PIL import Image

from handsss.data.keypoints.files import hands_of as array_hands
from handsss.data.keypoints.files import keypoints_of
from handsss.detect.boxes import box_of
from handsss.detect.types import Detection, check_sides
from handsss.errors import InputError, UserError
from handsss.fitting.fitted_hand import FittedHand
from handsss.fitting.hand_input import HandInput
from handsss.io.camera import CameraChoice, CameraOptions, choose_camera, intrinsics_matrix
from handsss.io.image import Photo, photo_of, read_image
from handsss.reconstruction.hand import Hand
from handsss.reconstruction.pipeline import HandPipeline
from handsss.reconstruction.same_hand import common_skin
from handsss.reconstruction.settings import PipelineSettings
from handsss.reconstruction.shared_shape import share_shape, with_pixels, without_pixels
from handsss.reconstruction.shared_skin import with_skin

ImageLike = Any  # a path, a PIL picture, or an array [H, W, 3] uint8
Side = Literal["auto", "left", "right"]
_BATCH = 8  # photos whose hands go through network and fit at once


class Reconstructor:
    """Turns photos into hands, and keeps its networks for the next ones.

    Args:
        model: the hand model: "open" (778 vertices), "open-detail" (1649), "mano" (your own files, found through
            ``HANDSSS_MANO``), or a path.
        hand: keep hands that are detected as this side only; "auto": either.
        side: "left" or "right": every hand is of this side, whatever the detector takes it for; "auto": as detected,
            and where the detector doubts, as fits better.
        depth: the detector's metric 3D points are evidence of the fit, beside its keypoints.
        all_hands: every hand of a photo, not only the surest.
        same_hand: all photos of a :meth:`batch` show one person's hands: they get one shape and one skin, left and
            right ones alike. ``hand.shared_shape`` says how far each hand agrees with the others.
        refine: fit to keypoints and outline; False: the network's prediction, placed on the keypoints.
        texture: light, skin colour and texture from the photo.
        checkpoint: the network that predicts before the fit: "auto" (the one that comes along, for the open hand),
            "none", a checkpoint of ``handsss.train``, a run's folder, or weights.
        device: of the network: "cpu", "cuda", "cuda:1" or "auto". The fit computes on the CPU.
        precision: of the network: "float32", "bfloat16" or "float16".

    Raises:
        UserError: no such device, an unknown precision, or ``hand`` and ``side`` that contradict each other.
        InputError: no such model or checkpoint, or one of another hand model.

    Examples:
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
        side: Side = "auto",
        depth: bool = True,
        all_hands: bool = False,
        same_hand: bool = False,
        refine: bool = True,
        texture: bool = True,
        checkpoint: str | os.PathLike[str] | None = "auto",
        device: str = "cpu",
        precision: str = "float32",
    ) -> None:
        if hand not in ("auto", "left", "right"):
            raise ValueError(f"hand is 'auto', 'left' or 'right', got {hand!r}")
        if side not in ("auto", "left", "right"):
            raise ValueError(f"side is 'auto', 'left' or 'right', got {side!r}")
        check_sides(hand, side)
        if same_hand and not refine:
            raise UserError("same_hand fits one shape to all photos, but without refine nothing is fitted.")
        self.hand, self.side, self.same_hand = hand, side, same_hand
        self._pipeline = HandPipeline(
            model,
            PipelineSettings(
                hand=hand,
                side=side,
                depth=depth,
                all_hands=all_hands,
                refine=refine,
                appearance=texture,
                checkpoint=None if checkpoint is None else os.fspath(checkpoint),
                device=device,
                precision=precision,
            ),
        )

    def __call__(
        self, image: ImageLike, *, intrinsics: Any = None, keypoints: Any = None, box: Any = None
    ) -> list[Hand]:
        """The hands of one photo; see :func:`handsss.reconstruct` for the arguments.

        Returns:
            the surest hand, or all, surest first; empty where none was found.
        """
        given = None if keypoints is None else [keypoints]
        return next(self.batch([image], intrinsics=intrinsics, keypoints=given, box=box))

    def batch(
        self,
        images: Iterable[ImageLike],
        *,
        intrinsics: Any = None,
        keypoints: Iterable[Any] | None = None,
        box: Any = None,
    ) -> Iterator[list[Hand]]:
        """The hands of many photos; those of eight photos go through network and fit together.

        With ``same_hand`` all photos are read, and fitted alone, before the first hands are yielded; photos given as
        paths are read once more later, so that their pixels are not held.

        Args:
            images: paths, PIL pictures or arrays; a generator is read as the results are asked for.
            intrinsics: one camera for all, see :func:`handsss.reconstruct`.
            keypoints: one entry a photo, or None for the built-in detector, see :func:`handsss.reconstruct`.
            box: (x0, y0, x1, y1) px around the hand, the same in all; the detector looks there only.

        Yields:
            a list of hands for each photo, in order.

        Raises:
            InputError: a photo that cannot be used, with its name; the hands of earlier ones have been yielded.
            TypeError: one photo instead of many.
            ValueError: another number of keypoints than of photos.
        """
        if isinstance(images, (str, bytes, os.PathLike, Image.Image)):
            raise TypeError(
                "images: expected many photos. For a single one, call the reconstructor: reconstructor(image)"
            )
        both: tuple[Any, Any] = images, keypoints
        if all(isinstance(given, Sized) for given in both) and len(both[0]) != len(both[1]):
            raise ValueError(_unequal(len(both[0]), len(both[1])))
        if box is not None and keypoints is not None:
            raise UserError("box says where the detector looks, but keypoints replace it. Leave one of them out.")
        around = None if box is None else box_of(box)
        pairs = _paired(images, keypoints)
        return (
            self._of_one_person(pairs, intrinsics, around)
            if self.same_hand
            else self._in_batches(pairs, intrinsics, around)
        )

    def _in_batches(
        self, pairs: Iterator[tuple[ImageLike, Any]], intrinsics: Any, box: np.ndarray | None
    ) -> Iterator[list[Hand]]:
        failure: Exception | None = None
        full = True
        while full and failure is None:
            opened = []
            try:
                for image, keypoints in islice(pairs, _BATCH):
                    opened.append(self._open(image, intrinsics, keypoints, box))
            except Exception as error:
                failure = error  # raised once the earlier photos of its batch are done
            full = len(opened) == _BATCH
            yield from self._finish(opened)
        if failure is not None:
            raise failure

    def _of_one_person(
        self, pairs: Iterator[tuple[ImageLike, Any]], intrinsics: Any, box: np.ndarray | None
    ) -> Iterator[list[Hand]]:
        given: list[tuple[ImageLike, _Opened]] = []
        fitted: list[list[FittedHand]] = []
        for image, keypoints in pairs:
            one = self._open(image, intrinsics, keypoints, box)
            with _named(one.name):
                fitted.append([without_pixels(hand) for hand in self._pipeline.fit(one.inputs)] if one.inputs else [])
            again = image if isinstance(image, (str, os.PathLike)) else one.photo
            given.append((again, one._replace(photo=one.photo._replace(array=one.photo.array[:0]), inputs=[])))
        photos = sum(bool(hands) for hands in fitted)
        if photos > 1:
            shared = iter(share_shape(self._pipeline.fitter, [hand for hands in fitted for hand in hands], photos))
            fitted = [[next(shared) for _ in hands] for hands in fitted]
        results = []
        for (image, _), hands in zip(given, fitted, strict=True):
            photo = image if isinstance(image, Photo) else _read(image)[1]
            results.append(self._pipeline.finish(with_pixels(hands, photo.array)) if hands else [])
        every = [result for own in results for result in own]
        skin = common_skin(self._pipeline, lambda: iter(every)) if photos > 1 else None
        if skin is not None:
            for result, gain in zip(every, skin.gains, strict=True):
                with_skin(result, skin, gain)
        for (image, one), own in zip(given, results, strict=True):
            photo = image if isinstance(image, Photo) else _read(image)[1]
            yield [Hand.of(result, photo.array, one.camera, one.name, photo.notes) for result in own]

    def _open(self, image: ImageLike, intrinsics: Any, keypoints: Any, box: np.ndarray | None) -> _Opened:
        name, photo = _read(image)
        camera = _camera(photo, name, intrinsics)
        given = None if keypoints is None else _detections(keypoints, photo, self.hand, self.side, name)
        with _named(name):
            assumed = camera.source == "default"
            found = self._pipeline.find_hands(photo.array, camera.intrinsics, given, box=box, assumed=assumed)
        size = photo.array.shape[1], photo.array.shape[0]
        return _Opened(name, photo, camera.by_hands(found.intrinsics, size), found.inputs)

    def _finish(self, opened: list[_Opened]) -> Iterator[list[Hand]]:
        inputs = [hand_input for one in opened for hand_input in one.inputs]
        try:
            with _named(opened[0].name if len(opened) == 1 else ""):
                results = iter(self._pipeline.reconstruct(inputs) if inputs else [])
        except InputError:
            if len(opened) == 1:
                raise
            for one in opened:  # photo by photo, to tell whose it is
                yield from self._finish([one])
            return
        for one in opened:
            photo = one.photo
            yield [Hand.of(next(results), photo.array, one.camera, one.name, photo.notes) for _ in one.inputs]


class _Opened(NamedTuple):
    """A photo that was read, with its hands to reconstruct."""

    name: str
    photo: Photo
    camera: CameraChoice
    inputs: list[HandInput]


def _paired(images: Iterable[ImageLike], keypoints: Iterable[Any] | None) -> Iterator[tuple[ImageLike, Any]]:
    if keypoints is None:
        yield from ((image, None) for image in images)
        return
    own, count = iter(keypoints), 0
    for count, image in enumerate(images, 1):
        try:
            entry = next(own)
        except StopIteration:
            raise ValueError(_unequal(f"at least {count}", count - 1)) from None
        yield image, entry
    if next(own, own) is not own:
        raise ValueError(_unequal(count, f"at least {count + 1}"))


def _unequal(images: int | str, keypoints: int | str) -> str:
    return f"{images} images but {keypoints} keypoints: give one entry, or None, for each"


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


def _detections(keypoints: Any, photo: Photo, hand: Side, side: Side, name: str) -> list[Detection]:
    size = photo.array.shape[1], photo.array.shape[0]
    imposed = None if side == "auto" else side
    if isinstance(keypoints, (str, os.PathLike)):
        return (
            keypoints_of(Path(keypoints), Path(name)).read(size, hand=hand, side=imposed).hands
        )  # errors name the file
    with _named(name):
        return array_hands(keypoints, size, hand=hand, side=imposed)


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Errors begin with the photo's name, where it has one."""
    try:
        yield
    except InputError as error:
        if not name:
            raise
        raise InputError(f"{name}: {error.template}", options=error.options) from error
