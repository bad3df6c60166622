"""Inputs and outputs of the renderer."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

NEAR = 1e-3  # metres: faces with a vertex closer than this are dropped whole


class Fragments(NamedTuple):
    """Which face each pixel shows, and where on it."""

    face_id: Tensor  # [B, H, W] int32, -1 where nothing is hit
    barycentric: Tensor  # [B, H, W, 3] perspective-correct, 0 where nothing is hit
    depth: Tensor  # [B, H, W] metres along z, 0 where nothing is hit


class RenderOutput(NamedTuple):
    """A rendered picture."""

    colour: Tensor  # [B, H, W, 3] RGB, the background's colour where nothing is hit
    silhouette: Tensor  # [B, H, W] coverage 0..1, anti-aliased, differentiable
    depth: Tensor  # [B, H, W] metres along z at pixel centres, 0 where nothing is hit
    face_id: Tensor  # [B, H, W] int32, -1 where nothing is hit


class Texture(NamedTuple):
    """A picture on the surface."""

    image: Tensor  # [h, w, 3] or [B, h, w, 3]
    uv: Tensor  # [T, 2], v up: (0, 0) is the lower left corner, as in OBJ
    uv_faces: Tensor  # [F, 3]


class SilhouetteCrossings(NamedTuple):
    """Pairs of neighbouring pixel centres between which a silhouette edge passes."""

    image: Tensor  # [E] batch index
    near: Tensor  # [E] flat pixel index of the pixel that shows the nearer surface
    far: Tensor  # [E] flat pixel index of its neighbour
    axis: Tensor  # [E] 0: neighbours in x, 1: in y
    start: Tensor  # [E] vertex ids of the edge
    end: Tensor  # [E]
