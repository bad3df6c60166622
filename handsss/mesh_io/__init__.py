"""Mesh files: OBJ, PLY, GLB and NPZ."""
