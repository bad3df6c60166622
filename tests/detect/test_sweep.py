"""The landmark network as a detector, boxes, and the windows that are looked into."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from handsss.detect import windows
from handsss.detect.boxes import box_of, check_inside, read_boxes
from handsss.detect.detector import HandDetector
from handsss.detect.landmarks import LandmarkReader
from handsss.detect.sweep import certainty, sweep
from handsss.detect.types import Detection, check_sides, impose_side, other_side
from handsss.errors import InputError, UserError
from handsss.geometry.framing import bounding_box


@pytest.fixture(scope="module")
def found(detector: HandDetector, photo: np.ndarray) -> Detection:
    return detector.detect(photo)[0]


def off(points: np.ndarray, truth: np.ndarray) -> float:
    """Mean distance as a share of the hand's size."""
    return float(np.linalg.norm(points[:, :2] - truth[:, :2], axis=1).mean() / np.ptp(truth[:, :2], axis=0).max())


@pytest.mark.parametrize("crop", [False, True])
def test_a_hand_without_a_palm_is_found(
    photo: np.ndarray, found: Detection, monkeypatch: pytest.MonkeyPatch, crop: bool
) -> None:
    blind = HandDetector()
    monkeypatch.setattr(blind, "_palms", lambda *arguments: [])
    (hand,) = blind.detect_one(photo) if crop else blind.detect(photo)
    assert hand.hand == found.hand
    assert hand.score >= 0.9
    assert off(hand.keypoints, found.keypoints) < 0.05


def test_a_sweep_of_nothing_is_not_sure(photo: np.ndarray) -> None:
    reader = LandmarkReader()
    sky = np.ascontiguousarray(photo[:60, :60])
    hand = sweep(reader, sky, np.array([0.0, 0.0, 60.0, 60.0]))
    assert hand is None or certainty(hand) < 0.1


def test_a_box_replaces_the_search(detector: HandDetector, photo: np.ndarray, found: Detection) -> None:
    wide = np.concatenate([photo, np.full((640, 900, 3), 128, np.uint8), photo[:, ::-1]], 1)
    box = bounding_box(found.keypoints)
    shifted = wide.shape[1] - box[[2, 1, 0, 3]] * [1, -1, 1, -1]
    shifted[[1, 3]] = box[[1, 3]]
    (left,) = detector.detect_one(wide, box)
    (right,) = detector.detect_one(wide, shifted)
    assert (left.hand, right.hand) == ("left", "right")
    assert off(left.keypoints, found.keypoints) < 0.05
    assert right.keypoints[:, 0].min() > 1380
    assert detector.detect_one(wide, np.array([600.0, 100.0, 1200.0, 500.0])) == []


@pytest.mark.slow
def test_a_small_hand_in_a_large_photo_is_read_at_full_resolution(
    detector: HandDetector, photo: np.ndarray, found: Detection
) -> None:
    large = np.full((2400, 3200, 3), 205, np.uint8)
    small = photo[::7, ::7]
    large[1900 : 1900 + small.shape[0], 2500 : 2500 + small.shape[1]] = small
    (hand,) = detector.detect(large)
    assert off(hand.keypoints, found.keypoints[:, :2] / 7 + [2500, 1900]) < 0.1


@pytest.mark.parametrize("make", [windows.tiles, windows.fine_tiles])
def test_tiles_cover_the_picture(make: object) -> None:
    width, height = 4000, 3000
    covered = np.zeros((height // 100, width // 100), bool)
    tiles = list(make(width, height))  # type: ignore[operator]
    assert len(tiles) < 230
    for tile in tiles:
        low, high = tile.corners.min(0), tile.corners.max(0)
        x0, y0 = np.maximum(np.ceil(low / 100), 0).astype(int)
        x1, y1 = np.floor(high / 100 + 1e-9).astype(int)
        covered[y0:y1, x0:x1] = True
    assert covered.all()


def test_small_pictures_have_no_fine_tiles() -> None:
    assert not list(windows.fine_tiles(1500, 1900))
    assert not list(windows.tiles(100, 80))


def test_boxes_in_words() -> None:
    np.testing.assert_array_equal(box_of("1,2.5, 30,40"), [1, 2.5, 30, 40])
    np.testing.assert_array_equal(box_of(np.array([1, 2, 3, 4])), [1, 2, 3, 4])
    for wrong in ("1,2,3", "1,2,x,4", "1,2,nan,4", 7):
        with pytest.raises(UserError, match="expected four numbers"):
            box_of(wrong)
    with pytest.raises(UserError, match="has no area"):
        box_of("30,2,1,40")
    with pytest.raises(InputError, match="outside the 640 x 480 picture"):
        check_inside(np.array([700.0, 0, 800, 90]), (640, 480))


def test_a_table_of_boxes(tmp_path: Path) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text(
        "\ufeffx0, y0,x1,y1,name,note\n1,2,3,4,a.jpg,\n5,6,7,8,a.jpg,x\n0,0,9,9,in/b.jpg,\n", encoding="utf-8"
    )
    table = read_boxes(path)
    assert {name: [box.tolist() for box in boxes] for name, boxes in table.items()} == {
        "a.jpg": [[1, 2, 3, 4], [5, 6, 7, 8]],
        "in/b.jpg": [[0, 0, 9, 9]],
    }
    for text, message in (
        ("name,x0,y0,x1\na.jpg,1,2,3\n", "no column y1"),
        ("name,x0,y0,x1,y1\na.jpg,1,2,3,\n", "line 2 holds the box 1,2,3,"),
        ("name,x0,y0,x1,y1\n", "holds no boxes"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            read_boxes(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_boxes(tmp_path / "absent.csv")


def test_sides_of_a_detection(found: Detection) -> None:
    other = other_side(found)
    assert (found.hand, other.hand) == ("left", "right")
    assert other.handedness == pytest.approx(1 - found.handedness)
    imposed = impose_side(found, "right")
    assert (imposed.hand, imposed.side_from) == ("right", "option")
    assert impose_side(found, "left").handedness == found.handedness
    check_sides("right", "right")
    with pytest.raises(UserError, match="keeps left hands only"):
        check_sides("left", "right")


@pytest.mark.parametrize("line", ['"' + "a" * 200_000, "b.jpg," + "1" * 200_000 + ",2,3,4"])
def test_tables_with_endless_cells(tmp_path: Path, line: str) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text(f"name,x0,y0,x1,y1\na.jpg,1,2,3,4\n{line}\n")
    with pytest.raises(InputError, match="not a table"):
        read_boxes(path)
