"""Inputs of :func:`handsss.data.preprocess.preprocess`: an opened dataset or photos, and a keypoint source."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from handsss.data.keypoints.openpose_run import run_openpose
from handsss.data.keypoints.sources import DetectorSource, KeypointFiles, KeypointSource, TruthSource
from handsss.data.preprocess import Reader
from handsss.data.readers import freihand, ho3d
from handsss.data.readers.locate import find_dataset
from handsss.data.readers.photos import open_photos
from handsss.detect.boxes import read_boxes
from handsss.detect.types import check_sides
from handsss.errors import UserError
from handsss.io.camera import CameraOptions


class PreprocessInputs(NamedTuple):
    """A dataset or photos, opened."""

    reader: Reader
    store: Path  # default name of the store, in the working folder
    folders: list[Path]  # that hold the images, for OpenPose
    joints_set: str = ""  # definition of the true joints; empty: there are none


def freihand_inputs(root: Path | None = None, split: str = "training", version: str = "all") -> PreprocessInputs:
    """FreiHAND, or a dataset in its layout.

    Args:
        root: its folder; found through HANDSSS_DATA and data/ by default.
        split: "training" or "evaluation".
        version: of the training pictures: "gs", "hom", "sample", "auto" or "all".

    Raises:
        InputError: not found, incomplete or damaged.
    """
    marks = (f"{split}/rgb", f"{split}_K.json")
    folder = root or find_dataset("freihand", marks, freihand.HOME)
    reader = freihand.open_freihand(folder, split, version)
    chosen = "" if version == "all" else f"_{version}"
    return PreprocessInputs(reader, Path(f"freihand{chosen}_{split}.h5"), [folder / split / "rgb"], "freihand")


def ho3d_inputs(root: Path | None = None, split: str = "training", version: str = "v2") -> PreprocessInputs:
    """HO-3D.

    Args:
        root: its folder; found through HANDSSS_DATA and data/ by default.
        split: "training" or "evaluation".
        version: "v2" or "v3".

    Raises:
        InputError: not found, incomplete or damaged.
    """
    name = "train" if split == "training" else "evaluation"
    own = (f"HO3D_{version}", f"ho3d_{version}", "HO3D", "ho3d", "HO-3D")
    folder = root or find_dataset("ho3d", (name, f"{name}.txt"), ho3d.HOME, own)
    reader = ho3d.open_ho3d(folder, split, version)
    folders = sorted({folder / name / frame.split("/")[0] / "rgb" for frame in reader.frames})
    return PreprocessInputs(reader, Path(f"ho3d_{version}_{split}.h5"), folders, "ho3d")


def photo_inputs(
    folder: Path,
    hand: str = "auto",
    camera: CameraOptions | None = None,
    *,
    side: str = "auto",
    boxes: Path | None = None,
) -> PreprocessInputs:
    """Photos of a folder and the folders in it.

    Args:
        folder: of the photos.
        hand: "auto": every hand that is detected; "left" or "right": those that are detected as this side only.
        camera: of the photos; EXIF's focal length or a field of view of 60 degrees by default.
        side: "left" or "right": each photo shows one hand, of this side, whatever the detector says.
        boxes: a CSV of boxes around hands, see :func:`handsss.detect.boxes.read_boxes`; photos that it does not list
            are searched.

    Raises:
        UserError: ``hand`` and ``side`` contradict each other.
        InputError: no folder, no pictures in it, or a table of boxes that cannot be used.
    """
    check_sides(hand, side)
    table = None if boxes is None else read_boxes(boxes)
    reader = open_photos(folder, side, camera, hand=hand if side == "auto" else "auto", boxes=table)
    folders = sorted({(folder / name).parent for name in reader.names})
    return PreprocessInputs(reader, Path(f"{folder.resolve().name}.h5"), folders)


def keypoint_source(
    inputs: PreprocessInputs,
    keypoints: str | Path = "detect",
    *,
    openpose_bin: Path | None = None,
    openpose_out: Path | None = None,
    thorough: bool = False,
    announce: Callable[[str], None] = lambda text: None,
) -> KeypointSource:
    """The source of 2D keypoints.

    Args:
        inputs: the images.
        keypoints: "detect": the built-in detector; "truth": projections of the true joints; or a JSON file or folder of
            them, of any source that :mod:`handsss.data.keypoints.read` knows.
        openpose_bin: OpenPose's program, to be run over the images.
        openpose_out: folder for its JSON files; beside the default store by default.
        thorough: the detector searches tiles even where the whole image has shown a hand.
        announce: told OpenPose's command lines.

    Raises:
        UserError: neither a known word nor a file or folder that exists; data without true joints; OpenPose failed.
        InputError: files of which none is of these pictures, or one of two; see
            :meth:`handsss.data.keypoints.sources.KeypointFiles.bound`.
    """
    if openpose_bin is not None:
        if keypoints != "detect":
            raise UserError(
                "{openpose_bin} makes keypoints and {keypoints} names others. Leave one of them out.",
                options=("openpose_bin", "keypoints"),
            )
        out = openpose_out or inputs.store.with_name(inputs.store.name + ".openpose")
        ran = KeypointFiles(run_openpose(openpose_bin, inputs.folders, out, announce=announce), ran_here=True)
        return ran.bound(inputs.reader.pictures())
    if keypoints == "detect":
        return DetectorSource(thorough)
    if keypoints == "truth":
        return TruthSource(_joints_set(inputs))
    path = Path(keypoints)
    if path.exists():
        return KeypointFiles(path).bound(inputs.reader.pictures())
    raise UserError(
        f"{{keypoints}} {keypoints}: no such file or folder. Expected detect, truth, or a JSON file or a folder of "
        "them (OpenPose, MMPose, COCO-WholeBody, MediaPipe, S2HAND's list, ...).",
        options=("keypoints",),
    )


def _joints_set(inputs: PreprocessInputs) -> str:
    if not inputs.joints_set:
        raise UserError(
            "{keypoints} truth: photos have no true joints. Use detect, or OpenPose's JSON.", options=("keypoints",)
        )
    attributes = inputs.reader.attributes
    if attributes.get("dataset") == "ho3d" and attributes.get("split") == "evaluation":
        raise UserError(
            "{keypoints} truth: HO-3D's evaluation pictures come without true joints. Use detect.",
            options=("keypoints",),
        )
    return inputs.joints_set
