"""A film's result files: the suffix decides."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from handsss.errors import UserError
from handsss.hand.result import HandResult
from handsss.io.table_file import check_parquet
from handsss.mesh_io.animation import JointMotion, held, joint_motion
from handsss.mesh_io.bvh import bvh_bytes
from handsss.mesh_io.parts import mesh_parts
from handsss.mesh_io.rig import Rig, rigs_of
from handsss.mesh_io.rigged_glb import rigged_glb_bytes
from handsss.page.film import film_page
from handsss.page.photo import INFLUENCES
from handsss.reconstruction.film.result import FilmHands, HandTrack
from handsss.reconstruction.film.tables import npz_bytes, table_of

FILM_FORMATS = (".glb", ".npz", ".csv", ".parquet", ".bvh", ".html")
DEFAULT_FORMAT = ".glb"


def film_output(film: Path, output: str | None, film_format: str | None = None) -> Path:
    """The result file of a film.

    Args:
        film: its file.
        output: the file or folder that the user gave.
        film_format: "glb", "npz", "csv", "parquet", "bvh" or "html".

    Raises:
        UserError: an unknown suffix, or one that contradicts the format.
        MissingDependencyError: .parquet without pyarrow.
    """
    asked = None if film_format is None else "." + film_format.lower().lstrip(".")
    if asked is not None and asked not in FILM_FORMATS:
        raise UserError(
            f"{{format}} {film_format}: films are written as one of {', '.join(f[1:] for f in FILM_FORMATS)}.",
            options=("format",),
        )
    stem = film.name.rstrip("/") if film.is_dir() else film.stem
    stem = "".join(letter for letter in stem if letter not in "*?%") or "film"
    path = Path(f"{stem}_hands{asked or DEFAULT_FORMAT}")
    if output is not None:
        given = Path(output)
        folder = output.endswith("/") or given.is_dir() or given.suffix == ""
        path = given / path.name if folder else given
    suffix = path.suffix.lower()
    if suffix not in FILM_FORMATS:
        raise UserError(
            f"{{output}} {output}: of films, expected one of {', '.join(FILM_FORMATS)}, or a folder (with a slash at "
            "its end).",
            options=("output",),
        )
    if asked is not None and asked != suffix:
        raise UserError(
            f"{{output}} {output} and {{format}} {film_format} contradict each other. Leave one of them out.",
            options=("output", "format"),
        )
    if suffix == ".parquet":
        check_parquet()  # before any work
    return path


def beside(path: Path, ending: str) -> Path:
    """NAME + ending, beside a result: ``clip_overlay.mp4`` of ``clip.glb``."""
    return path.with_name(path.name[: -len(path.suffix)] + ending)


def film_files(film: FilmHands, path: Path, *, vertices: bool = False) -> dict[Path, bytes]:
    """The files of a film's hands and their content, NAME.json first and the one named last.

    Args:
        film: its hands.
        path: NAME.glb, .npz, .csv, .parquet, .bvh or .html (a page that plays the .glb); .bvh has a hand a file:
            further ones go to NAME_left_1.bvh.
        vertices: of .npz, those too.

    Raises:
        UserError: no hand, for formats that cannot say so (.glb, .bvh).
    """
    document = (json.dumps(film.to_json(), indent=1, ensure_ascii=False) + "\n").encode()
    files = {beside(path, ".json"): document}
    suffix = path.suffix.lower()
    tables: dict[str, Callable[[], bytes]] = {
        ".npz": lambda: npz_bytes(film, vertices=vertices),
        ".csv": lambda: table_of(film, ".csv"),
        ".parquet": lambda: table_of(film, ".parquet"),
    }
    if suffix in tables:
        return files | {path: tables[suffix]()}
    if not film.tracks:
        return files
    rigs, results = _rigs(film.tracks)
    motions = [_motion(film, track, rig) for track, rig in zip(film.tracks, rigs, strict=True)]
    if suffix == ".bvh":
        return files | dict(reversed(_bvh(film, path, rigs, motions).items()))
    parts = [part._replace(name=track.name) for part, track in zip(mesh_parts(results), film.tracks, strict=True)]
    glb = rigged_glb_bytes(parts, rigs, motions, _times(film)[-1])
    return files | {path: glb if suffix == ".glb" else _page(film, glb, rigs)}


def _page(film: FilmHands, glb: bytes, rigs: Sequence[Rig]) -> bytes:
    hands = []
    for track in film.tracks:
        facts = track.figures
        filled = f", {facts['filled']} of them filled" if facts["filled"] else ""
        figures = [
            ("frames", f"{facts['frames']}{filled}"),
            ("in the film", f"{facts['from_seconds']:.2f} to {facts['to_seconds']:.2f} s"),
            ("one shape, of", f"{facts['shape_frames']} frames"),
        ]
        hands.append((f"{track.hand.capitalize()} hand {track.number}", figures))
    notes = list(film.warnings)
    if max(rig.influences for rig in rigs) > INFLUENCES:
        notes.append(f"The hand model's vertices follow more joints than the {INFLUENCES} that the 3D view skins with.")
    width, height = film.size
    about = f"{width} x {height}, {len(film.seconds)} frames, {film.rate:.4g} a second. Camera: {film.camera}."
    return film_page(glb, Path(film.path).name, about=about, hands=hands, notes=notes)


def _times(film: FilmHands) -> np.ndarray:
    """[F] seconds since the first frame."""
    since: np.ndarray = film.seconds - film.seconds[0]
    return since


def _rigs(tracks: Sequence[HandTrack]) -> tuple[list[Rig], list[HandResult]]:
    """Rigs and hands of tracks where each is best seen."""
    results = [track.result(int(track.score.argmax())) for track in tracks]
    return rigs_of(results), results


def _motion(film: FilmHands, track: HandTrack, rig: Rig) -> JointMotion:
    times = _times(film)
    frames = track.frames
    runs = np.split(np.arange(len(frames)), np.flatnonzero(np.diff(frames) > 1) + 1)
    present = []
    for run in runs:
        after = int(frames[run[-1]]) + 1
        until = float(times[after]) if after < len(times) else float(times[-1]) + 1.0
        present.append((float(times[frames[run[0]]]), until))
    return joint_motion(rig, times[frames], track.pose, track.rotation, track.translation, present)


def _bvh(film: FilmHands, path: Path, rigs: Sequence[Rig], motions: Sequence[JointMotion]) -> dict[Path, bytes]:
    """One file a hand over the whole film, at an even rate; where a hand is not there, it stays as it was last."""
    times = _times(film)
    count = max(1, round(float(times[-1]) * film.rate) + 1)
    even = np.arange(count) / film.rate
    files = {}
    for place, (track, rig, motion) in enumerate(zip(film.tracks, rigs, motions, strict=True)):
        rotations, wrist = held(motion, even)
        target = path if place == 0 else beside(path, f"_{track.name}{path.suffix}")
        files[target] = bvh_bytes(rig, rotations, wrist, 1 / film.rate)
    return files
