"""Arrays of MANO files that hold a hand: the open hand in MANO's layout, with its own poses or with others."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from handsss.hand.joints import MODEL_PARENTS
from handsss.hand.load import load_model
from handsss.hand.sampling import euler_matrices, sample_poses

Arrays = dict[str, np.ndarray]
# Degrees (azimuth, pitch, roll in the open hand's bone frames) by which the rest pose of the bent hand is turned at
# the first, second and third joint of index, middle, little, ring and thumb: fans, twists and half-bent fingers.
_REST_DEG = (
    *((20, 29, 25), (0, 34, 0), (0, 23, 0)),
    *((6, 25, -17), (0, 36, 0), (0, 23, 0)),
    *((-25, 32, -28), (0, 32, 0), (0, 21, 0)),
    *((-14, 29, -22), (0, 34, 0), (0, 23, 0)),
    *((17, 17, 42), (0, 23, 0), (0, 28, 0)),
)


def handlike_arrays() -> Arrays:
    """The open hand in MANO's layout, renumbered so that its fingertips have MANO's vertex numbers."""
    model = load_model("open")
    order = np.arange(model.vertex_count)
    for number, tip in zip((317, 444, 673, 556, 745), model.tips, strict=True):  # index, middle, little, ring, thumb
        here = int(np.flatnonzero(order == tip)[0])
        order[here], order[number] = order[number], order[here]
    renumbered = np.argsort(order)
    rng = np.random.default_rng(0)
    return {
        "v_template": model.v_template[order].astype(np.float64),
        "faces": renumbered[model.faces],
        "weights": model.weights[order].astype(np.float64),
        "shapedirs": model.shapedirs[order].astype(np.float64),
        "posedirs": model.posedirs[order].astype(np.float64),
        "J_regressor": model.j_regressor[:, order].astype(np.float64),
        "hands_mean": model.hands_mean.astype(np.float64),
        "hands_components": model.hands_components.astype(np.float64),
        "hands_coeffs": rng.normal(size=(1554, 45)) * model.hands_std,
    }


def chained(rotations: np.ndarray) -> np.ndarray:
    """Rotations [..., 16, 3, 3] of joints against the root, of local ones [..., 15, 3, 3]."""
    total = [np.broadcast_to(np.eye(3), (*rotations.shape[:-3], 3, 3))]
    for joint in range(1, 16):
        total.append(total[MODEL_PARENTS[joint]] @ rotations[..., joint - 1, :, :])
    return np.stack(total, -3)


def open_poses(count: int, seed: int) -> np.ndarray:
    """Poses [count, 45] of the open hand, axis-angle: coupled fingers, within its limits, without collisions."""
    return sample_poses(load_model("open"), count, np.random.default_rng(seed)).reshape(count, 45)


def bent_poses(count: int, seed: int) -> np.ndarray:
    """Poses [count, 45] of the bent hand, axis-angle: those of the open hand, as they are called where the rest pose is
    another. Its joints turn about other axes, and stretched fingers are bent backwards there."""
    model = load_model("open")
    assert model.bone_frames is not None
    rest = euler_matrices(np.deg2rad(_REST_DEG), model.bone_frames)
    total = chained(Rotation.from_rotvec(open_poses(count, seed).reshape(-1, 3)).as_matrix().reshape(count, 15, 3, 3))
    turned = total @ np.swapaxes(chained(rest), -1, -2)
    local = np.swapaxes(turned[:, MODEL_PARENTS[1:]], -1, -2) @ turned[:, 1:]
    return Rotation.from_matrix(local.reshape(-1, 3, 3)).as_rotvec().reshape(count, 45)


def bent_arrays(registered: int = 1554) -> Arrays:
    """A MANO file of a hand that rests half bent, made from as many poses as MANO: they leave table 1 by as much."""
    arrays = handlike_arrays()
    model = load_model("open")
    assert model.bone_frames is not None
    rotations = chained(euler_matrices(np.deg2rad(_REST_DEG), model.bone_frames))
    joints = arrays["J_regressor"] @ arrays["v_template"]
    moved = [joints[0]]
    for joint in range(1, 16):
        parent = MODEL_PARENTS[joint]
        moved.append(moved[parent] + rotations[parent] @ (joints[joint] - joints[parent]))
    local = np.einsum("jab,vjb->vja", rotations, arrays["v_template"][:, None] - joints) + np.stack(moved)
    blended = np.einsum("vj,jab->vab", arrays["weights"], rotations)
    poses = bent_poses(registered, seed=1)
    mean = poses.mean(0)
    components = np.linalg.svd(poses - mean, full_matrices=False)[2]
    return arrays | {
        "v_template": np.einsum("vj,vja->va", arrays["weights"], local),
        "shapedirs": np.einsum("vab,vbs->vas", blended, arrays["shapedirs"]),
        "posedirs": np.zeros_like(arrays["posedirs"]),  # they belong to the old rest pose
        "hands_mean": mean,
        "hands_components": components,
        "hands_coeffs": (poses - mean) @ components.T,
    }
