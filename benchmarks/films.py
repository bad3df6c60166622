"""Films: rendered hands that move as recorded ones did, with truth; and films made of real photos, for robustness.

    python -m benchmarks.films RECORDINGS.npz [--photos FOLDER] [--frames 60] [--json FILE] [--sheet FILE.jpg]

RECORDINGS.npz is as :mod:`benchmarks.pose_coverage` describes it. Each recording becomes a film of 640 x 480 px at 30
frames a second, compressed as films are. It is reconstructed as a whole, live, and frame by frame as photos are
(without outline, with the same camera: the true one). Only frames in which both have a hand are compared.

Error: aligned MPJPE, and the distance about the joints' middle. Acceleration error: mean length of the difference
between second differences of the joints and of the true ones, mm a frame^2, in camera space and about the middle.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.film_scenes import RenderedFilm, film_of, motions
from benchmarks.film_trials import trials
from handsss.geometry.procrustes import aligned_distances
from handsss.hand.joints import BONES
from handsss.io.camera import CameraOptions
from handsss.io.film import open_film
from handsss.io.film_writer import film_writer
from handsss.reconstruction.film.clock import StageClock
from handsss.reconstruction.film.overlay import write_overlay
from handsss.reconstruction.film.reconstruct import FilmOptions, FilmReconstruction
from handsss.reconstruction.film.result import FilmHands
from handsss.reconstruction.pipeline import HandPipeline
from handsss.reconstruction.settings import PipelineSettings

USED = (
    *("HandSplay-110fps, right", "brian, right", "confidence-demo, right", "flapping, right", "grab, right"),
    *("rollAndPitchCropped, right", "three-claps, right", "pinch, right"),
)


def frame_by_frame(path: Path, K: np.ndarray, pipeline: HandPipeline) -> tuple[dict[int, np.ndarray], list[str]]:
    """Joints [21, 3] of each frame in which a photo's reconstruction has a hand, and their sides."""
    joints, sides = {}, []
    for frame in open_film(path).frames():
        inputs = pipeline.find_hands(frame.image, K).inputs
        if inputs:
            result = pipeline.reconstruct(inputs)[0]
            joints[frame.number] = result.joints_3d
            sides.append(result.hand)
    return joints, sides


def joints_of(hands: FilmHands) -> dict[int, np.ndarray]:
    """Joints of the frames; where several tracks show one, those of the longest."""
    found: dict[int, np.ndarray] = {}
    for track in sorted(hands.tracks, key=lambda track: -len(track.frames)):
        for row, frame in enumerate(track.frames):
            found.setdefault(int(frame), track.joints_3d[row])
    return found


def scores(found: dict[int, np.ndarray], frames: list[int], truth: np.ndarray) -> dict[str, float]:
    """Errors over some frames, mm."""
    own, true = np.stack([found[frame] for frame in frames]), truth[frames]
    middle = own - own.mean(1, keepdims=True) - (true - true.mean(1, keepdims=True))
    known = set(frames)
    runs = [frame for frame in frames if {frame - 1, frame + 1} <= known]

    def acceleration(values: dict[int, np.ndarray]) -> np.ndarray:
        return np.stack([values[f - 1] - 2 * values[f] + values[f + 1] for f in runs])

    off = acceleration(found) - acceleration(dict(enumerate(truth)))
    return {
        "aligned_mpjpe_mm": 1e3 * float(aligned_distances(own, true).mean()),
        "about_middle_mm": 1e3 * float(np.linalg.norm(middle, axis=-1).mean()),
        "acceleration_mm": 1e3 * float(np.linalg.norm(off, axis=-1).mean()),
        "acceleration_about_middle_mm": 1e3 * float(np.linalg.norm(off - off.mean(1, keepdims=True), axis=-1).mean()),
    }


def bone_spread(hands: FilmHands) -> float:
    """Largest relative spread of a bone's length within a track, between the hand model's own joints. (Fingertips are
    points of the skin, which pose correctives move.)"""
    worst = 0.0
    start, end = np.array([bone for bone in BONES if bone[1] % 4]).T
    for track in hands.tracks:
        _, joints = track.posed(np.arange(len(track.frames)))
        lengths = np.linalg.norm(joints[:, end] - joints[:, start], axis=-1)
        worst = max(worst, float((np.ptp(lengths, axis=0) / lengths.mean(0)).max()))
    return worst


def flips(sides: list[str]) -> int:
    """Changes of side from one frame with a hand to the next."""
    return sum(a != b for a, b in itertools.pairwise(sides))


def sides_of(hands: FilmHands) -> list[str]:
    """The side in each frame, of the longest track that shows a hand."""
    found: dict[int, str] = {}
    for track in sorted(hands.tracks, key=lambda track: -len(track.frames)):
        for frame in track.frames:
            found.setdefault(int(frame), track.hand)
    return [found[frame] for frame in sorted(found)]


def one_film(film: RenderedFilm, folder: Path, pipeline: HandPipeline) -> tuple[dict[str, Any], Path, FilmHands]:
    """Figures of one film, the film, and its hands."""
    path = folder / "film.mp4"
    with film_writer(path, film.size, 30.0) as writer:
        for image, seconds in zip(film.frames, film.seconds, strict=True):
            writer.write(image, float(seconds))
    options = FilmOptions(CameraOptions(intrinsics=film.K))
    whole = FilmReconstruction(pipeline, open_film(path), options)()
    live = FilmReconstruction(pipeline, open_film(path), options).live()
    alone, sides = frame_by_frame(path, film.K, pipeline)
    every = {"whole film": joints_of(whole), "live": joints_of(live), "frame by frame": alone}
    frames = sorted(set.intersection(*(set(found) for found in every.values())))
    figures: dict[str, Any] = {"film": film.name, "frames": len(film.seconds), "compared": len(frames)}
    for name, found in every.items():
        figures[name] = scores(found, frames, film.joints) | {"frames_with_a_hand": len(found)}
    figures["whole film"] |= {"flips": flips(sides_of(whole)), "bone_spread": bone_spread(whole)}
    figures["whole film"]["tracks"] = len(whole.tracks)
    figures["live"]["flips"] = flips(sides_of(live))
    figures["frame by frame"]["flips"] = flips(sides)
    figures["cpu_ms_a_frame"] = {name: 1e3 * cpu / len(film.seconds) for name, (_, cpu) in whole.spent.items()}
    return figures, path, whole


def summary(films: list[dict[str, Any]]) -> dict[str, Any]:
    """Means over films, weighted by frames, and their ratios."""
    weight = np.array([film["compared"] for film in films], dtype=np.float64)
    result: dict[str, Any] = {}
    for way in ("whole film", "live", "frame by frame"):
        names = [name for name in films[0]["frame by frame"] if name.endswith("_mm")]
        result[way] = {name: float(np.average([film[way][name] for film in films], weights=weight)) for name in names}
        result[way]["flips"] = sum(film[way]["flips"] for film in films)
    base = result["frame by frame"]
    for way in ("whole film", "live"):
        result[way] |= {
            "times_less_acceleration_error": base["acceleration_mm"] / result[way]["acceleration_mm"],
            "times_less_about_middle": base["acceleration_about_middle_mm"]
            / result[way]["acceleration_about_middle_mm"],
            "error_percent_more": 100 * (result[way]["aligned_mpjpe_mm"] / base["aligned_mpjpe_mm"] - 1),
        }
    result["whole film"]["largest_bone_spread"] = max(film["whole film"]["bone_spread"] for film in films)
    return result


def rounded(value: Any) -> Any:
    """Figures as they are written."""
    if isinstance(value, dict):
        return {name: rounded(one) for name, one in value.items()}
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def strips(path: Path, hands: FilmHands, folder: Path, count: int = 6) -> Iterator[np.ndarray]:
    """Some frames of the overlay film, small."""
    overlay = write_overlay(open_film(path), hands, folder / "overlay.mp4", StageClock())
    wanted = set(np.linspace(0, len(hands.seconds) - 1, count).astype(int).tolist())
    for frame in open_film(overlay).frames(lambda number: number in wanted):
        size = 240, round(240 * frame.image.shape[0] / frame.image.shape[1])
        yield np.asarray(Image.fromarray(frame.image).resize(size))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", type=Path, nargs="?")
    parser.add_argument("--photos", type=Path, help="folder of photos with hands: the robustness trials")
    parser.add_argument("--frames", type=int, default=60, help="of each film, at most")
    parser.add_argument("--films", type=int, default=len(USED))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    pipeline = HandPipeline("open", PipelineSettings(appearance=False))
    result: dict[str, Any] = {}
    rows: list[np.ndarray] = []
    if options.recordings is not None:
        known = {motion.name: motion for motion in motions(options.recordings)}
        films = []
        for seed, name in enumerate(USED[: options.films]):
            begin = time.process_time()
            with tempfile.TemporaryDirectory() as folder:
                film = film_of(known[name], seed, frames=options.frames)
                figures, path, hands = one_film(film, Path(folder), pipeline)
                if options.sheet is not None:
                    rows.append(np.hstack(list(strips(path, hands, Path(folder)))))
            films.append(figures)
            print(f"{time.process_time() - begin:.0f} s", json.dumps(rounded(figures)), flush=True)
        result |= {"rendered": summary(films), "films": films}
    if options.photos is not None:
        result["trials"] = trials(options.photos)
    print(json.dumps(rounded(result.get("rendered", {}) | {"trials": result.get("trials", {})}), indent=1))
    if options.json:
        options.json.write_text(json.dumps(rounded(result), indent=1) + "\n")
    if options.sheet is not None and rows:
        Image.fromarray(np.vstack(rows)).save(options.sheet, quality=88)


if __name__ == "__main__":
    main()
