"""Rotations, cameras, windows of pictures, alignment, mesh normals. Knows nothing of hands."""
