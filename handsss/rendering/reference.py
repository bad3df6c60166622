"""The renderer in plain torch, which fast backends are compared with: any device, any precision.

Gradients come from autograd alone; this backend is not optimised for speed.
"""

from __future__ import annotations

import torch
from torch import Tensor

from handsss.rendering.topology import face_neighbours
from handsss.rendering.types import NEAR, SilhouetteCrossings

_CHUNK = 1 << 22  # pixel-face pairs tested at once, where few launches count
_CPU_CHUNK = 1 << 17  # as many as a processor's cache holds
_WALK = 8


def pixel_centres(height: int, width: int, like: Tensor) -> Tensor:
    """[H, W, 2] x, y."""
    y, x = torch.meshgrid(
        torch.arange(height, dtype=like.dtype, device=like.device) + 0.5,
        torch.arange(width, dtype=like.dtype, device=like.device) + 0.5,
        indexing="ij",
    )
    return torch.stack([x, y], -1)


def _edges(corners: Tensor, points: Tensor) -> Tensor:
    """Twice the areas [..., 3] that points [..., 2] span with the sides of triangles [..., 3, 2+]."""
    offset = corners[..., :2] - points[..., None, :]
    x, y = (axis.unbind(-1) for axis in offset.unbind(-1))
    return torch.stack([x[i] * y[j] - y[i] * x[j] for i, j in ((1, 2), (2, 0), (0, 1))], -1)


@torch.no_grad()
def rasterise(screen: Tensor, faces: Tensor, height: int, width: int, cull: bool) -> tuple[Tensor, Tensor]:
    """Z-buffer by testing every pixel against every face.

    Args:
        screen: [B, V, 3] x, y (px), z (m).
        faces: [F, 3].
        height, width: px.
        cull: drop faces that turn their back (clockwise from outside).

    Returns:
        face_id [B, H, W] int32 (-1) and depth [B, H, W] (inf where nothing is hit).
    """
    points = pixel_centres(height, width, screen).reshape(-1, 1, 2)
    batch = screen.shape[0]
    face_id = torch.full((batch, height * width), -1, dtype=torch.int32, device=screen.device)
    depth = torch.full((batch, height * width), torch.inf, dtype=screen.dtype, device=screen.device)
    pairs = _CPU_CHUNK if screen.device.type == "cpu" else _CHUNK
    step = max(1, pairs // (height * width))
    for image in range(batch):
        for first in range(0, len(faces), step):
            corners = screen[image][faces[first : first + step]]  # [f, 3, 3]
            area = _edges(corners, corners[:, 0, :2])[..., 0]
            usable = (corners[..., 2] > NEAR).all(-1) & torch.isfinite(corners).all(-1).all(-1) & (area != 0)
            if cull:
                usable &= area < 0
            share = _edges(corners[None], points) / area[None, :, None]
            z = 1 / (share / corners[None, :, :, 2]).sum(-1)
            hit = (share >= 0).all(-1) & usable
            z = torch.where(hit, z, torch.inf)
            nearest, number = z.min(1)  # the first of equals: the lower face
            closer = nearest < depth[image]
            depth[image] = torch.where(closer, nearest, depth[image])
            face_id[image] = torch.where(closer, (number + first).to(torch.int32), face_id[image])
    return face_id.reshape(batch, height, width), depth.reshape(batch, height, width)


def barycentrics(screen: Tensor, faces: Tensor, face_id: Tensor) -> tuple[Tensor, Tensor]:
    """Perspective-correct barycentrics [B, H, W, 3] and depth [B, H, W], differentiable; zero where nothing is hit."""
    batch, height, width = face_id.shape
    hit = face_id >= 0
    image, row, column = torch.nonzero(hit, as_tuple=True)
    corners = screen[image[:, None], faces[face_id[hit].long()]]  # [N, 3, 3]
    points = torch.stack([column, row], -1).to(screen.dtype) + 0.5
    edges = _edges(corners, points)
    weighted = edges / edges.sum(-1, keepdim=True) / corners[..., 2]
    z = 1 / weighted.sum(-1)
    full = torch.zeros(batch, height, width, 3, dtype=screen.dtype, device=screen.device)
    depth = torch.zeros(batch, height, width, dtype=screen.dtype, device=screen.device)
    return full.index_put((image, row, column), weighted * z[:, None]), depth.index_put((image, row, column), z)


def interpolate(
    screen: Tensor, faces: Tensor, face_id: Tensor, attributes: Tensor, attribute_faces: Tensor
) -> tuple[Tensor, Tensor]:
    """Attributes [B, T, C] at visible points [B, H, W, C] and depth [B, H, W]; zero where nothing is hit."""
    weights, depth = barycentrics(screen, faces, face_id)
    hit = face_id >= 0
    image = torch.nonzero(hit, as_tuple=True)[0]
    corners = attributes[image[:, None], attribute_faces[face_id[hit].long()]]  # [N, 3, C]
    out = torch.zeros(*face_id.shape, attributes.shape[-1], dtype=screen.dtype, device=screen.device)
    return out.index_put(torch.nonzero(hit, as_tuple=True), (weights[hit][..., None] * corners).sum(1)), depth


@torch.no_grad()
def find_crossings(
    screen: Tensor, faces: Tensor, neighbours: Tensor, face_id: Tensor, depth: Tensor
) -> SilhouetteCrossings:
    """Silhouette edges that pass between neighbouring pixel centres, found by walking over the faces in between.

    From the centre of the pixel that shows the nearer surface the walk goes towards the other centre, face by face,
    until an edge is crossed behind which the surface ends or turns away.

    Args:
        screen: [B, V, 3].
        faces: [F, 3].
        neighbours: [F, 3] the face beyond edge (k, k+1), -1 for none.
        face_id: [B, H, W].
        depth: [B, H, W], inf where nothing is hit.
    """
    found: list[list[Tensor]] = []
    height, width = face_id.shape[1:]
    index = torch.arange(height * width, device=screen.device).reshape(height, width)
    for axis in (0, 1):
        here = (slice(None), slice(None), slice(0, width - 1)) if axis == 0 else (slice(None), slice(0, height - 1))
        there = (slice(None), slice(None), slice(1, None)) if axis == 0 else (slice(None), slice(1, None))
        first, second = face_id[here], face_id[there]
        image, row, column = torch.nonzero(first != second, as_tuple=True)
        pair = first[image, row, column].long(), second[image, row, column].long()
        apart = ~_continues(screen, faces, neighbours, image, *pair)
        image, row, column = image[apart], row[apart], column[apart]
        forward = (second < 0) | ((first >= 0) & (depth[here] <= depth[there]))
        forward = forward[image, row, column]
        a = index[row, column]
        b = index[row + axis, column + 1 - axis]
        near, far = torch.where(forward, a, b), torch.where(forward, b, a)
        face = face_id.reshape(len(face_id), -1)[image, near].long()
        sign = torch.where(forward, 1, -1).to(screen.dtype)
        point = torch.stack([near % width, near // width], -1).to(screen.dtype) + 0.5
        edge_face, edge = _walk(screen, faces, neighbours, image, face, point, axis, sign)
        start, end = faces[edge_face, edge.clamp_min(0)], faces[edge_face, (edge.clamp_min(0) + 1) % 3]
        extent = (screen[image, end, :2] - screen[image, start, :2]).abs()
        steep = extent[:, 1] >= extent[:, 0]
        keep = (edge >= 0) & (steep if axis == 0 else ~steep)
        axes = torch.full_like(near, axis)
        found.append([part[keep] for part in (image, near, far, axes, start, end)])
    return SilhouetteCrossings(*(torch.cat(parts) for parts in zip(*found, strict=True)))


def _continues(screen: Tensor, faces: Tensor, neighbours: Tensor, image: Tensor, here: Tensor, there: Tensor) -> Tensor:
    """For pairs of face numbers, -1 for none: whether they share an edge over which the surface does not turn away."""
    both = (here >= 0) & (there >= 0)
    here, there = here.clamp_min(0), there.clamp_min(0)
    shared = (neighbours[here] == there[:, None]) & both[:, None]
    k = shared.to(torch.int8).argmax(1)
    a, b, own = faces[here, k], faces[here, (k + 1) % 3], faces[here, (k + 2) % 3]
    far = torch.where(shared.any(1), faces[there].sum(1) - a - b, own)
    start, edge = screen[image, a, :2], screen[image, b, :2] - screen[image, a, :2]

    def side(vertex: Tensor) -> Tensor:
        to = screen[image, vertex, :2] - start
        return edge[:, 0] * to[:, 1] - edge[:, 1] * to[:, 0]

    return shared.any(1) & ((side(own) < 0) != (side(far) < 0))


def _walk(
    screen: Tensor,
    faces: Tensor,
    neighbours: Tensor,
    image: Tensor,
    face: Tensor,
    point: Tensor,
    axis: int,
    sign: Tensor,
) -> tuple[Tensor, Tensor]:
    """For each start: the face and number of the silhouette edge that is crossed; edge -1 where there is none."""
    along, across = (0, 1) if axis == 0 else (1, 0)
    current, came_from = face.clone(), torch.full_like(face, -1)
    position = torch.zeros_like(sign)
    result_face, result_edge = face.clone(), torch.full_like(face, -1)
    active = torch.ones_like(face, dtype=torch.bool)
    rows = torch.arange(len(face), device=face.device)
    for _ in range(_WALK):
        corners = screen[image[:, None], faces[current]][..., :2]  # [N, 3, 2]
        offset = corners - point[:, None]
        following = offset[:, [1, 2, 0]]
        d0, d1 = offset[..., across], following[..., across]
        crosses = (d0 < 0) != (d1 < 0)
        s = d0 / torch.where(crosses, d0 - d1, torch.ones_like(d0))
        at = (offset[..., along] + s * (following[..., along] - offset[..., along])) * sign[:, None]
        beyond = neighbours[current]
        allowed = crosses & (at >= position[:, None] - 1e-6) & ~((beyond >= 0) & (beyond == came_from[:, None]))
        at = torch.where(allowed, at, 2.0)
        leave_at, leave = at.min(1)
        active &= leave_at <= 1
        other = beyond[rows, leave]
        a, b, own = faces[current, leave], faces[current, (leave + 1) % 3], faces[current, (leave + 2) % 3]
        opposite = faces[other.clamp_min(0)]
        far = torch.where((opposite != a[:, None]) & (opposite != b[:, None]), opposite, -1).amax(1)
        start, end = screen[image, a, :2], screen[image, b, :2]

        def side(vertex: Tensor, start: Tensor = start, end: Tensor = end) -> Tensor:
            direction, to = end - start, screen[image, vertex.clamp_min(0), :2] - start
            return direction[:, 0] * to[:, 1] - direction[:, 1] * to[:, 0]

        behind = ~(screen[image, far.clamp_min(0), 2] > NEAR)
        ends = (other < 0) | (far < 0) | behind | ((side(own) < 0) == (side(far) < 0))
        arrived = active & ends
        result_face = torch.where(arrived, current, result_face)
        result_edge = torch.where(arrived, leave, result_edge)
        active = active & ~ends
        came_from = torch.where(active, current, came_from)
        position = torch.where(active, leave_at, position)
        current = torch.where(active, other, current)
        if not bool(active.any()):
            break
    return result_face, result_edge


def blend(screen: Tensor, crossings: SilhouetteCrossings, picture: Tensor) -> Tensor:
    """Mix neighbouring pixels by how far silhouette edges reach beyond their common border.

    Args:
        screen: [B, V, 3].
        crossings: from :func:`find_crossings`.
        picture: [B, H, W, C].
    """
    batch, height, width, channels = picture.shape
    if len(crossings.near) == 0:
        return picture
    image = crossings.image
    flat = picture.reshape(batch, height * width, channels)
    start, end = screen[image, crossings.start], screen[image, crossings.end]
    across = torch.where(crossings.axis == 0, 1, 0)[:, None]
    along = 1 - across
    centre = torch.stack([crossings.near % width, crossings.near // width], -1).to(screen.dtype) + 0.5

    def select(values: Tensor, which: Tensor) -> Tensor:
        return values[:, :2].gather(1, which)[:, 0]

    s = (select(centre, across) - select(start, across)) / (select(end, across) - select(start, across))
    sign = torch.where(crossings.far > crossings.near, 1.0, -1.0).to(screen.dtype)
    at = (select(start, along) + s * (select(end, along) - select(start, along)) - select(centre, along)) * sign
    share = at.clamp(0, 1) - 0.5
    difference = flat[image, crossings.near] - flat[image, crossings.far]
    target = torch.where(share > 0, crossings.far, crossings.near)
    mixed = flat.index_put((image, target), share[:, None] * difference, accumulate=True)
    return mixed.reshape(picture.shape)


def antialias(screen: Tensor, faces: Tensor, face_id: Tensor, depth: Tensor, picture: Tensor) -> Tensor:
    """Blend a picture [B, H, W, C] across silhouette edges; see :func:`find_crossings` and :func:`blend`."""
    return blend(screen, find_crossings(screen, faces, face_neighbours(faces), face_id, depth), picture)
