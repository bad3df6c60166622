"""One photo to a textured 3D hand mesh, and the self-supervised training of such reconstructors (S2HAND)."""

__version__ = "0.1.0"
