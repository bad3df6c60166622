"""Names of result files: what is known of them before anything is loaded."""

from __future__ import annotations

import re

FORMATS = (".obj", ".ply", ".glb", ".npz")


def material_stem(stem: str) -> str:
    """The stem of the material and the textures of STEM.obj.

    Readers of OBJ split names at spaces, and take ``-`` in front for an option, ``#`` for a comment and ``\\`` for a
    separator or the end of a line. Quotes and what shells or Windows keep for themselves go too.
    """
    return re.sub(r"^-|[\s\x00-\x1f\x7f\ud800-\udfff#\\\"'`<>|:*?;$&%]", "_", stem)
