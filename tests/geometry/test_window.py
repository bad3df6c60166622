"""Windows by hand and against each other; the fast sampling kernel for small pictures against the plain one."""

from __future__ import annotations

import numpy as np
import pytest

from handsss.geometry import warp as module
from handsss.geometry.warp import _warp, _warp_small, warp
from handsss.geometry.window import Window, crop_around


def turned(scale: float, degrees: float, x: float, y: float) -> np.ndarray:
    cosine, sine = scale * np.cos(np.deg2rad(degrees)), scale * np.sin(np.deg2rad(degrees))
    return np.array([[cosine, -sine, x], [sine, cosine, y]])


@pytest.mark.parametrize("repeat", [True, False])
@pytest.mark.parametrize("samples", [1, 2, 3])
@pytest.mark.parametrize(
    "matrix",
    [
        turned(1, 0, 0, 0),
        turned(0.4, 30, 5, 8),
        turned(1.7, 130, 20, -4),  # beyond all edges
        turned(1, 0, -200, 7),  # beside the picture
        turned(0.5, 0, -0.25, 29.75),  # along its edges
    ],
)
def test_small_pictures_as_all(matrix: np.ndarray, samples: int, repeat: bool) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (30, 41, 3), dtype=np.uint8)
    plain, fast = np.empty((24, 24, 3), np.float32), np.full((24, 24, 3), np.nan, np.float32)
    _warp(picture, matrix, samples, repeat, plain)
    _warp_small(picture, matrix, samples, repeat, fast)
    np.testing.assert_allclose(fast, plain, atol=2e-6)


@pytest.mark.parametrize("shape", [(1, 50), (50, 1), (1, 1), (2, 2)])
def test_lines_of_pixels(shape: tuple[int, int]) -> None:
    picture = np.full((*shape, 3), 200, np.uint8)
    made = warp(picture, turned(0.2, 15, 0, 0), 8, repeat=True)
    np.testing.assert_allclose(made, 200 / 255, atol=1e-6)


def test_which_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """A photo of which little is looked at is not copied."""
    used: list[str] = []
    for name in ("_warp", "_warp_small"):
        monkeypatch.setattr(module, name, lambda *inputs, name=name: used.append(name))
    for side in (60, 61):
        warp(np.zeros((side, side, 3), np.uint8), turned(0.5, 0, 0, 0), 30, repeat=True)
    assert used == ["_warp_small", "_warp"]


K = np.array([[700.0, 3, 330], [0, 690.0, 250], [0, 0, 1]])
WINDOWS = {
    "square": Window.square((120.0, 80.0), 90.0, 64),
    "rolled": Window.square((120.0, 80.0), 90.0, 64, roll=0.7),
    "mirrored": Window.square((120.0, 80.0), 90.0, 64).flipped(),
    "rolled and mirrored": Window.square((120.0, 80.0), 90.0, 64, roll=-2.1).flipped(),
    "box": Window.around_box(np.array([10.0, 20, 60, 50]), 0.25, 224),
    "stretched": Window(np.array([[1.5, 0, 4], [0, 1.4, -3]]), (50, 40)),
    "smaller": Window.square((120.0, 80.0), 90.0, 64, roll=0.7).flipped().resized(16),
}


@pytest.mark.parametrize("name", WINDOWS)
def test_points_fall_where_the_windows_camera_sees_them(name: str) -> None:
    window = WINDOWS[name]
    rng = np.random.default_rng(0)
    points = rng.normal(0, 0.1, (12, 3)) + [0.1, -0.05, 0.7]
    pixels = points @ K.T
    pixels = pixels[:, :2] / pixels[:, 2:]
    own = window.rotate(points) @ window.intrinsics(K).T
    np.testing.assert_allclose(own[:, :2] / own[:, 2:], window.to_window(pixels), atol=1e-9)
    np.testing.assert_allclose(window.to_picture(window.to_window(pixels)), pixels, atol=1e-9)
    np.testing.assert_allclose(window.rotate_back(window.rotate(points)), points, atol=1e-12)
    np.testing.assert_allclose(window.rotation @ window.rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(window.rotation) == pytest.approx(-1 if window.mirrored else 1)
    assert window.mirrored == ("mirrored" in name or name == "smaller")
    camera = window.intrinsics(K)
    assert camera[0, 0] > 0 and camera[1, 1] > 0
    np.testing.assert_allclose(camera[2], [0, 0, 1])


def test_a_rolled_square_by_hand() -> None:
    window = Window.square((35.0, 15.0), 10.0, 20, roll=np.pi / 2)
    # Its up is the picture's right, so its upper left corner is the region's upper right one.
    np.testing.assert_allclose(window.corners, [[40, 10], [40, 20], [30, 20], [30, 10]], atol=1e-9)
    np.testing.assert_allclose(window.to_picture(np.zeros(2)), [40, 10], atol=1e-9)
    np.testing.assert_allclose(window.centre, [35, 15], atol=1e-9)
    assert window.scale == pytest.approx(2)
    assert window.roll == pytest.approx(np.pi / 2)
    grown = window.turned(-np.pi / 2, enlarged=1.5)
    np.testing.assert_allclose(grown.affine, Window.square((35.0, 15.0), 15.0, 20).affine, atol=1e-9)
    small = window.resized(10)
    assert small.size == (10, 10)
    np.testing.assert_allclose(small.corners, window.corners, atol=1e-9)


def test_a_window_around_rolled_points() -> None:
    points = np.random.default_rng(1).normal(size=(21, 2)) * [40, 15] + [200, 90]
    for roll in (0.0, 0.9):
        own = Window.around_points(points, 100, fill=0.5, smallest=1.0, roll=roll).to_window(points)
        low, high = own.min(0), own.max(0)
        assert (high - low).max() == pytest.approx(50)
        np.testing.assert_allclose((low + high) / 2, 50, atol=1e-9)
    tiny = Window.around_points(points[:1], 100, fill=0.5, smallest=16.0)
    assert tiny.scale == pytest.approx(100 * 0.5 / 16)


@pytest.mark.parametrize("name", ["square", "rolled", "rolled and mirrored"])
def test_sampled_pixels_are_those_of_the_picture(name: str) -> None:
    """A smooth picture, at the places that the map names."""
    rows, columns = np.mgrid[:160, :200] + 0.5
    picture = np.stack([columns, rows, np.full_like(rows, 77)], -1).astype(np.uint8)
    window = WINDOWS[name]
    shown = window.sample(picture, repeat=True) * 255
    v, u = np.mgrid[:64, :64] + 0.5
    expected = window.to_picture(np.stack([u, v], -1)) - 0.5
    inside = ((expected > 1) & (expected < [198, 158])).all(-1)
    assert inside.sum() > 1500
    np.testing.assert_allclose(shown[inside][:, :2], expected[inside], atol=0.02)
    as_bytes = window.sample(picture, repeat=True, dtype=np.uint8)
    np.testing.assert_array_equal(as_bytes, np.round(window.sample(picture, repeat=True) * 255))
    np.testing.assert_array_equal(
        window.sample(picture[:, :, 0], repeat=False), window.sample(picture, repeat=False)[:, :, 0]
    )


def test_black_or_the_edge_beyond_the_picture() -> None:
    picture = np.full((20, 20, 3), 200, np.uint8)
    window = Window.square((0.0, 10.0), 20.0, 10)
    assert (window.sample(picture, repeat=True, dtype=np.uint8) == 200).all()
    black = window.sample(picture, repeat=False, dtype=np.uint8)
    assert not black[:, :4].any() and (black[:, 6:] == 200).all()
    wide = Window(np.array([[1.0, 0, 0], [0, 1, 0]]), (30, 20)).sample(picture, repeat=False)
    assert wide.shape == (20, 30, 3) and not wide[:, 21:].any()


def test_a_clipped_crop_has_the_photos_camera() -> None:
    photo = np.random.default_rng(0).integers(0, 255, (100, 150, 3), dtype=np.uint8)
    points = np.array([[-20.0, 10], [60, 70]])
    crop = crop_around(photo, K, points, margin=0.1, longer_side=136)
    assert crop is not None and crop.size == (crop.window.size[1], crop.window.size[0])
    assert max(crop.size) == 136
    np.testing.assert_allclose(crop.window.corners[0], [0, 2], atol=1e-9)
    np.testing.assert_allclose(crop.window.corners[2], [68, 78], atol=1e-9)
    np.testing.assert_allclose(crop.intrinsics, crop.window.intrinsics(K))
    assert crop_around(photo, K, points - 500, margin=0.1, longer_side=136) is None
