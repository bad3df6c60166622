"""Tables as files: what is written is read back, and nothing is left of a table that could not be finished."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from handsss.errors import MissingDependencyError, UserError
from handsss.io import table_file
from handsss.io.table_file import check_table, write_table

COLUMNS = {"name": str, "count": int, "size": float, "right": bool}
ROWS: list[dict[str, Any]] = [
    {"name": 'Hände, "2"\n.jpg', "count": 3, "size": 0.1, "right": True},
    {"name": None, "right": False},
    {"name": "\udcff.jpg", "count": 1 << 40, "size": 1e-9},
]


def test_csv(tmp_path: Path) -> None:
    assert write_table(tmp_path / "a.CSV", COLUMNS, ROWS) == 3
    with open(tmp_path / "a.CSV", encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert rows[0] == {"name": 'Hände, "2"\n.jpg', "count": "3", "size": "0.1", "right": "1"}
    assert rows[1] == {"name": "", "count": "", "size": "", "right": "0"}
    assert rows[2] == {"name": r"\udcff.jpg", "count": str(1 << 40), "size": "1e-09", "right": ""}


def test_parquet_in_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(table_file, "_CHUNK", 2)
    assert write_table(tmp_path / "a.parquet", COLUMNS, ROWS) == 3
    rows = parquet.read_table(tmp_path / "a.parquet").to_pylist()
    absent = dict.fromkeys(COLUMNS)
    assert rows == [{**absent, **row} for row in (*ROWS[:2], {**ROWS[2], "name": r"\udcff.jpg"})]
    assert write_table(tmp_path / "none.parquet", COLUMNS, []) == 0
    assert parquet.read_table(tmp_path / "none.parquet").schema.names == list(COLUMNS)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_row_that_cannot_be_made_leaves_what_was_there(tmp_path: Path, suffix: str) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    (tmp_path / f"a{suffix}").write_bytes(b"of before")

    def rows() -> Iterator[dict[str, Any]]:
        yield ROWS[0]
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        write_table(tmp_path / f"a{suffix}", COLUMNS, rows())
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [(f"a{suffix}", b"of before")]


def test_what_cannot_be_written_is_told_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"hands.xlsx: expected a file that ends with .csv or .parquet"):
        check_table(Path("hands.xlsx"), "table")
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(UserError, match="is a folder"):
        check_table(tmp_path / "a.csv", "table")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    check_table(Path("a.csv"), "table")
    with pytest.raises(MissingDependencyError, match=r"pip install \"handsss\[parquet\]\""):
        check_table(Path("a.parquet"), "table")
