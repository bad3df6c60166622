"""The forearm behind the hand: bare or in a sleeve, joined to the hand's wrist ring."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from handsss.data.synthetic.noise import space_noise
from handsss.geometry.mesh import vertex_normals

_FILE = Path(__file__).parent / "forearm.npz"
BEND_OVER = 0.035  # m behind the ring over which the wrist's bend is spread
SEAM = 0.03  # m over which the arm takes on the ring's shape
_REFINED = 1  # times that edges are halved, so that cloth can fold


class Arm(NamedTuple):
    """A forearm in the model frame."""

    vertices: np.ndarray  # [A, 3]
    faces: np.ndarray  # [Fa, 3]
    distance: np.ndarray  # [A] m behind the wrist ring
    rest: np.ndarray  # [A, 3] where the vertices lie at rest: for colours


class Template(NamedTuple):
    """A forearm and the rings of vertices that it shares with the hand."""

    vertices: np.ndarray
    faces: np.ndarray
    ring_hand: np.ndarray
    ring_arm: np.ndarray
    wrist: np.ndarray
    distance: np.ndarray


@lru_cache(maxsize=2)
def template(refined: int = _REFINED) -> Template:
    """The forearm as it is before any hand; its edges are halved ``refined`` times."""
    with np.load(_FILE, allow_pickle=False) as file:
        vertices, faces = file["vertices"].astype(np.float64), file["faces"].astype(np.int64)
        ring_hand, ring_arm, wrist = file["ring_hand"].astype(int), file["ring_arm"].astype(int), file["wrist"]
    for _ in range(refined):
        vertices, faces = _halve(vertices, faces)
    along = vertices[:, 0] - vertices[ring_arm, 0].mean()
    return Template(vertices, faces, ring_hand, ring_arm, wrist, np.maximum(along, 0))


def _halve(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every face into four; border edges stay unsplit in position, so that the ring still fits."""
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), 1)
    unique, index = np.unique(edges, axis=0, return_inverse=True)
    index = index.ravel()
    middle = vertices[unique].mean(1)
    count = len(faces)
    ab, bc, ca = (len(vertices) + index[i * count : (i + 1) * count] for i in range(3))
    a, b, c = faces.T
    new = np.concatenate([np.stack(t, 1) for t in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))])
    return np.concatenate([vertices, middle]), new


def make_arm(hand: np.ndarray, wrist_joint: np.ndarray, bend: np.ndarray) -> Arm:
    """The forearm of a posed hand.

    Args:
        hand: [1649, 3] vertices of the detail hand with identity root rotation (model frame).
        wrist_joint: [3] its wrist.
        bend: [2] radians: flexion, sideways.
    """
    base = template()
    ring = hand[base.ring_hand]
    own = base.vertices[base.ring_arm]
    # The similarity that brings the arm's ring to the hand's, then the rest of the misfit, fading out behind it.
    scale = np.linalg.norm(ring - ring.mean(0)) / np.linalg.norm(own - own.mean(0))
    turn = Rotation.align_vectors(ring - ring.mean(0), own - own.mean(0))[0]
    placed = turn.apply(base.vertices - own.mean(0)) * scale + ring.mean(0)
    misfit = ring - placed[base.ring_arm]
    distance = base.distance
    nearest = np.linalg.norm(base.vertices[:, None] - own[None], axis=-1).argmin(1)
    fade = np.exp(-((distance / SEAM) ** 2))
    fade[base.ring_arm] = 1
    placed += misfit[nearest] * fade[:, None]
    angle = Rotation.from_euler("ZY", bend).as_rotvec()
    share = np.clip(distance / BEND_OVER, 0, 1)
    share = share * share * (3 - 2 * share)
    share[base.ring_arm] = 0  # the ring is not quite plane, and must not move against the hand
    bent = Rotation.from_rotvec(angle[None] * share[:, None]).apply(placed - wrist_joint) + wrist_joint
    return Arm(bent, base.faces, distance, base.vertices)


def with_sleeve(arm: Arm, start: float, rng: np.random.Generator) -> Arm:
    """Cloth over the arm from ``start`` metres behind the ring: wider, with folds."""
    cloth = np.clip((arm.distance - start) / 0.002, 0, 1)
    normals = vertex_normals(arm.vertices, arm.faces)
    folds = space_noise(arm.rest * np.array([2.2, 1.0, 1.0]), 0.03, rng, 2)
    thickness = rng.uniform(0.004, 0.010) + rng.uniform(0.001, 0.005) * folds
    cuff = 0.002 * np.exp(-(((arm.distance - start - 0.012) / 0.01) ** 2))
    moved = arm.vertices + normals * (np.maximum(thickness, 0.002) + cuff)[:, None] * cloth[:, None]
    return arm._replace(vertices=moved)
