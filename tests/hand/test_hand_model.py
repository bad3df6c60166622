"""Loading models, and what goes wrong with files."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import platformdirs
import pytest

from handsss.errors import InputError
from handsss.hand import cache
from handsss.hand.load import load_model
from handsss.hand.model import mirrored, read_npz
from handsss.hand.open_hand import OPEN_MODELS


@pytest.mark.parametrize("name", sorted(OPEN_MODELS))
@pytest.mark.parametrize("side", ["right", "left"])
def test_shipped_models_are_sound(name, side) -> None:
    model = load_model(name, side)
    count = {"open": 778, "open-detail": 1649}[name]
    assert model.side == side and model.v_template.shape == (count, 3)
    np.testing.assert_allclose(model.weights.sum(1), 1, atol=1e-4)
    np.testing.assert_allclose(model.j_regressor.sum(1), 1, atol=1e-6)
    np.testing.assert_allclose(model.hands_components @ model.hands_components.T, np.eye(45), atol=1e-6)
    assert (model.hands_std >= 0).all() and (np.diff(model.limits_deg, axis=2) > 0).all()
    # Faces look outwards: the volume that they enclose (the wrist left open) is positive.
    corners = model.v_template[model.faces] - model.v_template.mean(0)
    assert np.einsum("fi,fi->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) > 0
    joints = model.j_regressor @ model.v_template
    assert (joints[4, 0] < joints[0, 0]) == (side == "right")


@pytest.mark.parametrize("name", sorted(OPEN_MODELS))
def test_the_only_opening_is_one_ring_at_the_wrist(name) -> None:
    model = load_model(name)
    ring = model.boundary
    edges = {tuple(sorted(e)) for f in model.faces.tolist() for e in ((f[0], f[1]), (f[1], f[2]), (f[2], f[0]))}
    assert len(set(ring.tolist())) == len(ring) >= 12
    assert all(tuple(sorted(pair)) in edges for pair in zip(ring.tolist(), np.roll(ring, -1).tolist(), strict=True))
    assert model.vertex_count - len(edges) + len(model.faces) == 1  # a disc
    assert model.weights[ring, 0].min() > 0.9


def test_open_model_is_loaded_once() -> None:
    assert load_model("open") is load_model("open")


def test_own_npz_by_path(tmp_path) -> None:
    arrays = read_npz(OPEN_MODELS["open"])
    path = tmp_path / "mine.npz"
    np.savez(path, **arrays)
    model = load_model(str(path))
    np.testing.assert_array_equal(model.v_template, load_model("open").v_template)
    np.testing.assert_array_equal(load_model(str(path), "left").v_template, mirrored(model).v_template)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"weights": None}, "no 'weights' in this hand model"),
        ({"weights": np.zeros((778, 15))}, r"'weights' has shape \(778, 15\), expected \(778, 16\)"),
        ({"posedirs": np.full((778, 3, 135), np.inf)}, "'posedirs' holds values that are not finite"),
        ({"weights": np.full((778, 16), 1 / 17)}, r"the skinning weights of vertex \d+ sum to 0\.9412, expected 1"),
        ({"faces": np.array([[0, 1, 778]])}, r"'faces' names vertices outside 0\.\.777"),
        ({"limits_deg": np.zeros((15, 3))}, r"'limits_deg' should have shape \(15, 3, 2\), got \(15, 3\)"),
        ({"bone_frames": None}, r"'bone_frames' should have shape \(15, 3, 3\), got nothing"),
    ],
)
def test_faults_of_a_file_are_named(tmp_path, change, text) -> None:
    arrays = {**read_npz(OPEN_MODELS["open"]), **change}
    path = tmp_path / "mine.npz"
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    with pytest.raises(InputError, match=text):
        load_model(str(path))


def test_files_that_are_none(tmp_path) -> None:
    with pytest.raises(InputError, match=r"no hand model 'opne': neither a known name \(open, open-detail, mano\)"):
        load_model("opne")
    with pytest.raises(InputError, match="no such file"):
        load_model(str(tmp_path / "absent.npz"))
    text = tmp_path / "text.npz"
    text.write_text("hello")
    with pytest.raises(InputError, match="not a readable hand model npz"):
        load_model(str(text))
    whole = OPEN_MODELS["open"].read_bytes()
    for kept in (0.2, 0.9):
        text.write_bytes(whole[: int(len(whole) * kept)])
        with pytest.raises(InputError, match="not a readable hand model npz"):
            load_model(str(text))
    with pytest.raises(ValueError, match="side is 'right' or 'left'"):
        load_model("open", "both")  # type: ignore[arg-type]


def test_cache_directory(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("HANDSSS_CACHE", str(tmp_path))
    assert cache.cache_directory() == tmp_path
    monkeypatch.delenv("HANDSSS_CACHE")
    assert cache.cache_directory() == platformdirs.user_cache_path("handsss", appauthor=False)
    assert cache.cache_directory().name.lower() in ("handsss", "cache")
    if sys.platform == "linux":
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
        assert cache.cache_directory() == tmp_path / "xdg" / "handsss"
        monkeypatch.delenv("XDG_CACHE_HOME")
        assert cache.cache_directory() == Path.home() / ".cache" / "handsss"


def test_arrays_are_written_in_one_step(tmp_path, monkeypatch) -> None:
    path = tmp_path / "deep" / "a.npz"
    assert cache.write_arrays(path, {"x": np.arange(3)})
    np.testing.assert_array_equal(read_npz(path)["x"], np.arange(3))

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    assert not cache.write_arrays(path.with_name("b.npz"), {"x": np.arange(3)})
    assert [p.name for p in path.parent.iterdir()] == ["a.npz"]
