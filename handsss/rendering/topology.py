"""Mesh topology: neighbouring faces, and the faces around each vertex, cached per mesh."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor


class MeshTables(NamedTuple):
    """A mesh's topology for kernels on a GPU, int32 on the faces' device."""

    faces: Tensor  # [F, 3]
    neighbours: Tensor  # [F, 3] the face beyond edge (k, k+1), -1 for none
    offsets: Tensor  # [V + 1] where each vertex's corners begin
    corners: Tensor  # [3 F] 3 * face + corner, by vertex


_cache: OrderedDict[bytes, Tensor] = OrderedDict()
_by_tensor: OrderedDict[tuple[int, int], tuple[weakref.ref[Tensor], int, Any]] = OrderedDict()


def face_neighbours(faces: Tensor) -> Tensor:
    """For each face and edge (k, k+1) the face on the other side, -1 at a boundary. Remembered for the last meshes.

    Where more than two faces share an edge, each is paired with none: such an edge counts as a boundary.

    Args:
        faces: [F, 3].

    Returns:
        [F, 3] int64, on the faces' device.
    """
    return _by_values(faces) if faces.device.type == "cpu" else _remembered(faces, -1, lambda: _by_values(faces))


def _by_values(faces: Tensor) -> Tensor:
    array = faces.detach().cpu().numpy()
    key = array.tobytes()
    if key not in _cache:
        _cache[key] = torch.as_tensor(_neighbours(array))
        while len(_cache) > 8:
            _cache.popitem(last=False)
    _cache.move_to_end(key)
    return _cache[key].to(faces.device)


def mesh_tables(faces: Tensor, vertex_count: int) -> MeshTables:
    """Tables of a mesh, remembered for the last tensors of faces.

    Args:
        faces: [F, 3] integer.
        vertex_count: V.

    Raises:
        ValueError: a face names a vertex that is not there.
    """
    result: MeshTables = _remembered(faces, vertex_count, lambda: _tables(faces, vertex_count))
    return result


def _remembered(faces: Tensor, key: int, build: Callable[[], Any]) -> Any:
    """What was built for this very tensor, if it did not change: to look at its values would wait for the GPU."""
    if faces.is_inference():  # such tensors do not tell whether they changed
        return build()
    known = _by_tensor.get((id(faces), key))
    # An id comes back once its tensor is gone.
    if known is not None and known[0]() is faces and known[1] == faces._version:
        _by_tensor.move_to_end((id(faces), key))
        return known[2]
    built = build()
    _by_tensor[id(faces), key] = weakref.ref(faces), faces._version, built
    _by_tensor.move_to_end((id(faces), key))
    while len(_by_tensor) > 16:
        _by_tensor.popitem(last=False)
    return built


def _tables(faces: Tensor, vertex_count: int) -> MeshTables:
    array = faces.detach().cpu().numpy().astype(np.int64)
    if array.size and (array.min() < 0 or array.max() >= vertex_count):
        wrong = array.min() if array.min() < 0 else array.max()
        raise ValueError(f"faces should name vertices 0 to {vertex_count - 1}, got {wrong}")
    corners = np.argsort(array.reshape(-1), kind="stable")
    offsets = np.searchsorted(array.reshape(-1)[corners], np.arange(vertex_count + 1))
    parts = (array, _neighbours(array), offsets, corners)
    return MeshTables(*(torch.as_tensor(part.astype(np.int32)).to(faces.device) for part in parts))


def _neighbours(faces: np.ndarray) -> np.ndarray:
    count = len(faces)
    edges = np.stack([faces, faces[:, [1, 2, 0]]], -1).reshape(-1, 2)
    ordered = np.sort(edges, 1)
    order = np.lexsort((ordered[:, 1], ordered[:, 0]))
    same = (ordered[order[1:]] == ordered[order[:-1]]).all(1)
    result = np.full(3 * count, -1, dtype=np.int64)
    pair = np.flatnonzero(same)
    triple = np.zeros(len(same), dtype=bool)
    triple[1:] |= same[1:] & same[:-1]
    triple[:-1] |= same[:-1] & same[1:]
    pair = pair[~triple[pair]]
    first, second = order[pair], order[pair + 1]
    result[first], result[second] = second // 3, first // 3
    return result.reshape(count, 3)
