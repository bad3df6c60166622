"""Names of result files: what is known of them before anything is loaded."""

from __future__ import annotations

import re

from handsss.errors import UserError

FORMATS = (".obj", ".ply", ".glb", ".npz", ".bvh")
PAGE = ".html"  # shows a mesh and the photo, see handsss.page
RESULTS = (*FORMATS, PAGE)
_STATIC = (".glb", PAGE)  # rigged, unless static ones are asked for


def is_rigged(suffix: str, *, static: bool = False) -> bool:
    """Whether files of a suffix hold a skeleton beside or instead of a mesh."""
    return suffix.lower() == ".bvh" or (suffix.lower() in _STATIC and not static)


def check_static(suffix: str, *, static: bool) -> None:
    """Raises UserError where static is asked of another file than .glb."""
    if static and suffix.lower() not in _STATIC:
        raise UserError(
            f"{{static}} leaves the skeleton out of .glb, but the file is {suffix}. Leave it out, or write .glb.",
            options=("static",),
        )


def material_stem(stem: str) -> str:
    """The stem of the material and the textures of STEM.obj.

    Readers of OBJ split names at spaces, and take ``-`` in front for an option, ``#`` for a comment and ``\\`` for a
    separator or the end of a line. Quotes and what shells or Windows keep for themselves go too.
    """
    return re.sub(r"^-|[\s\x00-\x1f\x7f\ud800-\udfff#\\\"'`<>|:*?;$&%]", "_", stem)
