"""The canonical frame: fingers along -x, palm towards -y, thumb towards +z, flat, origin at the middle knuckle."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from handsss.hand.joints import MODEL_PARENTS

THUMB_DIRECTIONS = ((52.0, 12.0), (40.0, 12.0), (34.0, 12.0))  # azimuth, pitch in degrees of the three thumb bones
KNUCKLE_DROP = (0.0038, 0.0038, 0.0030, 0.0038)  # metres palmward: index, middle, little, ring
KNUCKLE_BACK = (0.005, 0.0, 0.005, 0.0)  # metres towards the wrist: index and little knuckles lie too far out
DEPTH_SHARE = 0.42  # where in a finger's depth its PIP and DIP lie, from the back


class Canonical(NamedTuple):
    """Fixed maps from anny's frame to the canonical one."""

    axes: np.ndarray  # [3, 3] rows: the canonical axes in anny's frame
    rotations: np.ndarray  # [16, 3, 3] local, canonical frame: flatten the rest pose


def _rotation_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The smallest rotation that takes direction a to direction b."""
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    axis, cosine = np.cross(a, b), float(a @ b)
    k = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    rotation: np.ndarray = np.eye(3) + k + k @ k / (1 + cosine)
    return rotation


def fingertips(vertices: np.ndarray, joints: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Vertex ids [5] of the fingertips (index, middle, little, ring, thumb): farthest along each last bone, near its
    axis."""
    owner = weights.argmax(1)
    tips = []
    for finger in range(5):
        last = 3 * finger + 3
        mine = np.flatnonzero(owner == last)
        offset = vertices[mine] - joints[last]
        axis = offset.mean(0) / np.linalg.norm(offset.mean(0))
        along = offset @ axis
        across = np.linalg.norm(offset - along[:, None] * axis, axis=1)
        tips.append(mine[np.argmax(along - 0.5 * across)])
    return np.array(tips)


def fit(vertices: np.ndarray, joints: np.ndarray, weights: np.ndarray) -> Canonical:
    """Frame and flattening rotations from the base person (recipe step 4)."""
    forward = joints[4] - joints[0]
    forward /= np.linalg.norm(forward)
    thumbward = joints[1] - joints[7]
    thumbward -= (thumbward @ forward) * forward
    thumbward /= np.linalg.norm(thumbward)
    palmar = np.cross(thumbward, forward)
    axes = np.stack([-forward, -palmar, thumbward])
    points, tips = joints @ axes.T, vertices[fingertips(vertices, joints, weights)] @ axes.T
    rotations = np.tile(np.eye(3), (16, 1, 1))
    for finger in range(5):
        chain = [3 * finger + 1, 3 * finger + 2, 3 * finger + 3]
        ends = [points[chain[1]], points[chain[2]], tips[finger]]
        turned = np.eye(3)
        # A finger's own spread is kept: the direction from its knuckle to its tip, laid flat.
        reach = tips[finger] - points[chain[0]]
        flat = np.array([reach[0], 0.0, reach[2]])
        for k, joint in enumerate(chain):
            if finger == 4:
                azimuth, pitch = np.deg2rad(THUMB_DIRECTIONS[k])
                goal = np.array([-np.cos(pitch) * np.cos(azimuth), -np.sin(pitch), np.cos(pitch) * np.sin(azimuth)])
            else:
                goal = flat
            bone = turned @ (ends[k] - points[joint])
            local_goal = turned.T @ goal
            local_bone = turned.T @ bone
            rotations[joint] = _rotation_between(local_bone, local_goal)
            turned = turned @ rotations[joint]
    return Canonical(axes, rotations)


def transforms(joints: np.ndarray, rotations: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """World rotations [..., 16, 3, 3] and posed joints [..., 16, 3] of rest joints [..., 16, 3] and local rotations."""
    world = np.zeros((*joints.shape[:-1], 3, 3)) + np.eye(3)
    posed = np.array(joints)
    for joint in range(1, 16):
        parent = MODEL_PARENTS[joint]
        world[..., joint, :, :] = world[..., parent, :, :] @ rotations[..., joint, :, :]
        bone = joints[..., joint, :] - joints[..., parent, :]
        posed[..., joint, :] = posed[..., parent, :] + (world[..., parent, :, :] @ bone[..., None])[..., 0]
    return world, posed


def skin(
    vertices: np.ndarray, joints: np.ndarray, weights: np.ndarray, rotations: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Linear blend skinning of vertices [..., V, 3]; posed vertices and joints."""
    world, posed = transforms(joints, rotations)
    offset = posed - (world @ joints[..., None])[..., 0]
    blended = np.einsum("vj,...jab->...vab", weights, world)
    moved = (blended @ vertices[..., None])[..., 0] + np.einsum("vj,...ja->...va", weights, offset)
    return moved, posed


def apply(
    canonical: Canonical, vertices: np.ndarray, joints: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Vertices [S, V, 3] and joints [S, 16, 3] of flat hands in the canonical frame, origin at the middle knuckle."""
    count = len(vertices)
    rotations = np.broadcast_to(canonical.rotations, (count, 16, 3, 3))
    flat, posed = skin(vertices @ canonical.axes.T, joints @ canonical.axes.T, weights, rotations)
    origin = posed[:, 4:5]
    return flat - origin, posed - origin


def recentre(
    vertices: np.ndarray, joints: np.ndarray, base_vertices: np.ndarray, base_joints: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Move the finger joints of flat hands [S, ...] to where real joints lie: palmward, and two knuckles inward.

    anny's bones run close under the skin of the back; bending about them pinches the creases and puts keypoints on
    the surface. How far each joint moves is measured on the base person and scaled by each person's finger depth.
    """
    moved = joints.copy()
    owner = weights.argmax(1)
    size = np.linalg.norm(joints[:, 4] - joints[:, 0], axis=1) / 0.1
    for finger in range(4):
        base = 3 * finger + 1
        towards_wrist = joints[:, 0] - joints[:, base]
        towards_wrist[:, 1] = 0
        towards_wrist /= np.linalg.norm(towards_wrist, axis=1, keepdims=True)
        moved[:, base, 1] -= KNUCKLE_DROP[finger] * size
        moved[:, base] += KNUCKLE_BACK[finger] * size[:, None] * towards_wrist
        for joint in (base + 1, base + 2):
            near = np.isin(owner, (joint - 1, joint)) & (np.abs(base_vertices[:, 0] - base_joints[joint, 0]) < 0.006)
            height = base_vertices[near, 1]
            drop = base_joints[joint, 1] - (height.max() - DEPTH_SHARE * np.ptp(height))
            depth = vertices[:, near, 1].std(1) / base_vertices[near, 1].std()
            moved[:, joint, 1] -= drop * depth
    return moved
