"""Tables fit a terminal of 80 columns; in a pipe every row is one whole line."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from handsss.cli.tables import shortened, show_table, shown_path

LONG = "photos of the summer/" + 3 * "a very long folder name/" + "IMG_20240131_120501.jpg"
PHOTOS = (
    ["photo", "hands", "keypoint error, % of the box", "seconds", "result"],
    [
        [LONG, "left, right", "2.7, 3.1", "12.5", f"results/{LONG}.obj"],
        ["[bold]b.jpg[/bold]", "no hand", "", "0.4", ""],
    ],
)
FIELDS = (
    ["field", "shape", "type", "unit", "MB", "rows that have it"],
    [
        [
            "crops_jpeg_ends",
            "123456 x 778 x 3",
            "float64",
            "px of the crop, pixel centres at +0.5",
            "1234.5",
            "8",
        ]
    ],
)


def text_of(terminal: bool, header: list[str], rows: list[list[str]], **columns: tuple[int, ...]) -> list[str]:
    console = Console(file=io.StringIO(), width=80, force_terminal=terminal, color_system=None)
    show_table(console, header, rows, **columns)  # type: ignore[arg-type]
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize(
    ("table", "columns"),
    [(PHOTOS, {"right": (2, 3), "paths": (0, 4)}), (FIELDS, {"right": (4,), "text": (3, 5)}), (([], [["a", "b"]]), {})],
)
def test_plain_lines_elsewhere(table: tuple[list[str], list[list[str]]], columns: dict[str, tuple[int, ...]]) -> None:
    header, rows = table
    lines = text_of(False, header, rows, **columns)
    assert [line.split("\t") for line in lines] == ([header] if header else []) + rows


def test_paths_are_shortened_to_fit() -> None:
    lines = text_of(True, *PHOTOS, right=(2, 3), paths=(0, 4))
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert "120501.jpg " in text and "..." in text and "[bold]b.jpg[/bold]" in text
    assert len([line for line in lines if "2.7, 3.1" in line and "120501.jpg" in line]) == 1  # a row is one line


@pytest.mark.parametrize("width", [30, 60])
def test_nothing_is_cut_on_a_narrow_terminal(width: int) -> None:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    header = ["photo", "hands", "keypoint error, % of the box", "expected error, mm", "seconds", "result"]
    show_table(console, header, [["a.jpg", "left, right", "2.7, 3.1", "11, 12", "12.5", "results/a.obj"]], paths=(0, 5))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert max(map(len, lines)) <= width
    together = "".join("".join(lines).split())
    assert set("leftright12.5a.obj") <= set(together) and "j" in lines[-2] + lines[-1] + lines[-3]


def test_only_text_is_wrapped() -> None:
    lines = text_of(True, *FIELDS, right=(4,), text=(3, 5))
    assert max(map(len, lines)) <= 80
    assert any("crops_jpeg_ends" in line and "1234.5" in line for line in lines)
    words = " ".join(" ".join(lines).split())
    assert all(word in words for word in FIELDS[1][0][3].replace(",", "").split())


def test_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown_path(tmp_path / "a/b.jpg") == str(Path("a/b.jpg"))
    assert shown_path("../a.jpg") == "../a.jpg"
    assert shown_path(tmp_path.parent / "x.jpg") == str(tmp_path.parent / "x.jpg")
    assert shortened("abc.jpg", 7) == "abc.jpg"
    assert shortened("a_long_folder/name.jpg", 16) == "a_lon...name.jpg"
