"""Which camera a photo is taken to have: the user's word, a file, EXIF, a stated default."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from handsss.errors import InputError, UserError
from handsss.io.camera import CameraChoice, CameraOptions, camera_options, choose_camera, read_intrinsics_file
from handsss.io.image import ExifCamera, read_image

FOCAL_35MM, FOCAL, WIDTH, HEIGHT, PLANE_X, PLANE_UNIT = 0xA405, 0x920A, 0xA002, 0xA003, 0xA20E, 0xA210
K = [[900.0, 0.0, 310.0], [0.0, 910.0, 250.0], [0.0, 0.0, 1.0]]


def from_photo(
    tmp_path: Path, size: tuple[int, int] = (640, 480), orientation: int = 1, **fields: float
) -> CameraChoice:
    """The choice for a photo that holds EXIF fields, without any option."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif.get_ifd(0x8769).update({globals()[name]: value for name, value in fields.items()})
    path = tmp_path / "photo.jpg"
    Image.new("RGB", size).save(path, exif=exif)
    photo = read_image(path)
    return choose_camera((photo.array.shape[1], photo.array.shape[0]), photo.exif, str(path))


def test_default_is_sixty_degrees_over_the_longer_side(tmp_path: Path) -> None:
    choice = from_photo(tmp_path)
    assert choice.source == "default"
    assert choice.intrinsics[0, 0] == pytest.approx(320 / math.tan(math.radians(30)))
    assert choice.intrinsics[:2, 2].tolist() == [320, 240]
    assert "field of view of 60 degrees is assumed" in choice.sentence
    assert from_photo(tmp_path, (480, 640)).intrinsics[0, 0] == choice.intrinsics[0, 0]


def test_focal_length_of_35_mm_cameras_compares_diagonals(tmp_path: Path) -> None:
    choice = from_photo(tmp_path, FOCAL_35MM=28)
    assert choice.source == "exif"
    assert choice.intrinsics[0, 0] == pytest.approx(28 * 800 / math.hypot(36, 24))  # 640 x 480 has a diagonal of 800
    assert "28 mm (35 mm equivalent)" in choice.sentence
    turned = from_photo(tmp_path, orientation=6, FOCAL_35MM=28)
    assert turned.intrinsics[0, 0] == choice.intrinsics[0, 0]
    assert turned.intrinsics[:2, 2].tolist() == [240, 320]


def test_focal_length_in_millimetres_needs_the_sensor(tmp_path: Path) -> None:
    # 100 sensor pixels a millimetre (unit 4), taken with 1280 pixels and stored with 640.
    choice = from_photo(tmp_path, FOCAL=8, PLANE_X=100, PLANE_UNIT=4, WIDTH=1280, HEIGHT=960)
    assert choice.source == "exif"
    assert choice.intrinsics[0, 0] == pytest.approx(400)
    assert from_photo(tmp_path, FOCAL=8).source == "default"


@pytest.mark.parametrize("focal", [0, 1, 60000])
def test_focal_lengths_that_cannot_be(tmp_path: Path, focal: int) -> None:
    assert from_photo(tmp_path, FOCAL_35MM=focal).source == "default"


def test_a_cut_photo_has_lost_its_camera(tmp_path: Path) -> None:
    choice = from_photo(tmp_path, FOCAL_35MM=28, WIDTH=4000, HEIGHT=2000)
    assert choice.source == "default"
    assert from_photo(tmp_path, FOCAL_35MM=28, WIDTH=4000, HEIGHT=3000).source == "exif"


@pytest.mark.parametrize("key", ["folder/a.jpg", "a.jpg", "a"])
def test_file_lists_photos_by_path_name_or_stem(tmp_path: Path, key: str) -> None:
    path = tmp_path / "cameras.json"
    path.write_text(json.dumps({key: K, "other.jpg": [1, 1, 0, 0]}), encoding="utf-8-sig")
    options = CameraOptions(table=read_intrinsics_file(path), table_path=path)
    choice = choose_camera((640, 480), None, "folder/a.jpg", options)
    assert choice.source == "file"
    np.testing.assert_array_equal(choice.intrinsics, K)
    assert choose_camera((640, 480), None, "other.jpg", options).intrinsics[0, 0] == 1  # fx, fy, cx, cy will do
    with pytest.raises(InputError, match=r"no camera for 'b\.jpg'; it lists .*other\.jpg\. Add the photo"):
        choose_camera((640, 480), None, "folder/b.jpg", options)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ([], "got a list of 0"),
        ({}, "got an empty object"),
        ({"a": 1}, "'a': expected a 3x3 matrix or fx, fy, cx, cy"),
        ({"a": [[1, 0], [0, 1]]}, "'a': expected a 3x3 matrix"),
        ({"a": [[float("nan"), 0, 0], [0, 1, 0], [0, 0, 1]]}, "'a': focal lengths should be positive and all numbers"),
        ({"a": [[1, 0, 0], [0, 1, 0], [0, 0, 2]]}, "'a': expected the rows fx s cx, 0 fy cy, 0 0 1"),
    ],
)
def test_damaged_files(tmp_path: Path, content: Any, message: str) -> None:
    path = tmp_path / "cameras.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(InputError, match=message):
        read_intrinsics_file(path)


def test_a_field_of_view_for_all_photos() -> None:
    options = camera_options(fov=90.0)
    choice = choose_camera((640, 480), ExifCamera(50.0, None, None, None), "a.jpg", options)
    assert choice.source == "option" and choice.sentence.startswith("given field of view")
    np.testing.assert_allclose(choice.intrinsics, [[320, 0, 320], [0, 320, 240], [0, 0, 1]])
    with pytest.raises(UserError, match="1 to 170"):
        camera_options(fov=200.0)
    with pytest.raises(UserError, match="both given") as raised:
        camera_options("1,1,1,1", None, 60.0)
    assert set(raised.value.options) == {"intrinsics", "fov"}


def test_a_default_camera_follows_the_hands_and_others_do_not() -> None:
    default = choose_camera((640, 480))
    K = default.intrinsics.copy()
    K[0, 0] = K[1, 1] = 2 * K[0, 0]
    chosen = default.by_hands(K, (640, 480))
    assert chosen.source == "default" and "by the size of the hand" in chosen.sentence
    assert "60 degrees" not in chosen.sentence
    np.testing.assert_array_equal(chosen.intrinsics, K)
    assert default.by_hands(default.intrinsics, (640, 480)) is default
    given = choose_camera((640, 480), None, "", CameraOptions(intrinsics=K))
    assert given.by_hands(default.intrinsics, (640, 480)) is given


def test_whole_numbers_beyond_all_floats_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "K.json"
    path.write_text('{"a.jpg": [[1' + "0" * 400 + ", 0, 1], [0, 1, 1], [0, 0, 1]]}")
    with pytest.raises(InputError, match="expected a 3x3 matrix"):
        read_intrinsics_file(path)
