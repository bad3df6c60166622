"""Names of result files: what is known of them before anything is loaded."""

from __future__ import annotations

import re

FORMATS = (".obj", ".ply", ".glb", ".npz")


def material_stem(stem: str) -> str:
    """The stem of the material and the textures of STEM.obj."""
    return re.sub(r"[\s\ud800-\udfff]", "_", stem)
