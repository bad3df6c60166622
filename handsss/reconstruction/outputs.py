"""The result files of each photo, and its outcome."""

from __future__ import annotations

import itertools
import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from handsss.errors import UserError
from handsss.mesh_io.formats import PAGE, RESULTS
from handsss.reconstruction.inputs import Inputs, Source

DEFAULT_FOLDER = "hands"
DEFAULT_FORMAT = ".obj"
# "doubtful": written, but a hand's expected error is larger than the user accepts.
Status = Literal["done", "doubtful", "no hand", "failed", "not started"]


def status_of(expected: Sequence[float | None], max_error: float | None) -> Status:
    """How a photo ended whose hands have these expected errors (None: not estimated).

    Args:
        expected: mm, one entry a hand.
        max_error: mm above which a hand is doubtful; None: none is.
    """
    if not expected:
        return "no hand"
    limit = float("inf") if max_error is None else max_error
    return "doubtful" if any(error is not None and error > limit for error in expected) else "done"


@dataclass
class Outcome:
    """How the reconstruction of one photo ended."""

    image: str
    status: Status
    message: str = ""  # the reason of a failure, or a hint
    camera: str = ""  # a sentence on the intrinsics
    camera_source: str = ""
    keypoints: str = ""  # the kind of keypoint file; empty: the built-in detector
    notes: list[str] = field(default_factory=list)  # what was done to the photo's pixels
    files: list[Path] = field(default_factory=list)  # the mesh first
    hands: list[dict[str, Any]] = field(default_factory=list)  # side, score, fit figures and times of each
    seconds: float = 0.0
    trace: str = ""  # traceback of an internal error
    error: UserError | None = None  # what ``message`` says, with its options
    skipped: bool = False  # an earlier run made the result

    def to_json(self) -> dict[str, Any]:
        """The photo's entry in summary.json."""
        entry: dict[str, Any] = {"image": self.image, "status": self.status}
        if self.message:
            entry["message"] = self.message
        if self.files:
            entry["files"] = [path.name for path in self.files]
        if self.camera:
            entry["camera"] = self.camera
        return entry | {"hands": self.hands, "seconds": round(self.seconds, 3)}


class Destination(NamedTuple):
    """The result files of one photo; OBJ adds its material and textures."""

    mesh: Path
    document: Path
    picture: Path


@dataclass(frozen=True)
class OutputPlan:
    """One mesh file, or a folder with the results of every photo and a summary."""

    folder: Path
    suffix: str  # of the mesh, with its dot
    single: Path | None = None  # the mesh file, if the user named one
    gallery: Path | None = None  # of pages
    embedded: bool = False  # the gallery holds the pages itself

    @property
    def summary(self) -> Path | None:
        """summary.json, where results go into a folder."""
        return None if self.single else self.folder / "summary.json"

    def of(self, source: Source) -> Destination:
        """The files of one photo."""
        mesh = self.single or self.folder / f"{source.name}{self.suffix}"
        # Not with_suffix: a stem may hold dots of its own.
        stem = mesh.name[: -len(mesh.suffix)]
        return Destination(mesh, mesh.with_name(f"{stem}.json"), mesh.with_name(f"{stem}.png"))


def plan_outputs(inputs: Inputs, output: str | None = None, mesh_format: str | None = None) -> OutputPlan:
    """Decide where results go.

    One photo: a file such as hand.obj, or a folder; by default ./STEM_hand.obj. Several photos: a folder, by default
    ./hands. Several photos and a file such as gallery.html: that page, and the folder ./gallery.

    Args:
        inputs: the photos.
        output: the file or folder that the user gave.
        mesh_format: "obj", "ply", "glb", "npz", "bvh", "html" (a dot before it is fine).

    Raises:
        UserError: an unknown suffix, a file for several photos, or suffix and format that contradict each other.
    """
    asked = None if mesh_format is None else "." + mesh_format.lower().lstrip(".")
    if asked is not None and asked not in RESULTS:
        raise UserError(
            f"{{format}} {mesh_format}: expected one of {', '.join(f[1:] for f in RESULTS)}.", options=("format",)
        )
    suffix = asked or DEFAULT_FORMAT
    if output is None:
        if inputs.several:
            return _folder(Path(DEFAULT_FOLDER), suffix, inputs)
        single = Path(f"{inputs.sources[0].name}_hand{suffix}")
        return OutputPlan(single.parent, suffix, single)
    path = Path(output)
    folder_like = output.endswith(("/", os.sep)) or path.is_dir()
    if path.suffix == "" or folder_like:
        return _folder(path, suffix, inputs)
    known = path.suffix.lower() in RESULTS
    if inputs.several and path.suffix.lower() != PAGE:
        if known:
            raise UserError(
                f"{{output}} {output}: a single file cannot take the results of {len(inputs.sources)} photos. Give a "
                f"folder, and {{format}} {path.suffix[1:].lower()} for the kind of mesh.",
                options=("output", "format"),
            )
        return _folder(path, suffix, inputs)  # a folder may well be called results.v2
    if not known:
        raise UserError(
            f"{{output}} {output}: unknown mesh format {path.suffix!r}. Expected one of {', '.join(RESULTS)}, or a "
            "folder (with a slash at its end).",
            options=("output",),
        )
    if asked is not None and asked != path.suffix.lower():
        raise UserError(
            f"{{output}} {output} and {{format}} {mesh_format} contradict each other. Leave one of them out.",
            options=("output", "format"),
        )
    if inputs.several:
        pages = path.with_name(path.name[: -len(path.suffix)])
        return replace(_folder(pages, PAGE, inputs), gallery=path, embedded=True)
    return OutputPlan(path.parent, path.suffix.lower(), path)


def _folder(path: Path, suffix: str, inputs: Inputs) -> OutputPlan:
    if path.exists() and not path.is_dir():
        raise UserError(
            f"{{output}} {path}: expected a folder, but a file of this name exists. Choose another.",
            options=("output",),
        )
    if suffix != PAGE:
        return OutputPlan(path, suffix)
    taken = {source.name.casefold() for source in inputs.sources}
    names = itertools.chain(["index"], (f"index_{number}" for number in itertools.count(2)))
    return OutputPlan(path, suffix, gallery=path / f"{next(name for name in names if name not in taken)}{PAGE}")


def refuse_overwriting(written: Iterable[Path], protected: Collection[Path]) -> None:
    """Refuse results that would replace an input (hand.png by the picture beside hand.obj) or another result.

    Args:
        written: files about to be written.
        protected: resolved paths.

    Raises:
        UserError: a file to be written is protected.
    """
    for path in written:
        if path.resolve() in protected:
            raise UserError(
                f"{path}: this result would overwrite an input or another result. Choose another output folder."
            )
