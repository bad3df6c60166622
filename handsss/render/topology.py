"""Which faces lie beside which."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import torch
from torch import Tensor

_cache: OrderedDict[bytes, Tensor] = OrderedDict()


def face_neighbours(faces: Tensor) -> Tensor:
    """For each face and edge (k, k+1) the face on the other side, -1 at a boundary. Remembered for the last meshes.

    Where more than two faces share an edge, each is paired with none: such an edge counts as a boundary.

    Args:
        faces: [F, 3].

    Returns:
        [F, 3] int64, on the faces' device.
    """
    array = faces.detach().cpu().numpy()
    key = array.tobytes()
    if key not in _cache:
        _cache[key] = torch.as_tensor(_neighbours(array))
        while len(_cache) > 8:
            _cache.popitem(last=False)
    _cache.move_to_end(key)
    return _cache[key].to(faces.device)


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
