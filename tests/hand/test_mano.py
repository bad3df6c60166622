"""MANO files: found, read without chumpy, mended, cached; mistakes are told in plain words."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from handsss.errors import InputError
from handsss.hand import mano
from handsss.hand.layer import HandLayer
from handsss.hand.load import load_model
from handsss.hand.model import HandModel, mirrored

KEYS = {
    "v_template": "v_template",
    "weights": "weights",
    "shapedirs": "shapedirs",
    "posedirs": "posedirs",
    "J_regressor": "j_regressor",
    "hands_mean": "hands_mean",
    "hands_components": "hands_components",
    "faces": "faces",
}


def assert_holds(model: HandModel, arrays: dict[str, np.ndarray]) -> None:
    for key, name in KEYS.items():
        np.testing.assert_array_equal(getattr(model, name), arrays[key], err_msg=key)


@pytest.mark.parametrize("chumpy", [True, False])
@pytest.mark.parametrize(("protocol", "python2"), [(0, False), (2, True), (2, False), (4, False), (5, False)])
def test_pickle_is_read_exactly_and_without_chumpy(write_mano, mano_arrays, chumpy, protocol, python2) -> None:
    path = write_mano(chumpy=chumpy, protocol=protocol, python2=python2)
    model = mano.load_file(path, "right")
    assert_holds(model, mano_arrays)
    assert model.side == "right" and model.angle_convention == "axis_angle" and model.bone_frames is None
    assert "chumpy" not in sys.modules
    np.testing.assert_allclose(model.hands_std, mano_arrays["hands_coeffs"].std(0))


def test_pose_spread_without_coefficients_is_the_open_hands(write_mano, mano_arrays) -> None:
    arrays = {k: v for k, v in mano_arrays.items() if k != "hands_coeffs"}
    model = mano.load_file(write_mano(arrays=arrays), "right")
    hand = load_model("open")
    covariance = hand.hands_components.T @ np.diag(hand.hands_std**2) @ hand.hands_components
    expected = [np.sqrt(c @ covariance @ c) for c in model.hands_components]
    np.testing.assert_allclose(model.hands_std, expected)


def test_second_load_comes_from_the_cache(write_mano, mano_arrays, own_cache, monkeypatch) -> None:
    path = write_mano()
    mano.load_file(path, "right")
    (cached,) = own_cache.iterdir()
    assert cached.suffix == ".npz"
    monkeypatch.setattr(mano, "read_pickle", lambda _: pytest.fail("the pickle was read again"))
    assert_holds(mano.load_file(path, "right"), mano_arrays)


def test_damaged_cache_is_made_again(write_mano, mano_arrays, own_cache) -> None:
    path = write_mano()
    mano.load_file(path, "right")
    (cached,) = own_cache.iterdir()
    cached.write_bytes(cached.read_bytes()[:1000])
    assert_holds(mano.load_file(path, "right"), mano_arrays)
    assert cached.stat().st_size > 1000


def test_changed_file_is_converted_anew(write_mano, mano_arrays, own_cache) -> None:
    mano.load_file(write_mano(), "right")
    other = {**mano_arrays, "hands_mean": mano_arrays["hands_mean"] + 1}
    assert_holds(mano.load_file(write_mano(arrays=other), "right"), other)
    assert len(list(own_cache.iterdir())) == 2


def test_unwritable_cache_is_no_error(write_mano, mano_arrays, tmp_path, monkeypatch) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("in the way")
    monkeypatch.setenv("HANDSSS_CACHE", str(blocked / "cache"))
    assert_holds(mano.load_file(write_mano(), "right"), mano_arrays)


@pytest.mark.parametrize("with_right", [True, False])
@pytest.mark.parametrize("wrong_shape", [True, False])
def test_left_shape_directions_are_mended(write_mano, mano_arrays, with_right, wrong_shape) -> None:
    if with_right:
        write_mano("right")
    left = mano.load_file(write_mano("left", wrong_shape=wrong_shape), "left")
    expected = mano_arrays["shapedirs"] * np.array([-1.0, 1.0, 1.0])[:, None]
    np.testing.assert_array_equal(left.shapedirs, expected)


def test_left_file_agrees_with_the_mirrored_right_one(write_mano) -> None:
    right, left = mano.load_file(write_mano("right"), "right"), mano.load_file(write_mano("left"), "left")
    twin = mirrored(right)
    for name in KEYS.values():
        np.testing.assert_allclose(getattr(left, name), getattr(twin, name), atol=1e-12, err_msg=name)
    assert left.side == "left"


def test_sign_rule_keeps_a_left_hand_that_is_right(mano_arrays) -> None:
    shape = mano_arrays["shapedirs"]
    good = shape * np.array([-1.0, 1.0, 1.0])[:, None]
    template = mano_arrays["v_template"] * [-1, 1, 1]
    assert mano.left_shape_is_wrong(shape, shape, template)
    assert not mano.left_shape_is_wrong(good, shape, template)
    assert mano.left_shape_is_wrong(shape, None, template)
    assert not mano.left_shape_is_wrong(good, None, template)


def test_left_test_of_growth_holds_for_the_open_hand() -> None:
    left = load_model("open", "left")
    assert not mano.left_shape_is_wrong(left.shapedirs, None, left.v_template)
    assert mano.left_shape_is_wrong(left.shapedirs * np.array([-1.0, 1, 1])[:, None], None, left.v_template)


@pytest.mark.parametrize("below", ["", "models", "mano_v1_2/models"])
def test_model_is_found_through_the_environment(write_mano, tmp_path, monkeypatch, below) -> None:
    for side in ("right", "left"):
        write_mano(side, folder=tmp_path / "place" / below)
    monkeypatch.setenv("HANDSSS_MANO", str(tmp_path / "place"))
    for side in ("right", "left"):
        assert load_model("mano", side).side == side


def test_environment_may_name_one_file(write_mano, monkeypatch) -> None:
    path = write_mano("right")
    monkeypatch.setenv("HANDSSS_MANO", str(path))
    assert mano.find_model("right").side == "right"
    with pytest.raises(InputError, match=r"no MANO_LEFT\.pkl .*is there.*register at https://mano"):
        mano.find_model("left")
    write_mano("left")
    assert mano.find_model("left").side == "left"


def test_missing_environment_says_where_to_get_mano(monkeypatch, tmp_path) -> None:
    monkeypatch.delenv("HANDSSS_MANO", raising=False)
    with pytest.raises(InputError, match=r"needs HANDSSS_MANO, which is not set\. .*register .*research licence"):
        load_model("mano")
    monkeypatch.setenv("HANDSSS_MANO", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="there is no such file or folder"):
        load_model("mano")


def test_converted_npz_is_read(mano_arrays, tmp_path) -> None:
    path = tmp_path / "MANO_RIGHT.npz"
    arrays = {("f" if k == "faces" else k): v for k, v in mano_arrays.items()}
    np.savez(path, **arrays)
    assert_holds(load_model(str(path)), mano_arrays)


def test_npz_with_python_objects_is_refused(mano_arrays, tmp_path) -> None:
    path = tmp_path / "MANO_RIGHT.npz"
    np.savez(path, **{**mano_arrays, "J_regressor": np.array({"a": 1}, dtype=object)})
    with pytest.raises(InputError, match="not a readable hand model npz"):
        load_model(str(path))


def test_other_hand_is_noticed(write_mano) -> None:
    with pytest.raises(InputError, match=r"a left hand's model, and a right hand's is needed \(MANO_RIGHT\.pkl\)"):
        mano.load_file(write_mano("left"), "right")


@pytest.mark.parametrize("key", ["v_template", "shapedirs", "posedirs", "J_regressor", "hands_components", "weights"])
def test_wrong_shapes_are_named(write_mano, mano_arrays, key) -> None:
    arrays = {**mano_arrays, key: mano_arrays[key][:-1]}
    with pytest.raises(InputError, match=f"{key}.* ha(s|ve) shape"):
        mano.load_file(write_mano(arrays=arrays, chumpy=False), "right")


def test_values_that_are_not_finite_are_named(write_mano, mano_arrays) -> None:
    arrays = {**mano_arrays, "posedirs": np.where(mano_arrays["posedirs"] > 0.003, np.nan, mano_arrays["posedirs"])}
    with pytest.raises(InputError, match="'posedirs' holds values that are not finite"):
        mano.load_file(write_mano(arrays=arrays), "right")


def test_missing_key_and_other_tree(write_mano, mano_arrays, monkeypatch) -> None:
    arrays = {k: v for k, v in mano_arrays.items() if k != "hands_mean"}
    with pytest.raises(InputError, match="no 'hands_mean' in this file"):
        mano.load_file(write_mano(arrays=arrays), "right")
    import handsss.hand.joints as joints

    written = write_mano()
    monkeypatch.setattr(mano, "MODEL_PARENTS", (-1, *reversed(joints.MODEL_PARENTS[1:])))
    with pytest.raises(InputError, match="'kintree_table' is not MANO's tree"):
        mano.load_file(written, "right")


def test_files_that_are_no_pickles(write_mano, tmp_path) -> None:
    text = tmp_path / "MANO_RIGHT.pkl"
    text.write_text("<html>Please log in</html>")
    with pytest.raises(InputError, match="not a readable pickle"):
        mano.load_file(text, "right")
    text.write_bytes(b"")
    with pytest.raises(InputError, match="not a readable pickle"):
        mano.load_file(text, "right")
    with pytest.raises(InputError, match="cannot be read"):
        mano.load_file(tmp_path / "absent.pkl", "right")


@pytest.mark.parametrize("kept", [0.01, 0.3, 0.7, 0.999])
def test_cut_off_files(write_mano, kept) -> None:
    path = write_mano()
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(InputError, match=r"not a readable pickle .*cut off"):
        mano.load_file(path, "right")


def test_measured_keypoint_sets_are_carried_over(write_mano) -> None:
    model = mano.load_file(write_mano(), "right")
    assert set(load_model("open").keypoint_sets) <= set(model.keypoint_sets)


@pytest.mark.parametrize("key", ["hands_coeffs", "hands_components"])
def test_values_that_are_not_finite_in_what_only_mano_has(write_mano, mano_arrays, key) -> None:
    broken = mano_arrays[key].copy()
    broken.flat[3] = np.nan
    with pytest.raises(InputError, match=f"'{key}' holds values that are not finite"):
        mano.load_file(write_mano(arrays={**mano_arrays, key: broken}), "right")


REAL = os.environ.get("HANDSSS_MANO")


@pytest.mark.skipif(not REAL, reason="HANDSSS_MANO does not point to MANO's files")
class TestRealFile:
    def test_right_hand(self) -> None:
        model = mano.find_model("right")
        assert model.vertex_count == 778 and model.faces.shape == (1538, 3)
        joints = model.j_regressor @ model.v_template
        assert 0.08 < np.linalg.norm(joints[4] - joints[0]) < 0.11
        np.testing.assert_allclose(model.weights.sum(1), 1, atol=1e-4)
        np.testing.assert_allclose(model.hands_components @ model.hands_components.T, np.eye(45), atol=1e-4)
        output = HandLayer(model)(pca=torch.zeros(1, 6), shape=torch.zeros(1, 10))
        assert torch.isfinite(output.vertices).all()

    def test_left_hand_mirrors_the_right_one(self) -> None:
        assert REAL is not None
        if mano.find_file("left", Path(REAL)) is None:
            pytest.skip("no MANO_LEFT.pkl")
        left, twin = mano.find_model("left"), mirrored(mano.find_model("right"))
        assert np.abs(left.v_template - twin.v_template).max() < 1e-3
        assert np.abs(left.shapedirs - twin.shapedirs).max() < 1e-3
