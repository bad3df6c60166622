"""``handsss reconstruct`` of films: what is refused before any work, and a run."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.cli.typed import typed
from tests.film_files import plain_frames, write_film


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["clip.mp4", "--box", "1,2,3,4"], "--box is for photos, but a film was given"),
        (["clip.mp4", "--same-hand"], "--same-hand is for photos"),
        (["clip.mp4", "--no-refine"], "--no-refine is for photos"),
        (["clip.mp4", "other.jpg"], "clip.mp4 is a film: expected it alone, got 2 inputs"),
        (["clip.mp4", "--start", "5", "--end", "2"], "--end 2: expected seconds above --start (5)"),
        (["clip.mp4", "--start", "soon"], "--start soon: expected seconds of a film"),
        (["photo.jpg", "--every", "2"], "--every is for films, but photos were given. Leave it out, or say --film"),
        (["photo.jpg", "--start", "2"], "--start is for films"),
        (["photo.jpg", "--live"], "--live is for films"),
        (["clip.mp4", "--hand", "left", "--side", "right"], "--side right says that all are right ones"),
    ],
)
def test_options_that_do_not_go_together(options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("reconstruct", *options) == 2
    assert message in said(capsys)


def test_the_old_name_of_the_initial_hands_still_works(capsys: pytest.CaptureFixture[str]) -> None:
    assert typed("reconstruct", "missing.jpg", "--start", "search") == 1
    told = said(capsys)
    assert "--start search is now called --init search" in told and "no such file" in told


def test_a_missing_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "clip.mp4").write_bytes(b"x")
    assert typed("reconstruct", tmp_path / "clip.mp4") == 2
    assert "needs the package av" in said(capsys)


def test_what_is_no_film_and_where_it_cannot_go(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("av")
    assert typed("reconstruct", tmp_path / "clip.mp4") == 2
    assert "no such file" in said(capsys)
    film = write_film(tmp_path / "clip_overlay.mp4", plain_frames(2))
    assert typed("reconstruct", film, "-o", tmp_path / "clip.obj") == 2
    assert "of films, expected one of .glb" in said(capsys)
    assert typed("reconstruct", film, "-o", tmp_path / "clip.csv") == 2
    assert "would overwrite an input" in said(capsys)


@pytest.mark.slow
def test_a_film_and_its_files(hand_film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = typed("reconstruct", hand_film, "-o", tmp_path / "out.glb", "--end", "0.3", "--texture-size", "64")
    told = " ".join(capsys.readouterr().out.split())
    assert code == 0 and "8 frames" in told and "milliseconds a frame" in told
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.glb", "out.json", "out_overlay.mp4"]
    document = json.loads((tmp_path / "out.json").read_text())
    assert document["frames"] == 8 and document["tracks"][0]["shape_frames"] >= 1


@pytest.mark.slow
def test_a_film_without_a_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("av")
    film = write_film(tmp_path / "empty.mp4", plain_frames(3))
    assert typed("reconstruct", film, "-o", tmp_path / "out.csv") == 3
    assert "no hand found in 3 frames" in said(capsys)
    assert (tmp_path / "out.csv").read_text().startswith("frame,seconds,track")
