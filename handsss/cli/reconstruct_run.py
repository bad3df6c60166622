"""What ``handsss reconstruct`` does with its options. Nothing heavy is loaded before they are known to be right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from handsss.detect.boxes import box_of
from handsss.detect.types import check_sides
from handsss.errors import InputError, UserError
from handsss.io.camera import camera_options
from handsss.io.image import check_image
from handsss.reconstruction.inputs import BatchOptions, Source

if TYPE_CHECKING:
    from handsss.reconstruction.pipeline import HandPipeline
    from handsss.reconstruction.settings import PipelineSettings

_PHOTOS_A_PROCESS = 8


def processes_for(photos: int, cores: int) -> int:
    """So many that each has enough photos to be worth its start of a few seconds."""
    return max(1, min(cores, photos // _PHOTOS_A_PROCESS))


def unreadable(source: Source) -> str:
    """Why a photo cannot be read, from its header; empty if it seems that it can."""
    try:
        check_image(source.path)
    except InputError as error:
        return str(error)
    return ""


def make_pipeline(model: str, settings: PipelineSettings) -> HandPipeline:
    """The pipeline of one run."""
    from handsss.reconstruction.pipeline import HandPipeline

    return HandPipeline(model, settings)


def batch_options(
    intrinsics: str | None,
    intrinsics_file: Path | None,
    keypoints: Path | None,
    keypoint_set: str | None,
    *,
    fov: float | None,
    hand: Literal["auto", "left", "right"],
    side: Literal["auto", "left", "right"],
    box: str | None,
    vertices: bool,
    picture: bool,
) -> BatchOptions:
    """What the command line says of photos and their files.

    Raises:
        UserError: options that contradict each other, or name what is not there.
    """
    camera = camera_options(intrinsics, intrinsics_file, fov)
    if keypoint_set is not None and keypoints is None:
        raise UserError("--keypoint-set says what --keypoints follow, but no --keypoints were given.")
    if keypoints is not None and not keypoints.exists():
        raise UserError(f"--keypoints {keypoints}: no such file or folder. Expected JSON.")
    if box is not None and keypoints is not None:
        raise UserError("--box says where the detector looks, but --keypoints replace it. Leave one of them out.")
    check_sides(hand, side)
    return BatchOptions(
        camera=camera,
        keypoints=keypoints,
        keypoint_set=keypoint_set,
        hand=hand,
        side=side,
        box=None if box is None else box_of(box),
        vertices=vertices,
        picture=picture,
    )
