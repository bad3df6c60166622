"""The page around a body: style, scripts, and a policy that forbids everything else."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
from markupsafe import Markup

from handsss.geometry.cameras import to_opengl
from handsss.io.html import render
from handsss.version import __version__

PACKAGE = "handsss.page"
Rgb = tuple[int, int, int]
_SCRIPTS = ("three.min.js", "viewer.js", "page.js")


def page(title: str, body: str, thumbnail: bytes = b"") -> bytes:
    """A whole page.

    Args:
        title: of the window, any text.
        body: HTML, escaped already.
        thumbnail: JPEG, the page's icon.
    """
    css = f"\n{viewer_style()}{_read('templates', 'page.css')}"
    content = render(
        PACKAGE,
        "page.html.j2",
        title=title,
        body=Markup(body),
        thumbnail=base64.b64encode(thumbnail).decode("ascii"),
        policy=policy(css),
        style=Markup(f"<style>{css}</style>"),
        scripts=scripts(),
        version=__version__,
    )
    return encoded(content)


def encoded(content: str) -> bytes:
    """UTF-8; what a file's name holds besides text (single bytes, as Python keeps them) becomes a question mark."""
    return content.encode("utf-8", "replace")


@lru_cache(maxsize=1)
def scripts() -> Markup:
    """The script elements of three.js, the viewer and the page, in this order; 0.7 MB."""
    return Markup("".join(f"<script>{text}</script>\n" for text in _texts()))


def viewer_style() -> Markup:
    """CSS of the 3D view. Its colours are the page's variables: ``--paper``, ``--card``, ``--ink`` and so on."""
    return Markup(_read("templates", "viewer.css"))


def policy(css: str | None = None) -> str:
    """The Content-Security-Policy of a page with :func:`scripts`: pictures by data addresses, these scripts, no others.

    Args:
        css: content of the style element; None: any style.
    """
    own = " ".join(map(_digest, _texts()))
    style = "'unsafe-inline'" if css is None else _digest(css)
    return (
        f"default-src 'none'; img-src data:; style-src {style}; script-src {own}; base-uri 'none'; form-action 'none'"
    )


def model_json(
    name: str, glb: bytes | None, skeletons: list[dict[str, Any]], bones: Any = (), *, joints: bool = False
) -> Markup:
    """What viewer.js shows, as the content of a script element of JSON.

    Args:
        name: of the download.
        glb: y up, metres; None: skeletons alone.
        skeletons: see :func:`skeleton`.
        bones: pairs of points' numbers.
        joints: whether skeletons are shown at first.
    """
    content = {
        "name": name,
        "glb": None if glb is None else base64.b64encode(glb).decode("ascii"),
        "skeletons": skeletons,
        "bones": [list(map(int, bone)) for bone in bones],
        "joints": joints,
    }
    text = json.dumps(content, allow_nan=False)
    for character in "<>&":  # no name ends the element
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def skeleton(label: str, joints: np.ndarray, colours: Sequence[Rgb], bone: Rgb | None) -> dict[str, Any]:
    """One of :func:`model_json`'s skeletons.

    Args:
        label: any text.
        joints: [N, 3] metres, camera frame.
        colours: of each joint.
        bone: of all bones; None: each has its joint's.
    """
    return {
        "label": label,
        "points": np.round(to_opengl(joints), 5).tolist(),
        "colours": [_hex(colour) for colour in colours],
        "bone": None if bone is None else _hex(bone),
    }


def _hex(colour: Rgb) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


@lru_cache(maxsize=1)
def _texts() -> tuple[str, ...]:
    return tuple(_read("viewer", name) for name in _SCRIPTS)


def _read(folder: str, name: str) -> str:
    return files(PACKAGE).joinpath(folder, name).read_text("utf-8")


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"
