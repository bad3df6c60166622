"""The intrinsics of a photo: given by the user, from a file, from EXIF, or a default field of view."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from handsss.errors import InputError, UserError
from handsss.io.content import read_text
from handsss.io.folders import plain_name
from handsss.io.image import ExifCamera

_DIAGONAL_35MM = math.hypot(36.0, 24.0)  # 35 mm equivalents compare diagonals (CIPA DCG-001)
_PLAUSIBLE_VIEW = math.radians(3), math.radians(150)  # over the longer side; EXIF outside it is nonsense
_WHAT = 'a JSON object {"photo.jpg": [[fx, 0, cx], [0, fy, cy], [0, 0, 1]], ...}'

CameraSource = Literal["option", "file", "exif", "default"]


class CameraChoice(NamedTuple):
    """Intrinsics and their source."""

    intrinsics: np.ndarray  # [3, 3] px of the upright photo
    source: CameraSource
    sentence: str
    reason: str = ""  # of a default: why there is nothing better

    def by_hands(self, intrinsics: np.ndarray, size: tuple[int, int]) -> CameraChoice:
        """This choice with the intrinsics that follow the hands, where it was but the default.

        Args:
            intrinsics: [3, 3] px; unchanged ones leave the choice as it is.
            size: width, height of the photo, px.
        """
        if self.source != "default" or np.array_equal(intrinsics, self.intrinsics):
            return self
        sentence = (
            f"{self.reason}, so it was chosen by the size of the hand: {_figures(intrinsics, size)}; "
            "distance and depth scale with the true focal length"
        )
        return self._replace(intrinsics=intrinsics, sentence=sentence)


@dataclass(frozen=True)
class CameraOptions:
    """Intrinsics given by the user; by default they come from EXIF or the default field of view."""

    intrinsics: np.ndarray | None = None  # [3, 3], for every photo
    field_of_view: float | None = None  # radians over the longer side, for every photo
    table: Mapping[str, np.ndarray] | None = None  # file name -> [3, 3]
    table_path: Path | None = None


def camera_options(
    intrinsics: str | None = None, intrinsics_file: Path | None = None, fov: float | None = None
) -> CameraOptions:
    """What a user says about cameras, in words and files.

    Args:
        intrinsics: ``fx,fy,cx,cy`` of all photos, px; see :func:`parse_intrinsics`.
        intrinsics_file: JSON of image name -> 3x3 matrix; see :func:`read_intrinsics_file`.
        fov: degrees over a photo's longer side, of all photos.

    Raises:
        UserError: more than one was given, or a field of view that no lens has.
        InputError: neither numbers nor a file that can be used.
    """
    named = {"intrinsics": intrinsics, "intrinsics_file": intrinsics_file, "fov": fov}
    given = tuple(name for name, value in named.items() if value is not None)
    if len(given) > 1:
        words = " and ".join(f"{{{name}}}" for name in given)
        number = "both" if len(given) == 2 else "all"
        raise UserError(f"{words} were {number} given. Keep one of them.", options=given)
    if fov is not None and not 1 <= fov <= 170:
        raise UserError(f"{{fov}} {fov:g}: expected degrees over the longer side, from 1 to 170.", options=("fov",))
    return CameraOptions(
        intrinsics=None if intrinsics is None else parse_intrinsics(intrinsics),
        table=None if intrinsics_file is None else read_intrinsics_file(intrinsics_file),
        table_path=intrinsics_file,
        field_of_view=None if fov is None else math.radians(fov),
    )


def parse_intrinsics(text: str) -> np.ndarray:
    """``fx,fy,cx,cy`` in pixels -> [3, 3].

    Raises:
        InputError: not four numbers, or focal lengths that are not positive.
    """
    try:
        values = [float(part) for part in text.replace(";", ",").split(",")]
    except ValueError:
        values = []
    if len(values) != 4:
        raise InputError(
            f"{{intrinsics}} {text}: expected fx,fy,cx,cy in pixels, for example 1200,1200,640,360.",
            options=("intrinsics",),
        )
    return _checked(values, f"{{intrinsics}} {text}", options=("intrinsics",))


def read_intrinsics_file(path: Path) -> dict[str, np.ndarray]:
    """A JSON of image name -> 3x3 K (or [fx, fy, cx, cy]), pixels of the upright photo.

    Raises:
        InputError: missing, not JSON, or an entry that is no camera.
    """
    try:
        content = json.loads(read_text(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}). Expected {_WHAT}.") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error}). Expected {_WHAT}.") from error
    if not isinstance(content, dict) or not content:
        raise InputError(f"{path}: expected {_WHAT}, got {_described(content)}.")
    return {plain_name(name): _checked(value, f"{path}: {name!r}") for name, value in content.items()}


def intrinsics_matrix(value: Any, where: str = "intrinsics") -> np.ndarray:
    """[3, 3] from a 3x3 matrix or (fx, fy, cx, cy), px.

    Raises:
        InputError: neither, or no camera.
    """
    return _checked(value, where)


def choose_camera(
    size: tuple[int, int],
    exif: ExifCamera | None = None,
    name: str = "",
    options: CameraOptions | None = None,
    *,
    unknown: str = "no focal length in the photo's EXIF",
) -> CameraChoice:
    """The camera of one photo: option, then file, then EXIF, then the default field of view.

    Args:
        size: width, height of the upright photo, px.
        exif: of the photo.
        name: path or name of the photo, looked up in the file by its path as given, its name and its stem.
        options: the user's.
        unknown: why nothing tells the focal length where there is no EXIF.

    Raises:
        InputError: an intrinsics file that does not list this photo.
    """
    options = options or CameraOptions()
    width, height = size
    if options.intrinsics is not None:
        return CameraChoice(options.intrinsics, "option", f"given intrinsics: {_figures(options.intrinsics, size)}")
    if options.table is not None:
        matrix = _look_up(options.table, name, options.table_path)
        label = options.table_path.name if options.table_path else "intrinsics file"
        return CameraChoice(matrix, "file", f"{label}: {_figures(matrix, size)}")
    from handsss.geometry.cameras import DEFAULT_FIELD_OF_VIEW, intrinsics_from_fov

    if options.field_of_view is not None:
        matrix = intrinsics_from_fov(width, height, options.field_of_view)
        return CameraChoice(matrix, "option", f"given field of view: {_figures(matrix, size)}")
    reason = unknown
    if exif is not None:
        focal, reason = _exif_focal(exif, width, height)
        if focal is not None:
            matrix = _centred(focal, width, height)
            return CameraChoice(matrix, "exif", f"{reason}: {_figures(matrix, size)}")
    matrix = intrinsics_from_fov(width, height)
    sentence = (
        f"{reason}, so a field of view of {math.degrees(DEFAULT_FIELD_OF_VIEW):.0f} degrees is assumed: "
        f"{_figures(matrix, size)}; distance and depth scale with the true focal length"
    )
    return CameraChoice(matrix, "default", sentence, reason)


def _exif_focal(exif: ExifCamera, width: int, height: int) -> tuple[float | None, str]:
    """Focal length in pixels of the photo as it is now, and a sentence about it.

    Lens figures belong to the full picture. If that was only made smaller, the field of view still holds; if it was
    cut (its proportions changed), it does not, and nothing tells the new one.
    """
    longer, shorter = max(width, height), min(width, height)
    if exif.size is not None:
        taken_longer, taken_shorter = max(exif.size), min(exif.size)
        if abs(longer / shorter - taken_longer / taken_shorter) > 0.02 * longer / shorter:
            taken = f"{exif.size[0]} x {exif.size[1]}"
            return None, f"EXIF describes a picture of {taken} that was cut since"
    focal, reason = None, "no usable focal length in the photo's EXIF"
    if exif.focal_35mm is not None:
        focal = exif.focal_35mm / _DIAGONAL_35MM * math.hypot(width, height)
        reason = f"EXIF focal length of {exif.focal_35mm:g} mm (35 mm equivalent)"
    elif exif.focal is not None and exif.plane_resolution is not None:
        resized = 1.0 if exif.size is None else longer / max(exif.size)
        focal = exif.focal * exif.plane_resolution * resized
        reason = f"EXIF focal length of {exif.focal:g} mm and sensor resolution"
    if focal is None:
        return None, reason
    view = 2 * math.atan(0.5 * longer / focal)
    if not _PLAUSIBLE_VIEW[0] <= view <= _PLAUSIBLE_VIEW[1]:
        return None, f"{reason} would mean a field of view of {math.degrees(view):.1f} degrees"
    return focal, reason


def _centred(focal: float, width: int, height: int) -> np.ndarray:
    return np.array([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])


def _figures(matrix: np.ndarray, size: tuple[int, int]) -> str:
    fx, fy, cx, cy = matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]
    across, down = (math.degrees(2 * math.atan(0.5 * s / f)) for s, f in zip(size, (fx, fy), strict=True))
    text = f"fx {fx:.1f}, fy {fy:.1f}, cx {cx:.1f}, cy {cy:.1f} px ({across:.0f} x {down:.0f} degrees)"
    if not (0 <= cx <= size[0] and 0 <= cy <= size[1]):
        text += f"; its principal point lies outside the {size[0]} x {size[1]} picture, as only in a cut-out"
    return text


def _look_up(table: Mapping[str, np.ndarray], name: str, path: Path | None) -> np.ndarray:
    for key in (name, Path(name).name, Path(name).stem):
        if plain_name(key) in table:
            return table[plain_name(key)]
    known = ", ".join(sorted(table)[:4]) + (", ..." if len(table) > 4 else "")
    raise InputError(
        f"{path or 'intrinsics file'}: no camera for {Path(name).name!r}; it lists {known}. Add the photo."
    )


def _described(value: Any) -> str:
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return "an empty object" if value == {} else type(value).__name__


def _checked(value: Any, where: str, options: tuple[str, ...] = ()) -> np.ndarray:
    """[3, 3] from a 3x3 list or four numbers."""
    try:
        values = value.tolist() if hasattr(value, "tolist") else value  # of tensors on any device, with gradients too
        matrix = np.array(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        matrix = np.zeros(0)
    if matrix.shape == (4,):
        fx, fy, cx, cy = matrix
        matrix = np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]])
    if matrix.shape != (3, 3):
        came = str(value)[:60]
        raise InputError(f"{where}: expected a 3x3 matrix or fx, fy, cx, cy in pixels, got {came}.", options=options)
    if not np.isfinite(matrix).all() or matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
        raise InputError(
            f"{where}: focal lengths should be positive and all numbers finite, got {matrix.tolist()}.", options=options
        )
    if not np.allclose(matrix[2], [0, 0, 1]) or matrix[1, 0] != 0:
        raise InputError(f"{where}: expected the rows fx s cx, 0 fy cy, 0 0 1, got {matrix.tolist()}.", options=options)
    return matrix
