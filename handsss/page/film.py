"""The page of a film: its hands in motion, to turn while they play."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import numpy as np

from handsss.io.html import render
from handsss.page.photo import LONGEST, THUMBNAIL, jpeg_of, stem_of
from handsss.page.shell import PACKAGE, model_json, page


def film_page(
    glb: bytes,
    name: str,
    *,
    about: str = "",
    hands: Sequence[tuple[str, Sequence[tuple[str, str]]]] = (),
    pictures: Sequence[tuple[str, np.ndarray]] = (),
    notes: Sequence[str] = (),
) -> bytes:
    """One self-contained page that plays the first animation of a .glb.

    Args:
        glb: rigged, animated by its joints' nodes, at most 4 joints a vertex; y up, metres. A hand whose wrist has the
            scale 0 is not shown.
        name: the film's, any text.
        about: a sentence below the name.
        hands: title and figures (name, value) of each hand.
        pictures: captions and frames [H, W, 3] uint8; the first is the page's icon.
        notes: further sentences.
    """
    shown = [
        (caption, f"{caption} of {name}", base64.b64encode(jpeg_of(image, LONGEST)).decode("ascii"))
        for caption, image in pictures
    ]
    body = render(
        PACKAGE,
        "scene.html.j2",
        title=name,
        about=about,
        pictures=shown,
        hands=[{"title": title, "expected": None, "figures": figures, "joints": []} for title, figures in hands],
        notes=notes,
        model=model_json(stem_of(name), glb, []),
    )
    return page(name, body, jpeg_of(pictures[0][1], THUMBNAIL) if pictures else b"")
