"""The options of ``handsss reconstruct`` that films have, and those that they do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from handsss.cli.console import show_note
from handsss.errors import UserError

_WORDS = ("auto", "lifted", "search")  # that --start took before it was the start of a film

AsFilm = Annotated[
    bool,
    typer.Option(
        "--film",
        rich_help_panel="Film",
        help="Read a folder or pattern of numbered pictures, or an animated GIF, as a film. Files such as .mp4, .mov, "
        ".mkv and .webm always are one.",
    ),
]
Start = Annotated[
    str | None,
    typer.Option("--start", metavar="SECONDS", rich_help_panel="Film", help="Read the film from here on."),
]
End = Annotated[float | None, typer.Option("--end", metavar="SECONDS", rich_help_panel="Film", help="Up to here.")]
Every = Annotated[int, typer.Option("--every", metavar="N", rich_help_panel="Film", help="Every Nth frame only.")]
Fps = Annotated[
    float | None,
    typer.Option("--fps", rich_help_panel="Film", help="Frames a second of numbered pictures. Default: 30."),
]
Live = Annotated[
    bool,
    typer.Option(
        "--live",
        rich_help_panel="Film",
        help="Smooth without looking ahead, as for a camera (One-Euro filter). Default: the whole film is fitted as "
        "one motion.",
    ),
]


def start_of(start: str | None, initial: str) -> tuple[float | None, str]:
    """The film's start, and the initial hands of the fit, whose option was called ``--start`` before ``--init``.

    Raises:
        UserError: neither seconds nor such a word.
    """
    if start is None:
        return None, initial
    if start in _WORDS:
        show_note(f"--start {start} is now called --init {start}; --start is where a film begins.")
        return None, start if initial == "auto" else initial
    try:
        return float(start), initial
    except ValueError:
        raise UserError(f"--start {start}: expected seconds of a film.") from None


def film_of(images: Sequence[str], *, as_film: bool) -> Path | None:
    """The film that the arguments name; None: they are photos.

    Raises:
        UserError: a film among other things.
    """
    from handsss.io.film import is_film  # loads numpy: not for --help

    films = [image for image in images if as_film or is_film(Path(image))]
    if not films:
        return None
    if len(images) > 1:
        raise UserError(f"{films[0]} is a film: expected it alone, got {len(images)} inputs. Run one at a time.")
    return Path(films[0])


def refuse_without_film(given: Mapping[str, Any]) -> None:
    """Raises UserError where photos are given an option of films."""
    for name, value in given.items():
        if value:
            raise UserError(
                f"{{{name}}} is for films, but photos were given. Leave it out, or say {{film}}.",
                options=(name, "film"),
            )


def refuse_with_film(given: Mapping[str, Any]) -> None:
    """Raises UserError where a film is given an option of photos."""
    for name, value in given.items():
        if value:
            raise UserError(f"{{{name}}} is for photos, but a film was given. Leave it out.", options=(name,))
