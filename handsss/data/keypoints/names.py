"""Which entry or file of keypoints belongs to which picture, by name.

Separators of Windows are separators, composed and decomposed accents are one letter, suffixes of pictures do not count,
and names of digits alone are numbers. Folders before the name have to fit: those of an entry must be among the
picture's, in their order, or end like the picture's own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from handsss.errors import InputError
from handsss.io.folders import plain_name
from handsss.io.image import IMAGE_SUFFIXES

Key = str | int


@dataclass(frozen=True)
class Picture:
    """A picture that wants keypoints."""

    path: Path
    name: str  # below its dataset's root, with / between folders; the path's own name for single photos
    index: int = 0  # number in the dataset
    sample: int = 0  # number of its annotation; several pictures may share one

    def original(self) -> Picture:
        """The picture of the same sample that is numbered like it, of a dataset with several versions of each."""
        digits = len(self.path.stem)
        number = f"{self.sample:0{digits}d}{self.path.suffix}"
        folder = self.name.rpartition("/")[0]
        return Picture(
            self.path.with_name(number), f"{folder}/{number}" if folder else number, self.sample, self.sample
        )


@dataclass(frozen=True)
class Name:
    """A name taken apart."""

    folders: tuple[str, ...]
    stem: str
    suffix: str  # of pictures, lower case; others belong to the stem
    absolute: bool

    @property
    def key(self) -> Key:
        """Equal for names that may mean one picture."""
        return int(self.stem) if _digits(self.stem) else self.stem


def parse_name(name: str | int) -> Name:
    """Take a name apart: ``C:\\data\\rgb\\0001.png``, ``seq/0001.jpg``, 7."""
    if isinstance(name, int):
        return Name((), str(name), "", absolute=False)
    text = plain_name(name)
    absolute = text.startswith("/") or re.match(r"[A-Za-z]:", text) is not None
    parts = [part for part in re.sub(r"^[A-Za-z]:", "", text).split("/") if part not in ("", ".")]
    last = parts[-1] if parts else ""
    stem, dot, suffix = last.rpartition(".")
    if not dot or f".{suffix.lower()}" not in IMAGE_SUFFIXES:
        stem, suffix = last, ""
    return Name(tuple(parts[:-1]), stem, suffix.lower(), absolute)


def _digits(stem: str) -> bool:
    return stem.isascii() and stem.isdigit() and len(stem) < 30


class Matcher:
    """Entries of keypoints, looked up by picture.

    Args:
        names: of the entries.
        lenient: folders that disagree do not matter where every stem is there once among the entries and the pictures.
    """

    def __init__(self, names: Sequence[str | int], *, lenient: bool = True) -> None:
        self.names = names
        self._parsed = [parse_name(name) for name in names]
        self._by_key: dict[Key, list[int]] = {}
        for number, name in enumerate(self._parsed):
            self._by_key.setdefault(name.key, []).append(number)
        self._lenient = lenient and all(len(numbers) == 1 for numbers in self._by_key.values())

    def match(self, pictures: Sequence[Picture]) -> dict[int, int]:
        """The entry of each picture: position of the picture -> position of the entry. Pictures without one are left
        out.

        Raises:
            InputError: two entries fit a picture alike, or two pictures an entry; it names both.
        """
        own = [parse_name(picture.name) for picture in pictures]
        lenient = self._lenient and len({name.key for name in own}) == len(own)
        chosen: dict[int, tuple[int, tuple[int, ...]]] = {}
        for position, (picture, name) in enumerate(zip(pictures, own, strict=True)):
            best: list[int] = []
            reached: tuple[int, ...] = ()
            for number in self._by_key.get(name.key, ()):
                score = self._score(self._parsed[number], name, picture, lenient=lenient)
                if score is not None and score > reached:
                    best, reached = [number], score
                elif score is not None and score == reached:
                    best.append(number)
            if len(best) > 1:
                first, second = (self.names[number] for number in best[:2])
                raise InputError(
                    f"{first!r} and {second!r} are both keypoints of {picture.name!r}. Expected one for each picture: "
                    "remove one, or name them with their folders."
                )
            if best:
                chosen[position] = best[0], reached
        return _undisputed(chosen, pictures, self.names)

    def _score(self, entry: Name, own: Name, picture: Picture, *, lenient: bool) -> tuple[int, ...] | None:
        """How well an entry fits a picture, larger is better; None where their folders disagree."""
        exact = int(entry.stem == own.stem) + int(bool(entry.suffix) and entry.suffix == own.suffix)
        if not entry.folders:
            return 0, exact
        path = parse_name(str(picture.path.absolute())).folders
        if is_subsequence(entry.folders, path):
            return len(entry.folders), exact
        if own.folders and entry.folders[-len(own.folders) :] == own.folders:
            return len(own.folders), exact
        return (-1, exact) if lenient else None


def _undisputed(
    chosen: Mapping[int, tuple[int, tuple[int, ...]]], pictures: Sequence[Picture], names: Sequence[str | int]
) -> dict[int, int]:
    """Each entry with the picture that it fits best.

    Raises:
        InputError: two pictures fit an entry alike.
    """
    owner: dict[int, tuple[int, tuple[int, ...]]] = {}
    for position, (number, score) in chosen.items():
        other = owner.get(number)
        if other is None or score > other[1]:
            owner[number] = position, score
        elif score == other[1]:
            first, second = pictures[other[0]].name, pictures[position].name
            raise InputError(
                f"{names[number]!r} would be the keypoints of two pictures, {first!r} and {second!r}. Expected one for "
                "each: put them into folders named like the pictures' own."
            )
    return {position: number for number, (position, _) in owner.items()}


def is_subsequence(inner: Sequence[str], outer: Sequence[str]) -> bool:
    """Whether ``inner`` can be had from ``outer`` by leaving parts out."""
    rest = iter(outer)
    return all(part in rest for part in inner)
