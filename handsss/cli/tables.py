"""Tables of all commands: fitted to a terminal, plain lines with tabs in a pipe or a file."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from handsss.cli.console import plain

if TYPE_CHECKING:
    from rich.console import Console

_LEAST = 12  # characters of a shortened path
_FRAME = 3  # characters between columns


def show_table(
    console: Console,
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Collection[int] = (),
    paths: Collection[int] = (),
    text: Collection[int] = (),
) -> None:
    """Print a table.

    On a terminal it fits: paths are shortened in the middle, and columns of text wrapped. Elsewhere every row is one
    line, whole, with tabs between the cells, so that programs can read it.

    Args:
        console: of the output.
        header: titles of the columns; empty: none.
        rows: cells.
        right: columns of numbers, aligned to the right.
        paths: columns whose cells may be shortened.
        text: columns whose cells may be wrapped.
    """
    if not rows or console.quiet:
        return
    if not console.is_terminal:
        for line in ([header] if header else []) + list(rows):
            # Not by the console, which makes tabs into spaces.
            told = "\t".join(_one_line(cell) for cell in line)
            console.file.write(told.encode("utf-8", "backslashreplace").decode() + "\n")
        return
    from rich import box
    from rich.table import Table

    rows, widths = _fitted(header, rows, console.width, paths, text)
    fits = sum(widths) + _FRAME * len(widths) + 1 <= console.width  # else cells are broken rather than cut
    table = Table(box=box.SIMPLE, show_header=bool(header))
    for column, width in enumerate(widths):
        title = plain(header[column]) if header else ""
        table.add_column(
            title, justify="right" if column in right else "left", overflow="fold", min_width=width if fits else None
        )
    for row in rows:
        table.add_row(*(plain(cell) for cell in row))
    console.print(table)


def shown_path(path: str | Path) -> str:
    """A path below the working folder relative to it; others as they are."""
    given = Path(path)
    if given.is_absolute() and given.is_relative_to(Path.cwd()):
        return str(given.relative_to(Path.cwd()))
    return str(path)


def shortened(path: str, width: int) -> str:
    """A path with its middle left out, so that its beginning and the end of its name remain."""
    if len(path) <= width:
        return path
    end = max(2 * (width - 3) // 3, 1)
    return f"{path[: max(width - 3 - end, 0)]}...{path[-end:]}"


def _fitted(
    header: Sequence[str], rows: Sequence[Sequence[str]], width: int, paths: Collection[int], text: Collection[int]
) -> tuple[list[list[str]], list[int]]:
    """The rows with paths as short as the width asks for, the longest first; and the least width of each column."""
    widths = [
        max(
            *(_longest_word(row[column]) if column in text else len(row[column]) for row in rows),
            _longest_word(header[column]) if header else 0,  # titles wrap between words
        )
        for column in range(len(rows[0]))
    ]
    excess = sum(widths) + _FRAME * len(widths) + 1 - width
    while excess > 0 and (longest := max(paths, key=lambda column: widths[column], default=None)) is not None:
        if widths[longest] <= _LEAST:
            break
        widths[longest] -= 1
        excess -= 1
    cells = [
        [shortened(cell, widths[column]) if column in paths else cell for column, cell in enumerate(row)]
        for row in rows
    ]
    return cells, widths


def _longest_word(title: str) -> int:
    return max((len(word) for word in title.split()), default=0)


def _one_line(cell: str) -> str:
    return " ".join(cell.split())
