"""A small film of one hand: tracked, fitted with one shape, written in every format; interrupted and gone on with."""

from __future__ import annotations

import csv
import io
from base64 import b64decode
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from handsss.errors import UserError
from handsss.io.film import open_film
from handsss.reconstruction.film.clock import StageClock
from handsss.reconstruction.film.outputs import film_files, film_output
from handsss.reconstruction.film.overlay import write_overlay
from handsss.reconstruction.film.reconstruct import FilmOptions, FilmReconstruction
from handsss.reconstruction.film.result import FilmHands
from handsss.reconstruction.film.tables import npz_bytes
from handsss.reconstruction.film.tracks import SightingLog, tracks_of
from handsss.reconstruction.pipeline import HandPipeline
from handsss.reconstruction.settings import PipelineSettings
from tests.gltf_file import GltfFile
from tests.page.html_file import HtmlFile

pytest.importorskip("av")


@pytest.fixture(scope="module")
def pipeline() -> HandPipeline:
    return HandPipeline("open", PipelineSettings(appearance=False))


@pytest.fixture(scope="module")
def hands(hand_film: Path, pipeline: HandPipeline) -> FilmHands:
    return FilmReconstruction(pipeline, open_film(hand_film))()


def test_one_hand_of_one_shape_in_every_frame(hands: FilmHands) -> None:
    (track,) = hands.tracks
    assert len(hands.seconds) == 12 and track.frames.tolist() == list(range(12)) and not track.filled.any()
    assert track.shape.shape == (10,) and track.pose.shape == (12, 45)
    bones = np.linalg.norm(track.joints_3d[:, 10] - track.joints_3d[:, 9], axis=1)
    assert np.ptp(bones) < 1e-3  # one bone; the skin that carries the keypoints moves a little with the pose
    moved = np.diff(track.joints_2d.mean(1)[:, 0])
    assert (moved > 0).all()
    off = np.linalg.norm(track.joints_2d - track.keypoints_2d[:, :, :2], axis=-1).mean()
    assert off < 0.06 * np.ptp(track.keypoints_2d[0, :, :2], axis=0).max()
    assert set(hands.spent) >= {"reading", "detecting", "fitting", "smoothing"}


def test_vertices_follow_from_the_arrays(hands: FilmHands) -> None:
    (track,) = hands.tracks
    results = list(track.results(np.array([0, 5])))
    set_ = track.layer.model.keypoint_set(track.keypoint_set)
    for row, result in zip((0, 5), results, strict=True):
        assert result.vertices.shape == (778, 3)
        weights = set_.vertex_weights.toarray()
        full = np.flatnonzero(np.isclose(weights.sum(1), 1))
        assert np.allclose((weights @ result.vertices)[full], track.joints_3d[row][full], atol=1e-4)


def test_a_left_hand_mirrors_the_right_one(hand_film: Path, pipeline: HandPipeline, hands: FilmHands) -> None:
    other = "left" if hands.tracks[0].hand == "right" else "right"
    options = FilmOptions(hand=other)  # type: ignore[arg-type]
    assert FilmReconstruction(pipeline, open_film(hand_film), options)().tracks == []


def test_tables_hold_a_row_a_frame_and_hand(hands: FilmHands, tmp_path: Path) -> None:
    files = film_files(hands, tmp_path / "a.csv")
    rows = list(csv.DictReader(io.StringIO(files[tmp_path / "a.csv"].decode())))
    assert len(rows) == 12 and rows[3]["frame"] == "3" and rows[3]["hand"] == hands.tracks[0].hand
    assert float(rows[3]["index_tip_z"]) == pytest.approx(hands.tracks[0].joints_3d[3, 8, 2], abs=1e-6)
    with np.load(io.BytesIO(npz_bytes(hands, vertices=True))) as file:
        assert file["joints_3d"].shape == (12, 21, 3) and file["vertices"].shape == (12, 778, 3)
        assert file["track_hand"].tolist() == [hands.tracks[0].hand]
        assert np.allclose(file["pose"], hands.tracks[0].pose)


def test_a_page_plays_the_animated_glb(hands: FilmHands, tmp_path: Path) -> None:
    target = film_output(Path("clip.mp4"), str(tmp_path / "clip.html"))
    file = HtmlFile.of(film_files(hands, target)[target])
    file.check_self_contained()
    assert b64decode(file.model()["glb"]) == film_files(hands, tmp_path / "a.glb")[tmp_path / "a.glb"]
    assert file.one("h1").text == Path(hands.path).name
    assert [one.text for one in file.all("h2")] == [f"{hands.tracks[0].hand.capitalize()} hand 0"]


def test_the_animated_glb_moves_the_joints(hands: FilmHands, tmp_path: Path) -> None:
    file = GltfFile.of(film_files(hands, tmp_path / "a.glb")[tmp_path / "a.glb"])
    tree = file.tree
    (animation,) = tree["animations"]
    paths = [channel["target"]["path"] for channel in animation["channels"]]
    assert paths.count("rotation") == 16 and paths.count("translation") == 1 and "scale" not in paths
    times = file.accessor(animation["samplers"][0]["input"]).ravel()
    assert times == pytest.approx(hands.seconds - hands.seconds[0], abs=1e-5)
    wrist = file.accessor(animation["samplers"][0]["output"])
    joints = hands.tracks[0].joints_3d[:, 0] * np.array([1, -1, -1])
    assert np.abs(wrist - joints).max() < 0.02
    assert tree["meshes"][0]["weights"][-1] == 0.0  # the correctives are of one pose only


def test_a_hand_that_is_away_is_hidden(hands: FilmHands, tmp_path: Path) -> None:
    (track,) = hands.tracks
    away = np.array([0, 1, 2, 3, 8, 9])
    kept = {name: getattr(track, name)[away] for name in ("frames", "seconds", "filled", "score", "keypoints_2d")}
    kept |= {name: getattr(track, name)[away] for name in ("joints_3d", "joints_2d", "pose", "rotation", "translation")}
    part = replace(hands, tracks=[replace(track, **kept)])
    file = GltfFile.of(film_files(part, tmp_path / "a.glb")[tmp_path / "a.glb"])
    tree = file.tree
    animation = tree["animations"][0]
    (channel,) = [one for one in animation["channels"] if one["target"]["path"] == "scale"]
    sampler = animation["samplers"][channel["sampler"]]
    assert sampler["interpolation"] == "STEP"
    assert file.accessor(sampler["output"])[:, 0].tolist() == [1, 0, 1, 0]
    lines = film_files(part, tmp_path / "a.bvh")[tmp_path / "a.bvh"].decode().splitlines()
    frames = lines[lines.index("Frames: 12") + 2 :]
    assert len(frames) == 12 and frames[4] == frames[7]  # it stays as it was last


def test_the_overlay_film(hand_film: Path, hands: FilmHands, tmp_path: Path) -> None:
    film = open_film(hand_film)
    path = write_overlay(film, hands, tmp_path / "o.mp4", StageClock())
    drawn, plain = list(open_film(path).frames()), list(film.frames())
    assert len(drawn) == 12 and drawn[0].image.shape == plain[0].image.shape
    changed = np.abs(drawn[5].image.astype(float) - plain[5].image).mean(-1) > 30
    places = np.argwhere(changed)[:, ::-1].mean(0)
    assert np.linalg.norm(places - hands.tracks[0].joints_2d[5].mean(0)) < 60


@pytest.mark.slow
def test_an_interruption_keeps_what_is_done(hand_film: Path, pipeline: HandPipeline, tmp_path: Path) -> None:
    film = open_film(hand_film)
    whole = film.frames

    def broken(wanted: object = None) -> object:
        for frame in whole(wanted):  # type: ignore[arg-type]
            if frame.number == 6:
                raise KeyboardInterrupt
            yield frame

    film.frames = broken  # type: ignore[method-assign, assignment]
    options = FilmOptions(kept=tmp_path / "kept.npz", key="a")
    first = FilmReconstruction(pipeline, film, options)()
    assert first.interrupted and len(first.seconds) == 6 and first.tracks[0].frames.tolist() == list(range(6))
    seen: list[int] = []
    again = FilmReconstruction(
        pipeline, open_film(hand_film), replace(options, resume=True), lambda name, total, done: seen.append(done)
    )()
    assert seen[0] == 6 and not again.interrupted and again.tracks[0].frames.tolist() == list(range(12))
    assert SightingLog.load(tmp_path / "kept.npz", "of another film") is None


@pytest.mark.slow
def test_live_hands_are_near_the_smoothed_ones(hand_film: Path, pipeline: HandPipeline, hands: FilmHands) -> None:
    live = FilmReconstruction(pipeline, open_film(hand_film)).live()
    (track,) = live.tracks
    assert track.hand == hands.tracks[0].hand and track.frames.tolist() == list(range(12))
    apart = track.joints_2d - hands.tracks[0].joints_2d
    assert np.linalg.norm(apart, axis=-1).mean() < 12


def test_short_gaps_are_filled_and_long_ones_left_open() -> None:
    log = SightingLog()
    shown = [True] * 10 + [False] * 4 + [True] * 10 + [False] * 20 + [True] * 10
    for frame, seen in enumerate(shown):
        log.seconds.append(frame / 25)
        if seen:
            log.rows.append((frame, 0))
            log.values.append(np.full((21, 7), frame, dtype=np.float32))
            log.presence.append((0.9, 0.8))
    (track,) = tracks_of(log)
    assert (~track.seen).sum() == 4 and track.seen[10:14].tolist() == [False] * 4
    assert track.segment.tolist() == [0] * 24 + [1] * 10 and track.frames[24] == 44
    assert track.side == "right" and track.right == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("output", "film_format", "expected"),
    [
        (None, None, "clip_hands.glb"),
        ("a.csv", None, "a.csv"),
        ("out/", "npz", "out/clip_hands.npz"),
        ("out", None, "out/clip_hands.glb"),
    ],
)
def test_names_of_results(output: str | None, film_format: str | None, expected: str) -> None:
    assert film_output(Path("in/clip.mp4"), output, film_format) == Path(expected)


def test_formats_that_films_do_not_have() -> None:
    with pytest.raises(UserError, match="of films, expected one of .glb"):
        film_output(Path("clip.mp4"), "a.obj")
    with pytest.raises(UserError, match="films are written as one of glb"):
        film_output(Path("clip.mp4"), None, "ply")
    with pytest.raises(UserError, match="contradict"):
        film_output(Path("clip.mp4"), "a.csv", "npz")


@pytest.mark.slow
@pytest.mark.parametrize("live", [False, True])
def test_frames_with_hands_in_python(hand_film: Path, live: bool) -> None:
    import handsss

    frames = list(handsss.track(hand_film, live=live, end=0.2, texture=False))
    assert [frame.number for frame in frames] == list(range(5))
    for frame in frames:
        (hand,) = frame.hands
        assert hand.track == 0 and not hand.filled and hand.vertices.shape == (778, 3) and hand.joints.shape == (21, 3)
        assert hand.overlay().size == (frame.image.shape[1], frame.image.shape[0])
