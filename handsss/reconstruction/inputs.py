"""The photos of a run: files, folders and globs to a list of photos with distinct names, and how they are read."""

from __future__ import annotations

import glob
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from handsss.errors import InputError
from handsss.io.camera import CameraOptions
from handsss.io.folders import is_clutter, natural_key
from handsss.io.image import IMAGE_SUFFIXES, STDIN
from handsss.mesh_io.formats import material_stem

_RESERVED = {"summary"}  # summary.json lies beside the results
_TEXTURE = re.compile(r"_texture(_(left|right)_\d+)?$")


class Source(NamedTuple):
    """A photo to reconstruct."""

    path: Path
    name: str  # stem of its result files, unique in the run


@dataclass(frozen=True)
class BatchOptions:
    """How photos are read and which results are written."""

    camera: CameraOptions = field(default_factory=CameraOptions)
    keypoints: Path | None = None  # file or folder of OpenPose JSON; None: the built-in detector
    keypoint_set: str | None = None
    hand: Literal["auto", "left", "right"] = "auto"
    side: Literal["auto", "left", "right"] = "auto"
    box: np.ndarray | None = None  # [4] px of every photo: the detector looks there and nowhere else
    vertices: bool = False  # write vertices into the JSON
    picture: bool = True  # draw the overview picture
    static: bool = False  # .glb without skeleton
    same_hand: bool = False  # all photos show one person's hands: one shape and skin
    run_options: Mapping[str, Any] = field(default_factory=dict)  # written into NAME.json, to resume
    max_error: float | None = None  # mm of expected error above which a hand is doubtful


class Inputs(NamedTuple):
    """All photos of one run."""

    sources: list[Source]
    several: bool  # a folder or glob was given, or more than one photo: results go into a folder


def expand(arguments: Sequence[str]) -> Inputs:
    """Files, folders and globs to photos; ``-`` is standard input.

    Files are taken in the order given, also if they do not exist: reading them will say so, and the rest go on.
    Folders (not their sub-folders; ``photos/**/*`` reaches those) and globs give the files with an image suffix in
    natural order; hidden files and folders, trash and thumbnails are left out. A file reached twice counts once.

    Raises:
        InputError: nothing given, a folder without images, or a glob that matches none.
    """
    if not arguments:
        raise InputError("no input given. Expected photos, folders or globs.")
    paths: list[Path] = []
    collective = False
    for argument in arguments:
        path = Path(argument)
        if path.is_dir():
            collective = True
            paths += _of_folder(path)
        elif not path.exists() and glob.has_magic(argument):
            collective = True
            paths += _of_glob(argument)
        else:
            paths.append(path)
    seen: set[Path] = set()
    unique = []
    for path in paths:
        if path.resolve() not in seen:
            seen.add(path.resolve())
            unique.append(path)
    return Inputs(_named(unique), collective or len(unique) > 1)


def _is_photo(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and path.is_file()


def _sorted(paths: list[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: [natural_key(part) for part in path.parts])


def _of_folder(folder: Path) -> list[Path]:
    try:
        content = list(folder.iterdir())
    except OSError as error:
        raise InputError(f"{folder}: the folder cannot be read ({error.strerror or error}).") from error
    found = [path for path in content if _is_photo(path)]
    if not found:
        inside = f"{len(content)} other entries" if content else "it is empty"
        below = f" '{folder}/**/*' takes those of its folders." if any(path.is_dir() for path in content) else ""
        raise InputError(
            f"{folder}: no images in this folder ({inside}). Expected files such as .jpg, .png or .webp.{below}"
        )
    return _sorted(found)


def _of_glob(pattern: str) -> list[Path]:
    matches = [Path(name) for name in glob.glob(pattern, recursive=True)]
    named = set(Path(pattern).parts)  # a folder that the user names is meant
    found = [path for path in matches if _is_photo(path) and not is_clutter(set(path.parts[:-1]).difference(named))]
    if not found:
        raise InputError(
            f"{pattern}: matches {len(matches)} files, none of them an image. "
            "Expected files such as .jpg, .png or .webp."
        )
    return _sorted(found)


def _named(paths: list[Path]) -> list[Source]:
    """Stems; where the results of several would share a file, later ones get a number that no other photo has."""
    stems = ["stdin" if str(path) == STDIN else path.stem for path in paths]
    taken = {_key(stem) for stem in stems} | _RESERVED
    seen = set(_RESERVED)
    sources = []
    for path, stem in zip(paths, stems, strict=True):
        name, number = stem, 1
        if _key(name) in seen:
            while _key(name) in taken:
                number += 1
                name = f"{stem}_{number}"
        seen.add(_key(name))
        taken.add(_key(name))
        sources.append(Source(path, name))
    return sources


def _key(stem: str) -> str:
    """Equal for stems whose results would meet: upper and lower case name one file on some systems, materials know no
    spaces, and the texture of ``a`` is called as the picture of ``a_texture`` would be."""
    return _TEXTURE.sub("", material_stem(stem).casefold())
