"""A mesh of fewer vertices by quadric half-edge collapse: every vertex that stays is one of the old ones, so that
weights, shape and pose directions are simply a subset."""

from __future__ import annotations

import heapq
from typing import NamedTuple

import numpy as np


class Simplified(NamedTuple):
    """A simplified mesh."""

    vertices: np.ndarray  # ids of the old vertices that stay, ascending
    faces: np.ndarray  # [F, 3] in the new numbering
    uv_faces: np.ndarray  # [F, 3] in the old texture numbering
    tagged: np.ndarray  # ids of faces that came of tagged ones


class _Mesh:
    """Triangles with texture corners and tags, under half-edge collapses."""

    def __init__(self, points: np.ndarray, faces: np.ndarray, uv_faces: np.ndarray, tagged: np.ndarray) -> None:
        self.points = points
        self.corners = [tuple(int(v) for v in face) for face in faces]
        self.uv = [tuple(int(v) for v in face) for face in uv_faces]
        self.tag = np.zeros(len(faces), dtype=bool)
        self.tag[tagged] = True
        self.alive = [True] * len(faces)
        self.around: list[set[int]] = [set() for _ in points]
        for number, face in enumerate(self.corners):
            for vertex in face:
                self.around[vertex].add(number)

    def neighbours(self, vertex: int) -> set[int]:
        return {v for f in self.around[vertex] for v in self.corners[f]} - {vertex}

    def is_open(self, vertex: int) -> bool:
        """The vertex lies on the mesh's open ring."""
        return len(self.neighbours(vertex)) != len(self.around[vertex])

    def on_tag_border(self, vertex: int) -> bool:
        return len({bool(self.tag[f]) for f in self.around[vertex]}) == 2

    def allowed(self, gone: int, stays: int) -> dict[int, int] | None:
        """How texture corners of ``gone`` become those of ``stays``; None if the collapse would harm the mesh."""
        shared = self.around[gone] & self.around[stays]
        open_gone = self.is_open(gone)
        if open_gone and not (self.is_open(stays) and len(shared) == 1):
            return None
        if len(self.neighbours(gone) & self.neighbours(stays)) != len(shared):
            return None  # the link condition: two sheets would meet
        if self.on_tag_border(gone):
            # Along the border of the nails only: both sides of the edge differ.
            if len({bool(self.tag[f]) for f in shared}) != 2:
                return None
        elif not open_gone and len(shared) != 2:
            return None
        mapping: dict[int, int] = {}
        for f in shared:
            mapping[self.uv[f][self.corners[f].index(gone)]] = self.uv[f][self.corners[f].index(stays)]
        for f in self.around[gone] - shared:
            k = self.corners[f].index(gone)
            if self.uv[f][k] not in mapping:
                return None  # a seam runs through ``gone`` and leaves the edge
            before = self.points[list(self.corners[f])]
            after = before.copy()
            after[k] = self.points[stays]
            n0 = np.cross(before[1] - before[0], before[2] - before[0])
            n1 = np.cross(after[1] - after[0], after[2] - after[0])
            if n0 @ n1 < 0.35 * np.linalg.norm(n0) * np.linalg.norm(n1):
                return None  # the face would tilt too far
            sides = np.linalg.norm(after - after[[1, 2, 0]], axis=1)
            if np.linalg.norm(n1) < 0.12 * (sides**2).max():
                return None  # a sliver
        return mapping

    def collapse(self, gone: int, stays: int, mapping: dict[int, int]) -> None:
        for f in list(self.around[gone]):
            if stays in self.corners[f]:
                self.alive[f] = False
                for vertex in self.corners[f]:
                    self.around[vertex].discard(f)
            else:
                k = self.corners[f].index(gone)
                face, corners = list(self.corners[f]), list(self.uv[f])
                face[k], corners[k] = stays, mapping[corners[k]]
                self.corners[f], self.uv[f] = tuple(face), tuple(corners)
                self.around[stays].add(f)
        self.around[gone] = set()


def _quadrics(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Sum of squared distances to the planes of a vertex's faces, by area: [V, 4, 4]."""
    corners = points[faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(normal, axis=1, keepdims=True)
    normal = normal / np.maximum(area, 1e-15)
    plane = np.concatenate([normal, -(normal * corners[:, 0]).sum(1, keepdims=True)], 1)
    outer = plane[:, :, None] * plane[:, None] * area[..., None]
    total = np.zeros((len(points), 4, 4))
    for k in range(3):
        np.add.at(total, faces[:, k], outer)
    return total


def simplify(
    points: np.ndarray,
    faces: np.ndarray,
    uv_faces: np.ndarray,
    tagged: np.ndarray,
    *,
    target: int,
    ring: int,
    keep: np.ndarray,
) -> Simplified:
    """Collapse edges until ``target`` vertices are left, the open ring first down to ``ring``.

    Args:
        points: [V, 3] metres.
        tagged: face ids whose outline is to stay visible (the nails).
        keep: vertex ids that must stay (the fingertips).
    """
    mesh = _Mesh(points, faces, uv_faces, tagged)
    quadrics = _quadrics(points, faces)
    kept = {int(v) for v in keep}
    # A light pull towards even triangles decides where the surface is flat.
    shape = 2e-3
    # Nails are small and nearly flat; without this nothing of their outline would be left.
    precious = np.ones(len(points))
    precious[np.unique(faces[tagged])] = 12.0

    def cost(gone: int, stays: int) -> float:
        homogeneous = np.append(points[stays], 1.0)
        square = float(((points[gone] - points[stays]) ** 2).sum())
        error = float(homogeneous @ (quadrics[gone] + quadrics[stays]) @ homogeneous) + shape * square * square
        return error * precious[gone]

    open_vertices = [v for v in range(len(points)) if mesh.is_open(v)]
    while len(open_vertices) > ring:
        pairs = [
            (cost(a, b), a, b)
            for a in open_vertices
            for b in mesh.neighbours(a)
            if b in open_vertices and a not in kept
        ]
        for _, gone, stays in sorted(pairs):
            mapping = mesh.allowed(gone, stays)
            if mapping is not None:
                mesh.collapse(gone, stays, mapping)
                quadrics[stays] += quadrics[gone]
                open_vertices.remove(gone)
                break
        else:
            raise RuntimeError("the ring at the wrist cannot be reduced")
    ring_set = set(open_vertices)
    alive = sum(bool(faces_around) for faces_around in mesh.around)
    heap = [(cost(a, b), a, b, 0) for a in range(len(points)) for b in mesh.neighbours(a) if a not in ring_set | kept]
    heapq.heapify(heap)
    version = [0] * len(points)
    while alive > target:
        if not heap:
            raise RuntimeError(f"no edge left to collapse at {alive} vertices")
        value, gone, stays, stamp = heapq.heappop(heap)
        if (
            not mesh.around[gone]
            or not mesh.around[stays]
            or stamp != version[gone]
            or stays not in mesh.neighbours(gone)
        ):
            continue
        if cost(gone, stays) > value + 1e-18:
            heapq.heappush(heap, (cost(gone, stays), gone, stays, stamp))
            continue
        mapping = mesh.allowed(gone, stays)
        if mapping is None:
            continue
        touched = mesh.neighbours(gone)
        mesh.collapse(gone, stays, mapping)
        quadrics[stays] += quadrics[gone]
        alive -= 1
        for vertex in sorted(touched):
            if vertex in ring_set | kept:
                continue
            version[vertex] += 1
            for other in sorted(mesh.neighbours(vertex)):
                heapq.heappush(heap, (cost(vertex, other), vertex, other, version[vertex]))
    left = [f for f in range(len(faces)) if mesh.alive[f]]
    old = np.array([mesh.corners[f] for f in left])
    vertices = np.unique(old)
    renumber = np.full(len(points), -1)
    renumber[vertices] = np.arange(len(vertices))
    return Simplified(
        vertices,
        renumber[old].astype(np.int32),
        np.array([mesh.uv[f] for f in left], dtype=np.int32),
        np.flatnonzero([mesh.tag[f] for f in left]),
    )
