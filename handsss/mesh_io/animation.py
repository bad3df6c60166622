"""Hands in motion for animation files: turns of 16 joints and the way of the wrist, and when a hand is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from handsss.mesh_io.rig import TO_VIEWER, Rig

Accessor = Callable[..., int]  # values [N, k], glTF type, bounds: the number of a new accessor


class JointMotion(NamedTuple):
    """A hand's skeleton over time, in the viewers' axes."""

    seconds: np.ndarray  # [N] increasing, from 0 at the start of the film
    rotations: np.ndarray  # [N, 16, 3, 3] the wrist's, then each joint's in its parent
    wrist: np.ndarray  # [N, 3] metres
    present: tuple[tuple[float, float], ...]  # seconds from and to which the hand is shown


def joint_motion(
    rig: Rig,
    seconds: np.ndarray,
    pose: np.ndarray,
    rotation: np.ndarray,
    translation: np.ndarray,
    present: Sequence[tuple[float, float]],
) -> JointMotion:
    """The motion of a rig's skeleton.

    Args:
        rig: of the hand's shape.
        seconds: [N].
        pose: [N, 45] axis-angle relative to the flat hand.
        rotation: [N, 3] axis-angle about the hand model's origin, camera frame.
        translation: [N, 3] metres, camera frame.
        present: spans in which the hand is shown.
    """
    count = len(seconds)
    local = Rotation.from_rotvec(pose.reshape(-1, 3)).as_matrix().reshape(count, 15, 3, 3)
    turn = Rotation.from_rotvec(rotation).as_matrix()
    wrist = (rig.scale * turn @ rig.joints[0] + translation) @ TO_VIEWER.T
    rotations = np.concatenate([(TO_VIEWER @ turn)[:, None], local], 1)
    return JointMotion(np.asarray(seconds, dtype=np.float64), rotations, wrist, tuple(present))


def held(motion: JointMotion, seconds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotations [F, 16, 3, 3] and wrist [F, 3] at other times: those of the nearest time before, or the first."""
    index = np.clip(np.searchsorted(motion.seconds, seconds + 1e-9) - 1, 0, len(motion.seconds) - 1)
    return motion.rotations[index], motion.wrist[index]


def animation_of(accessor: Accessor, hands: Sequence[tuple[int, int, JointMotion]], end: float) -> dict[str, Any]:
    """A glTF animation of hands.

    Args:
        accessor: adds values to the file.
        hands: node above the skeleton, node of the wrist (the other joints follow it) and motion of each.
        end: seconds, of the film.

    Returns:
        the entry of ``animations``.
    """
    samplers: list[dict[str, Any]] = []
    channels: list[dict[str, Any]] = []

    def channel(node: int, path: str, times: int, values: int, interpolation: str = "LINEAR") -> None:
        channels.append({"sampler": len(samplers), "target": {"node": node, "path": path}})
        samplers.append({"input": times, "output": values, "interpolation": interpolation})

    for above, wrist, motion in hands:
        times = accessor(motion.seconds[:, None], "SCALAR", bounds=True)
        channel(wrist, "translation", times, accessor(motion.wrist, "VEC3"))
        for joint in range(motion.rotations.shape[1]):
            values = accessor(_steady(motion.rotations[:, joint]), "VEC4")
            channel(wrist + joint, "rotation", times, values)
        marks, sizes = _marks(motion.present, end)
        if len(marks) > 1 or not sizes[0]:
            shown = accessor(np.array(marks)[:, None], "SCALAR", bounds=True)
            sized = accessor(np.repeat(np.array(sizes, dtype=np.float64)[:, None], 3, 1), "VEC3")
            channel(above, "scale", shown, sized, "STEP")
    return {"name": "film", "channels": channels, "samplers": samplers}


def _steady(rotations: np.ndarray) -> np.ndarray:
    """Quaternions [N, 4] whose signs do not jump, so that players that mix their numbers turn the short way."""
    values = Rotation.from_matrix(rotations).as_quat()
    flips = np.where((values[1:] * values[:-1]).sum(1) < 0, -1.0, 1.0)
    steady: np.ndarray = values * np.concatenate([[1.0], np.cumprod(flips)])[:, None]
    return steady


def _marks(present: Sequence[tuple[float, float]], end: float) -> tuple[list[float], list[float]]:
    """Times at which a hand appears (size 1) or goes (size 0)."""
    marks: list[float] = []
    sizes: list[float] = []
    for begin, until in present:
        if not marks and begin > 0:
            marks.append(0.0)
            sizes.append(0.0)
        if marks and sizes[-1] == 1.0:
            continue
        marks.append(begin)
        sizes.append(1.0)
        if until < end:
            marks.append(until)
            sizes.append(0.0)
    return marks, sizes
