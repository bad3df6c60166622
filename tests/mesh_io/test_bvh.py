"""BVH files by a reader of the tests' own: its forward kinematics against the hand layer's joints."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from handsss.hand.joints import MODEL_JOINTS, reorder_indices
from handsss.hand.load import load_model
from handsss.hand.result import HandResult
from handsss.mesh_io.bvh import bvh_bytes
from handsss.mesh_io.export import export_mesh
from handsss.mesh_io.rig import rigs_of
from handsss.reconstruction.repose import repose
from tests.conftest import MakeHand

VIEWER = np.array([1.0, -1.0, -1.0])  # camera frame to y up, z towards the viewer


@dataclass
class _Joint:
    name: str
    parent: int
    offset: np.ndarray
    channels: tuple[str, ...]


def read_bvh(text: str) -> tuple[list[_Joint], np.ndarray, float]:
    """Joints (end sites too, without channels), frames [F, channels] and the time of one."""
    words = text.split()
    joints: list[_Joint] = []
    above: list[int] = []
    at = 1
    assert words[0] == "HIERARCHY"
    while words[at] != "MOTION":
        if words[at] in ("ROOT", "JOINT", "End"):
            joints.append(_Joint(words[at + 1], above[-1] if above else -1, np.zeros(3), ()))
            above.append(len(joints) - 1)
            assert words[at + 2] == "{"
            at += 3
        elif words[at] == "OFFSET":
            joints[above[-1]].offset = np.array([float(word) for word in words[at + 1 : at + 4]])
            at += 4
        elif words[at] == "CHANNELS":
            count = int(words[at + 1])
            joints[above[-1]].channels = tuple(words[at + 2 : at + 2 + count])
            at += 2 + count
        else:
            assert words[at] == "}"
            above.pop()
            at += 1
    assert words[at + 1] == "Frames:" and words[at + 3 : at + 5] == ["Frame", "Time:"]
    values = np.array([float(word) for word in words[at + 6 :]]).reshape(int(words[at + 2]), -1)
    return joints, values, float(words[at + 5])


def positions(joints: list[_Joint], frame: np.ndarray) -> dict[str, np.ndarray]:
    """World positions of all joints in one frame, end sites as "NAME end"."""
    worlds: list[np.ndarray] = []
    found, at = {}, 0
    for joint in joints:
        local = np.eye(4)
        local[:3, 3] = joint.offset
        for channel in joint.channels:
            step, value = np.eye(4), frame[at]
            axis = "XYZ".index(channel[0])
            if channel.endswith("position"):
                step[axis, 3] = value
            else:
                one, two = (axis + 1) % 3, (axis + 2) % 3
                cos, sin = np.cos(np.radians(value)), np.sin(np.radians(value))
                step[one, one], step[one, two], step[two, one], step[two, two] = cos, -sin, sin, cos
            local = local @ step
            at += 1
        worlds.append(local if joint.parent < 0 else worlds[joint.parent] @ local)
        name = joint.name if joint.channels else f"{joints[joint.parent].name} end"
        found[name] = worlds[-1][:3, 3]
    assert at == len(frame)
    return found


@pytest.fixture(scope="module")
def both(make_hand: MakeHand) -> list[HandResult]:
    rng, model = np.random.default_rng(2), load_model("open")
    hands = [replace(make_hand(side, seed=4), scale=0.9) for side in ("left", "right")]
    return [repose(hand, model, pose=rng.normal(scale=0.4, size=45), shape=rng.normal(size=10)) for hand in hands]


def kinematic(hand: HandResult) -> np.ndarray:
    """[16, 3] the layer's joints in the viewers' axes, MANO's order."""
    return (hand.kinematic_joints_3d * VIEWER)[reorder_indices("openpose", "ho3d")][:16]


def test_joints_are_those_of_the_layer(both: list[HandResult], tmp_path: Path) -> None:
    files = export_mesh(both, tmp_path / "hands.bvh")
    assert [path.name for path in files] == ["hands_right_1.bvh", "hands.bvh"]
    for hand, path in zip(both, reversed(files), strict=True):
        joints, frames, _ = read_bvh(path.read_text())
        assert len(joints) == 21 and frames.shape == (1, 51)
        found = positions(joints, frames[0])
        np.testing.assert_allclose([found[name] for name in MODEL_JOINTS], kinematic(hand), atol=2e-6)
        # Bones end at the fingertips; the skin of a tip bends a little with the joints above it.
        tips = hand.kinematic_joints_3d[[4, 8, 12, 16, 20]] * VIEWER
        ends = np.array([found[f"{finger}3 end"] for finger in ("thumb", "index", "middle", "ring", "little")])
        assert np.linalg.norm(tips - ends, axis=1).max() < 0.005


def test_many_frames_do_not_jump(both: list[HandResult]) -> None:
    model = load_model("open")
    hands = [
        repose(both[0], model, rotation=[0, 0, angle], translation=[0, 0, 0.4 + 0.01 * angle])
        for angle in np.linspace(2, 9, 24)  # more than a whole turn
    ]
    rigs = rigs_of(hands)
    content = bvh_bytes(rigs[0], np.stack([r.rotations for r in rigs]), np.stack([r.translation for r in rigs]), 0.04)
    joints, frames, time = read_bvh(content.decode())
    assert time == pytest.approx(0.04) and len(frames) == 24
    for hand, frame in zip(hands, frames, strict=True):
        found = positions(joints, frame)
        np.testing.assert_allclose([found[name] for name in MODEL_JOINTS], kinematic(hand), atol=2e-6)
    assert np.abs(np.diff(frames[:, 3])).max() < 30  # degrees, about z


def test_shapes_are_checked(both: list[HandResult]) -> None:
    (rig,) = rigs_of(both[:1])
    with pytest.raises(ValueError, match=r"expected rotations \[F, 16, 3, 3\]"):
        bvh_bytes(rig, rig.rotations, rig.translation)
