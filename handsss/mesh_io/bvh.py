"""Biovision hierarchy: a hand's skeleton and its poses, one a frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from handsss.hand.joints import MODEL_JOINTS
from handsss.mesh_io.rig import Rig

_TURNS = "Zrotation Xrotation Yrotation"  # R = Rz Rx Ry, degrees


def bvh_bytes(rig: Rig, rotations: np.ndarray, wrist: np.ndarray, frame_time: float = 1 / 30) -> bytes:
    """The skeleton of a rig in a row of poses.

    Offsets are those of the flat hand with the hand's shape and scale in them, metres, since the format has no scale;
    the position of the wrist is in the viewers' axes (y up). Bones end at the fingertips of the flat hand.

    Args:
        rig: the skeleton.
        rotations: [F, 16, 3, 3] the wrist's in the viewers' axes, then each joint's in its parent.
        wrist: [F, 3] metres, viewers' axes.
        frame_time: seconds.
    """
    frames = len(rotations)
    if rotations.shape != (frames, 16, 3, 3) or wrist.shape != (frames, 3) or frames == 0:
        raise ValueError(f"expected rotations [F, 16, 3, 3] and wrist [F, 3], got {rotations.shape}, {wrist.shape}")
    order: list[int] = []
    lines = ["HIERARCHY", *_joint_lines(rig, 0, 0, order)]
    lines += ["MOTION", f"Frames: {frames}", f"Frame Time: {frame_time:.7f}"]
    angles = Rotation.from_matrix(rotations[:, order].reshape(-1, 3, 3)).as_euler("ZXY", degrees=True)
    # Turns of 360 degrees are no motion: programs interpolate angles between frames.
    angles = np.unwrap(angles.reshape(frames, 48), period=360, axis=0)
    for place, turned in zip(wrist, angles, strict=True):
        lines.append(" ".join([*(f"{value:.7f}" for value in place), *(f"{value:.6f}" for value in turned)]))
    return ("\n".join(lines) + "\n").encode("ascii")


def photo_bvh_bytes(rig: Rig) -> bytes:
    """One frame: the pose of the photo."""
    return bvh_bytes(rig, rig.rotations[None], rig.translation[None])


def _joint_lines(rig: Rig, joint: int, depth: int, order: list[int]) -> Sequence[str]:
    """The block of a joint and those below it; ``order`` gets the joints as their channels come."""
    order.append(joint)
    parent = rig.parents[joint]
    outer, inner = "\t" * depth, "\t" * (depth + 1)
    offset = np.zeros(3) if parent < 0 else rig.scale * (rig.joints[joint] - rig.joints[parent])
    channels = f"3 {_TURNS}" if parent >= 0 else f"6 Xposition Yposition Zposition {_TURNS}"
    lines = [
        f"{outer}{'ROOT' if parent < 0 else 'JOINT'} {MODEL_JOINTS[joint]}",
        f"{outer}{{",
        f"{inner}OFFSET {_numbers(offset)}",
        f"{inner}CHANNELS {channels}",
    ]
    children = [child for child, above in enumerate(rig.parents) if above == joint]
    for child in children:
        lines += _joint_lines(rig, child, depth + 1, order)
    if not children:
        tip = rig.scale * (rig.tips[(joint - 1) // 3] - rig.joints[joint])
        lines += [f"{inner}End Site", f"{inner}{{", f"{inner}\tOFFSET {_numbers(tip)}", f"{inner}}}"]
    return [*lines, f"{outer}}}"]


def _numbers(values: np.ndarray) -> str:
    return " ".join(f"{value:.7f}" for value in values)
