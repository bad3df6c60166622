"""Tables as .csv or .parquet, written row by row: their length needs no memory."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from handsss.errors import MissingDependencyError, UserError
from handsss.io.atomic import atomic_path

SUFFIXES = (".csv", ".parquet")
_CHUNK = 4096  # rows of Parquet's groups

Columns = Mapping[str, type]  # str, float, int or bool; None stands for what is not known
Row = Mapping[str, Any]


def check_table(target: Path, option: str) -> None:
    """Refuse a table that could not be written, before any work.

    Args:
        target: the file.
        option: that named it, as in messages' ``{output}``.

    Raises:
        UserError: neither .csv nor .parquet, or a folder.
        MissingDependencyError: .parquet without pyarrow.
    """
    if target.suffix.lower() not in SUFFIXES:
        raise UserError(f"{{{option}}} {target}: expected a file that ends with .csv or .parquet.", options=(option,))
    if target.is_dir():
        raise UserError(f"{{{option}}} {target}: is a folder. Expected the name of a file.", options=(option,))
    if target.suffix.lower() == ".parquet":
        check_parquet()


def check_parquet() -> None:
    """Raises MissingDependencyError where pyarrow is not installed."""
    try:
        import pyarrow  # type: ignore[import-untyped,import-not-found,unused-ignore]  # noqa: F401
    except ImportError:
        raise MissingDependencyError("pyarrow", "writing .parquet", 'pip install "handsss[parquet]"') from None


def write_table(target: Path, columns: Columns, rows: Iterable[Row]) -> int:
    """Write a table atomically, by its suffix.

    Args:
        target: .csv or .parquet, see :func:`check_table`.
        columns: names and kinds, in order.
        rows: by the columns' names; a column that a row lacks is empty there.

    Returns:
        the number of rows.

    Raises:
        DiskFullError: no space.
        UserError: it cannot be written.
    """
    with atomic_path(target) as temporary, open(temporary, "xb") as stream:
        return _write(stream, target.suffix.lower(), columns, rows)


def table_bytes(suffix: str, columns: Columns, rows: Iterable[Row]) -> bytes:
    """The content of a table's file; see :func:`write_table`.

    Args:
        suffix: .csv or .parquet.
        columns, rows: of the table.
    """
    stream = io.BytesIO()
    _write(stream, suffix, columns, rows)
    return stream.getvalue()


def _write(stream: BinaryIO, suffix: str, columns: Columns, rows: Iterable[Row]) -> int:
    return (_write_csv if suffix == ".csv" else _write_parquet)(stream, columns, rows)


def _write_csv(stream: BinaryIO, columns: Columns, rows: Iterable[Row]) -> int:
    count = 0
    text = io.TextIOWrapper(stream, encoding="utf-8", errors="backslashreplace", newline="")
    writer = csv.DictWriter(text, list(columns), restval="", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: int(value) if isinstance(value, bool) else value for name, value in row.items()})
        count += 1
    text.flush()
    text.detach()
    return count


def _write_parquet(stream: BinaryIO, columns: Columns, rows: Iterable[Row]) -> int:
    import pyarrow
    from pyarrow import parquet

    kinds = {str: pyarrow.string(), float: pyarrow.float64(), int: pyarrow.int64(), bool: pyarrow.bool_()}
    schema = pyarrow.schema([(name, kinds[kind]) for name, kind in columns.items()])
    count = 0
    with parquet.ParquetWriter(stream, schema) as writer:
        for chunk in _chunks(rows):
            values = {name: [_storable(row.get(name)) for row in chunk] for name in columns}
            writer.write_table(pyarrow.table(values, schema))
            count += len(chunk)
    return count


def _storable(value: Any) -> Any:
    """Text as UTF-8; names that are not are written with escapes."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    iterator = iter(rows)
    while chunk := list(itertools.islice(iterator, _CHUNK)):
        yield chunk
