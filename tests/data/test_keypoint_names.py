"""Which file or entry of keypoints is which picture's; what would be two pictures' is refused."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handsss.data.keypoints.files import match_keypoints
from handsss.data.keypoints.names import Matcher, Picture
from handsss.errors import InputError


def pictures(*names: str, root: str = "/data/set") -> list[Picture]:
    return [Picture(Path(root) / name, name, number, number) for number, name in enumerate(names)]


def put(folder: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps([[10.0 * number + j, 20.0 + j] for j in range(21)]))
    return folder


def chosen(folder: Path, wanted: list[Picture]) -> list[str]:
    found = match_keypoints(folder, wanted)
    return [found[n].path.relative_to(folder).as_posix() if n in found else "" for n in range(len(wanted))]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["b.jpg", "a.jpg"], [1, 0]),
        (["x/y/b.png", "a"], [1, 0]),
        ([r"C:\x\set\b.jpg", r"C:\x\set\a.jpg"], [1, 0]),
        ([unicodedata.normalize("NFD", "é.jpg"), "a.jpg"], [1, None]),
    ],
)
def test_names_of_other_systems(names: list[str], expected: list[Any]) -> None:
    found = Matcher(names).match(pictures("a.jpg", "b.jpg"))
    assert [found.get(n) for n in range(2)] == expected


def test_accents_composed_and_decomposed() -> None:
    assert Matcher([unicodedata.normalize("NFD", "Hände.jpg")]).match(pictures("Hände.jpg")) == {0: 0}
    assert Matcher(["Hände"]).match(pictures(unicodedata.normalize("NFD", "Hände.jpg"))) == {0: 0}


@pytest.mark.parametrize("names", [[7, 12], ["7", "0012"], ["00000007.jpg", "00000012.jpg"]])
def test_digits_are_numbers(names: list[Any]) -> None:
    assert Matcher(names).match(pictures("00000012.jpg", "00000007.jpg")) == {0: 1, 1: 0}


def test_folders_tell_sequences_apart(tmp_path: Path) -> None:
    wanted = pictures("s1/rgb/0000.jpg", "s2/rgb/0000.jpg")
    folder = put(tmp_path, "s2/0000_keypoints.json", "s1/rgb/0000.json")
    assert chosen(folder, wanted) == ["s1/rgb/0000.json", "s2/0000_keypoints.json"]
    assert Matcher(["/home/x/s2/rgb/0000.jpg", "/home/x/s1/rgb/0000.jpg"]).match(wanted) == {0: 1, 1: 0}
    (folder / "s2/0000_keypoints.json").unlink()
    assert chosen(folder, wanted) == ["s1/rgb/0000.json", ""]


@pytest.mark.parametrize("names", [("s1/0000.jpg", "s2/0000.jpg"), ("a/x.jpg", "b/c/x.png"), ("x.jpg", "x.png")])
def test_one_file_for_two_pictures_is_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    folder = put(tmp_path, f"{Path(names[0]).stem}_keypoints.json", "other.json")
    with pytest.raises(InputError, match=f"keypoints of two pictures, '{names[0]}' and '{names[1]}'"):
        match_keypoints(folder, pictures(*names))


def test_two_entries_for_one_picture_are_refused() -> None:
    with pytest.raises(InputError, match=r"'a\.jpg' and 'a\.jpg' are both keypoints of 'a\.jpg'"):
        Matcher(["a.jpg", "a.jpg"]).match(pictures("a.jpg"))
    assert Matcher(["a.png", "a.jpg"]).match(pictures("a.jpg")) == {0: 1}


def test_folders_of_the_photos_path_count_too(tmp_path: Path) -> None:
    """As ``reconstruct s1/0000.jpg s2/0000.jpg --keypoints json`` has them: the dataset's root is not told."""
    folder = put(tmp_path, "s2/0000_keypoints.json", "s1/0000_keypoints.json")
    wanted = [Picture(Path(f"/d/s{n}/0000.jpg"), f"/d/s{n}/0000.jpg") for n in (1, 2)]
    assert chosen(folder, wanted) == ["s1/0000_keypoints.json", "s2/0000_keypoints.json"]


@pytest.mark.parametrize(
    "names", [["0000.png", "0001.png"], [0, 1], [["0000"], ["0001"]], [r"S1\rgb\0000.png", r"S1\rgb\0001.png"], None]
)
@pytest.mark.parametrize("place", ["train/S1/detect.json", "S1/detect.json", "train/S1/rgb/detect_all.json"])
def test_lists_of_sequences(tmp_path: Path, place: str, names: list[Any] | None) -> None:
    points = [[[10.0 * n + j, 20.0 + j] for j in range(21)] for n in range(2)]
    path = tmp_path / place
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps([points, [[0.9] * 21] * 2, *([] if names is None else [names])]))
    wanted = pictures("train/S2/rgb/0000.png", "train/S1/rgb/0000.png", "train/S1/rgb/0001.png")
    found = match_keypoints(tmp_path, wanted)
    assert sorted(found) == [1, 2]
    (hand,) = found[2].read((224, 224), side="right").hands
    np.testing.assert_allclose(hand.keypoints[0, :2], [10, 20])


def test_a_list_of_other_pictures_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    points = [[[1.0 * j, 2.0] for j in range(21)]] * 2
    for names, message in ((["x", "y"], "none of its 2 names fits 3 pictures"), ([], "2 entries without names for 3")):
        path.write_text(json.dumps([points, [[1.0] * 21] * 2, names]))
        with pytest.raises(InputError, match=message):
            match_keypoints(path, pictures("a.jpg", "b.jpg", "c.jpg"))
