"""A page of many photos: tiles that lead to the photos' own pages, or to what it holds of them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from markupsafe import Markup

from handsss.io.html import render
from handsss.page.shell import PACKAGE, page

_ICON = re.compile(rb'<link rel="icon" href="data:image/jpeg;base64,([A-Za-z0-9+/=]+)">')
_SCENE = re.compile(rb"<!--scene-->\n(.*?)<!--/scene-->", re.DOTALL)
_HEAD = 200_000  # bytes of a page that hold its icon


class Tile(NamedTuple):
    """One photo of a gallery."""

    name: str  # the photo's, any text
    text: str  # of its hands
    page: Path  # written by handsss.page.photo.photo_page


def gallery_page(
    title: str, tiles: Sequence[Tile], others: Sequence[tuple[str, str]], folder: Path, *, embedded: bool
) -> bytes:
    """A gallery.

    Args:
        title: any text.
        tiles: photos with a page, which lies in ``folder`` or below.
        others: names of photos without one, and why.
        folder: where the gallery will lie.
        embedded: holds the content of all pages itself; otherwise it links to them.

    Raises:
        OSError: a page cannot be read.
    """
    shown, scenes = [], []
    for number, tile in enumerate(tiles):
        with open(tile.page, "rb") as stream:
            icon = _ICON.search(stream.read(_HEAD))
        link = f"#scene-{number}" if embedded else quote(os.fsencode(os.path.relpath(tile.page, folder)))
        thumbnail = icon[1].decode("ascii") if icon else ""
        shown.append({"name": tile.name, "text": tile.text, "link": link, "thumbnail": thumbnail})
        if embedded:
            scene = _SCENE.search(tile.page.read_bytes())
            scenes.append(Markup(scene[1].decode("utf-8") if scene else ""))
    count = len(tiles) + len(others)
    about = f"{len(tiles)} of {count} photos show hands" if others else f"{count} photos" if count != 1 else "1 photo"
    body = render(PACKAGE, "gallery.html.j2", title=title, about=about, tiles=shown, others=others, embedded=scenes)
    return page(title, body)
