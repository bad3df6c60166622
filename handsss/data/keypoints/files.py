"""Keypoints of pictures from files: one file of a picture, one of many pictures, or a folder of either."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from handsss.data.keypoints.checks import check_in_picture, checked_values
from handsss.data.keypoints.document import KeypointDocument, PictureEntry, pixels
from handsss.data.keypoints.names import Matcher, Picture, is_subsequence, parse_name
from handsss.data.keypoints.read import document_of, read_document
from handsss.detect.types import Detection
from handsss.errors import InputError
from handsss.geometry.framing import bounding_box

_ENDINGS = ("_keypoints.json", "_predictions.json", ".json")
_TABLES = 2000  # files of many pictures that are looked into below a folder, at most


class KeypointReading(NamedTuple):
    """The hands of one picture."""

    hands: list[Detection]  # most confident first
    source: str  # what wrote them: "OpenPose", "MMPose", ...
    keypoint_set: str
    note: str = ""


@dataclass(frozen=True)
class PictureKeypoints:
    """The keypoints of one picture: a file of its own, or its entry in a file of many pictures."""

    path: Path
    document: KeypointDocument | None = None  # with this picture alone; None: the file is read when it is needed

    def read(
        self, size: tuple[int, int], *, hand: str = "auto", side: str | None = None, keypoint_set: str | None = None
    ) -> KeypointReading:
        """The hands, checked against the picture.

        Args:
            size: width, height of the upright picture, px.
            hand: "left" or "right" keeps only such hands, and is the side of hands that name none; "auto".
            side: of hands that name none, where all are kept.
            keypoint_set: the definition the points follow; the file's own by default.

        Raises:
            InputError: see :func:`handsss.data.keypoints.read.read_document`; a file of many pictures; keypoints that
                cannot be those of this picture.
        """
        document = self.document or read_document(self.path)
        if len(document.pictures) != 1:
            count = len(document.pictures)
            raise InputError(f"{self.path}: keypoints of {count} pictures. Expected those of one picture.")
        hands = hands_of_entry(document, document.pictures[0], size, hand=hand, side=side, keypoint_set=keypoint_set)
        named = hands[0].keypoint_set if hands else keypoint_set or document.keypoint_set
        return KeypointReading(hands, document.source, named, document.note)


def hands_of_entry(
    document: KeypointDocument,
    entry: PictureEntry,
    size: tuple[int, int],
    *,
    hand: str = "auto",
    side: str | None = None,
    keypoint_set: str | None = None,
) -> list[Detection]:
    """The hands of a picture, most confident first, after all checks; see :meth:`PictureKeypoints.read`."""
    found = []
    for given in entry.hands:
        own = given.side or side or (hand if hand != "auto" else None)
        given = replace(given, points=checked_values(given.points, given.where))
        if hand not in ("auto", own) or not (given.points[:, 2] > 0).any():
            continue
        if own is None:
            raise InputError(
                f"{given.where}: which hand is it? Give {{side}} left or {{side}} right, or a 'hand' in the file.",
                options=["side"],
            )
        points = pixels(given, entry.size, size).points
        check_in_picture(points, size, f"{given.where}: the {own} hand")
        found.append(
            Detection(
                hand=own,
                score=float(points[points[:, 2] > 0, 2].mean()),
                handedness=1.0,
                side_from="keypoints",
                keypoints=points,
                keypoint_set=keypoint_set or given.keypoint_set or document.keypoint_set,
                region=_box_corners(points),
            )
        )
    return sorted(found, key=lambda detection: -detection.keypoints[:, 2].sum())


def keypoints_of(location: Path, photo: Path) -> PictureKeypoints:
    """The keypoints of one photo; see :func:`match_keypoints`.

    Raises:
        InputError: as there, or none of this photo.
    """
    found = match_keypoints(location, [Picture(photo, photo.as_posix())])
    if 0 not in found:
        raise InputError(f"{location}: no keypoints of {photo.name}.")
    return found[0]


def hands_of(
    points: Any, size: tuple[int, int], *, hand: str, side: str | None = None, keypoint_set: str | None = None
) -> list[Detection]:
    """One hand of an array, checked as a file's would be.

    Args:
        points: [21, 2] or [21, 3] px and confidence.
        size: width, height of the upright picture, px.
        hand: "left" or "right"; "auto": ``side`` says it.
        side: "left" or "right".
        keypoint_set: the definition the points follow; "openpose" unless given.

    Raises:
        InputError: another shape, numbers that are not finite, no side, or a hand outside the picture.
    """
    values = points.tolist() if hasattr(points, "tolist") else points
    document = document_of(values, "keypoints")
    if len(document.pictures) != 1:
        raise InputError(f"keypoints: those of {len(document.pictures)} pictures. Expected 21 points of one.")
    if any(given.depth for given in document.pictures[0].hands):  # in an array nothing says that it is a depth
        raise InputError("keypoints: third numbers below 0. Expected confidences from 0 to 1; leave out depths.")
    return hands_of_entry(document, document.pictures[0], size, hand=hand, side=side, keypoint_set=keypoint_set)


def match_keypoints(location: Path, pictures: Sequence[Picture]) -> dict[int, PictureKeypoints]:
    """The keypoints of pictures, in a file or a folder: position of the picture -> keypoints. Pictures without any are
    left out.

    A picture's own file is called STEM_keypoints.json, STEM_predictions.json, STEM.json or NAME.json. It lies in the
    folder itself, or in folders that are called like those of the picture.

    Args:
        location: a file of one picture, a file of many, or a folder with files of either kind, in folders too.
        pictures: all of a run.

    Raises:
        InputError: unreadable; none of the names fits; a file or entry that would belong to two pictures; a list of
            another length without names.
    """
    if not location.is_dir():
        return _of_document(location, read_document(location), pictures)
    files = _json_files(location)
    own = _one_each(location, files)
    matched = _located(location, Matcher(list(own), lenient=False), pictures)
    paths = list(own.values())
    found = {position: PictureKeypoints(paths[number]) for position, number in matched.items()}
    missing = [position for position in range(len(pictures)) if position not in found]
    if missing:
        used = set(matched.values())
        others = [file for number, file in enumerate(paths) if number not in used]
        found |= _of_tables(location, others[:_TABLES], pictures, missing)
    if not found:
        wanted = pictures[0].path.stem if pictures else "STEM"
        raise InputError(
            f"{location}: no keypoints of {_whose(pictures)} in this folder ({len(files)} JSON files). Expected "
            f"{wanted}_keypoints.json or {wanted}.json, or a file of many pictures."
        )
    return found


def _of_document(path: Path, document: KeypointDocument, pictures: Sequence[Picture]) -> dict[int, PictureKeypoints]:
    if document.one_picture:
        if len(pictures) == 1:
            return {0: PictureKeypoints(path, document)}
        raise InputError(
            f"{path}: one file cannot hold the keypoints of several pictures unless it names them. Give a folder with "
            "STEM_keypoints.json for each, or a file of many pictures."
        )
    names = [entry.name for entry in document.pictures]
    if not names:
        raise InputError(f"{path}: holds no pictures. Expected keypoints of {_whose(pictures)}.")
    numbers = _by_number(document, pictures)
    if numbers is None and any(name is None for name in names):
        raise InputError(
            f"{path}: {len(names)} entries without names for {_whose(pictures)}. Expected one entry for each picture "
            "or annotation, or names."
        )
    if numbers is None:
        numbers = _located(path, Matcher([name for name in names if name is not None]), pictures)
    if not numbers:
        first, own = names[0], pictures[0].name if pictures else ""
        raise InputError(
            f"{path}: none of its {len(names)} names fits {_whose(pictures)}: the first are {first!r} there and "
            f"{own!r} here. Are they of another dataset or folder?"
        )
    return {position: _single(path, document, number) for position, number in numbers.items()}


def _by_number(document: KeypointDocument, pictures: Sequence[Picture]) -> dict[int, int] | None:
    """Entries without names, or with names that repeat once for each version of a picture, go by number."""
    names = [entry.name for entry in document.pictures]
    nameless = all(name is None for name in names)
    samples = 1 + max((picture.sample for picture in pictures), default=0)
    whole = 1 + max((picture.index for picture in pictures), default=0)
    versions = len(names) // samples if len(names) % samples == 0 else 0
    if nameless and len(names) == samples:
        return {position: picture.sample for position, picture in enumerate(pictures)}
    repeated = versions > 1 and names == names[:samples] * versions
    if (nameless or repeated) and len(names) >= whole and versions in (1, 4):
        return {position: picture.index for position, picture in enumerate(pictures)}
    return None


def _single(path: Path, document: KeypointDocument, number: int) -> PictureKeypoints:
    one = KeypointDocument(document.source, (document.pictures[number],), document.keypoint_set, document.note)
    return PictureKeypoints(path, one)


def _of_tables(
    folder: Path, files: Sequence[Path], pictures: Sequence[Picture], missing: Sequence[int]
) -> dict[int, PictureKeypoints]:
    """Pictures without a file of their own, in files of many pictures: each of the folders that it lies in."""
    found: dict[int, PictureKeypoints] = {}
    for file in files:
        if _stem(file) != file.stem:  # of one picture, which is none of these
            continue
        inside = parse_name(file.relative_to(folder).as_posix()).folders
        here = [
            position
            for position in missing
            if position not in found
            and is_subsequence(inside, parse_name(str(pictures[position].path.absolute())).folders)
        ]
        if not here:
            continue
        try:
            document = read_document(file)
        except InputError:
            continue  # a JSON file of something else
        if document.one_picture:
            continue
        own = [pictures[position] for position in here]
        if inside:  # entries without names are numbered within their folder
            own = [Picture(p.path, p.path.name, number, number) for number, p in enumerate(own)]
        found |= {here[position]: entry for position, entry in _of_document(file, document, own).items()}
    return found


def _located(where: Path, matcher: Matcher, pictures: Sequence[Picture]) -> dict[int, int]:
    """The entry of each picture; those of unique samples serve all their versions.

    Raises:
        InputError: as :meth:`Matcher.match`, naming the file or folder.
    """
    try:
        matched = matcher.match(pictures)
        versions = [n for n, picture in enumerate(pictures) if n not in matched and picture.index != picture.sample]
        originals = {pictures[n].sample: pictures[n].original() for n in versions}
        numbers = matcher.match(list(originals.values())) if originals else {}
    except InputError as error:
        raise InputError(f"{where}: {error.template}", options=error.options) from error
    samples = list(originals)
    by_sample = {samples[position]: number for position, number in numbers.items()}
    return matched | {n: by_sample[pictures[n].sample] for n in versions if pictures[n].sample in by_sample}


def _json_files(folder: Path) -> list[Path]:
    found = []
    for inner, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(inner) / n for n in sorted(names) if n.lower().endswith(".json") and not n.startswith(".")]
    return found


def _one_each(folder: Path, files: Sequence[Path]) -> dict[str, Path]:
    """Name of a picture, with its folders -> its file: of A_keypoints.json and A.json the first."""
    ranked: dict[str, Path] = {}
    for ending in _ENDINGS:
        for file in files:
            if _ending(file) == ending:
                ranked.setdefault(file.relative_to(folder).with_name(_stem(file)).as_posix(), file)
    return ranked


def _ending(file: Path) -> str:
    return next(ending for ending in _ENDINGS if file.name.lower().endswith(ending))


def _stem(file: Path) -> str:
    """The stem of the picture that a file's name speaks of."""
    return file.name[: -len(_ending(file))] or file.name


def _whose(pictures: Sequence[Picture]) -> str:
    return pictures[0].path.name if len(pictures) == 1 else f"{len(pictures)} pictures"


def _box_corners(points: np.ndarray) -> np.ndarray:
    x0, y0, x1, y1 = bounding_box(points)
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
