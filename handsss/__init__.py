"""One photo to a textured 3D hand mesh, and self-supervised training of such reconstructors (S2HAND)."""

from handsss.version import __version__

__all__ = ["__version__"]
