"""Sampled poses and views held against recorded motion of real hands.

    python -m benchmarks.pose_coverage RECORDINGS.npz [--samples 20000] [--json FILE] [--sheet FILE.jpg]

RECORDINGS.npz holds what a tracking sensor's recordings say of N hands: ``joints`` [N, 5, 4, 3] (thumb to little
finger; three joints and tip), ``palm_normal`` and ``direction`` [N, 3] (out of the palm; from the palm to the fingers),
``side`` [N], ``confidence`` [N] 0..1, ``timestamp`` [N] microseconds, ``recording`` [N] into ``recordings``.

A recorded hand gives the directions of its bones in the frame of its palm; the open hand's bones are laid along them.
So all hands have the same bones, and differ in their pose alone. The distance of two poses is the mean over 21 joints
after the best similarity (Procrustes), as the aligned MPJPE is. The nearest sample is looked for among the 24 that are
nearest before that alignment, so shares of covered poses are at least those given. Joint angles are azimuth and flexion
of each bone against the one before, at the open hand's axes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from benchmarks.pose_views import numbers, sheet, view_shares
from handsss.data.online.painter import OnlineSettings
from handsss.data.online.poses import PoseBank
from handsss.data.synthetic.poses import grasp_pose
from handsss.geometry.procrustes import aligned_distances
from handsss.hand.joints import FINGERS, MODEL_FINGERS
from handsss.hand.load import load_model
from handsss.hand.sampling import collides, euler_matrices, finger_radii, joint_positions, sample_poses
from handsss.hand.wide_sampling import sample_wide_poses

WITHIN = (4, 5, 6, 8, 10)  # mm
SURE = 0.5  # confidence of the sensor above which a hand counts
_CANDIDATES = 24
_ROWS = [FINGERS.index(finger) for finger in MODEL_FINGERS]


class Recorded(NamedTuple):
    """Recorded hands, left ones mirrored."""

    directions: np.ndarray  # [N, 5, 3, 3] unit vectors of the bones in the model's frame; fingers in the model's order
    confidence: np.ndarray  # [N]
    seconds: np.ndarray  # [N]
    track: np.ndarray  # [N] hands of one recording and side have the same
    recording: np.ndarray  # [N] its name


class Skeleton:
    """The open hand's bones."""

    def __init__(self) -> None:
        self.model = load_model("open-detail")
        assert self.model.bone_frames is not None
        self.frames = self.model.bone_frames
        self.joints = self.model.j_regressor @ self.model.v_template
        self.tips = self.model.v_template[self.model.tips]
        chains = [[3 * finger + k for k in (1, 2, 3)] for finger in range(5)]
        points = np.concatenate([self.joints[chains], self.tips[:, None]], 1)  # [5, 4, 3]
        self.bases, bones = points[:, 0], np.diff(points, axis=1)
        self.lengths = np.linalg.norm(bones, axis=-1)
        self.radii = finger_radii(self.model, self.joints)

    def posed(self, poses: np.ndarray) -> np.ndarray:
        """Joints [N, 21, 3] m of poses [N, 15, 3] axis-angle."""
        rotations = Rotation.from_rotvec(poses.reshape(-1, 3)).as_matrix().reshape(-1, 15, 3, 3)
        return joint_positions(self.joints, self.tips, rotations)

    def laid_along(self, directions: np.ndarray) -> np.ndarray:
        """Joints [N, 21, 3] m of bones along directions [N, 5, 3, 3]."""
        chain = self.bases[:, None] + np.cumsum(self.lengths[..., None] * directions, axis=2)  # [N, 5, 3, 3]
        joints = np.empty((len(directions), 21, 3))
        joints[:, 0] = self.joints[0]
        for finger in range(5):
            joints[:, 3 * finger + 1] = self.bases[finger]
            joints[:, [3 * finger + 2, 3 * finger + 3, 16 + finger]] = chain[:, finger]
        return joints

    def directions(self, joints: np.ndarray) -> np.ndarray:
        """Directions [N, 5, 3, 3] of the bones of joints [N, 21, 3]."""
        chains = [[3 * finger + 1, 3 * finger + 2, 3 * finger + 3, 16 + finger] for finger in range(5)]
        bones = np.diff(joints[:, chains], axis=2)
        found: np.ndarray = bones / np.linalg.norm(bones, axis=-1, keepdims=True)
        return found

    def angles(self, directions: np.ndarray) -> np.ndarray:
        """Azimuth, flexion and roll (0) [N, 15, 3] in degrees that turn the flat hand's bones into directions."""
        angles = np.zeros((len(directions), 15, 3))
        for finger in range(5):
            world = np.eye(3)[None]
            for bone in range(3):
                joint = 3 * finger + bone
                frame = self.frames[joint]
                # At rest the bone is the frame's first axis; turned it is (cos a cos p, sin a, -cos a sin p).
                own = np.einsum("nji,nj->ni", world, directions[:, finger, bone]) @ frame
                angles[:, joint, 0] = np.arcsin(np.clip(own[:, 1], -1, 1))
                angles[:, joint, 1] = np.arctan2(-own[:, 2], own[:, 0])
                world = world @ euler_matrices(angles[:, joint : joint + 1], frame[None])[:, 0]
        return np.degrees(angles)


def read(path: Path) -> Recorded:
    """Recorded hands of a file (see above)."""
    with np.load(path, allow_pickle=False) as file:
        joints, normal, direction = (file[name].astype(np.float64) for name in ("joints", "palm_normal", "direction"))
        left, recording, names = file["side"] == "left", file["recording"], file["recordings"]
        confidence, seconds = file["confidence"], file["timestamp"] / 1e6
    for values in (joints, normal, direction):
        values[left, ..., 0] *= -1
    axes = np.stack([-direction, -normal, np.cross(direction, normal)], 1)  # the model's axes: fingers -x, palm -y
    bones = np.einsum("nij,nfbj->nfbi", axes, np.diff(joints, axis=2)[:, _ROWS])
    bones /= np.linalg.norm(bones, axis=-1, keepdims=True)
    return Recorded(bones, confidence, seconds, 2 * recording + left, names[recording])


def distances(joints: np.ndarray, others: np.ndarray) -> np.ndarray:
    """[N] mm between poses [N, 21, 3] m."""
    apart: np.ndarray = 1e3 * aligned_distances(others, joints).mean(-1)
    return apart


def nearest(joints: np.ndarray, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance [N] mm of poses [N, 21, 3] to the nearest of samples [M, 21, 3], and which that is."""
    flat, centred = (
        torch.as_tensor((p - p.mean(1, keepdims=True)).reshape(len(p), -1), dtype=torch.float32)
        for p in (joints, samples)
    )
    half = (centred**2).sum(1) / 2
    found, which = [], []
    for first in range(0, len(joints), 256):
        some = joints[first : first + 256]
        candidates = (
            (flat[first : first + 256] @ centred.T - half).topk(min(_CANDIDATES, len(samples)), 1).indices.numpy()
        )
        apart = distances(np.repeat(some, candidates.shape[1], 0), samples[candidates.ravel()])
        apart = apart.reshape(candidates.shape)
        best = apart.argmin(1)
        found.append(apart.min(1))
        which.append(np.take_along_axis(candidates, best[:, None], 1)[:, 0])
    return np.concatenate(found), np.concatenate(which)


def online(count: int, seed: int) -> np.ndarray:
    """Poses [count, 15, 3] of the pictures of ``train --data online``."""
    bank = PoseBank(OnlineSettings().poses, seed, torch.device("cpu"))
    poses: np.ndarray = bank.poses(numbers(seed, 0, count)).double().numpy()
    return poses


def wide(count: int, seed: int) -> np.ndarray:
    """Poses of the wide sampler."""
    rng, model = np.random.default_rng(seed), load_model("open-detail")
    return np.concatenate([sample_wide_poses(model, 1000, rng) for _ in range(-(-count // 1000))])[:count]


def coupled(count: int, seed: int) -> np.ndarray:
    """Poses as ``synthesize`` has them by default: two in three of the coupled sampler, else named grasps."""
    rng, model = np.random.default_rng(seed), load_model("open-detail")
    grasps = round(0.35 * count)
    named = [grasp_pose(model, rng)[None] for _ in range(grasps)]
    usual = [sample_poses(model, 1000, rng) for _ in range(-(-(count - grasps) // 1000))]
    return np.concatenate([*named, np.concatenate(usual)[: count - grasps]])


def shares(apart: np.ndarray, sure: np.ndarray) -> dict[str, Any]:
    """Shares of poses that lie within some distances of a sample, of surely recorded hands and of all."""
    result: dict[str, Any] = {}
    for name, some in (("confidence above 0.5", apart[sure]), ("all", apart)):
        result[name] = {f"within {limit} mm, %": round(100 * float((some < limit).mean()), 1) for limit in WITHIN}
        result[name] |= {f"p{p}_mm": round(float(np.percentile(some, p)), 2) for p in (50, 95, 99)}
    return result


def motion(recorded: Recorded, joints: np.ndarray, lag: float) -> dict[str, Any]:
    """How far hands get in ``lag`` seconds."""
    apart = []
    for track in np.unique(recorded.track):
        rows = np.flatnonzero(recorded.track == track)
        later = np.searchsorted(recorded.seconds[rows], recorded.seconds[rows] + lag)
        here = rows[later < len(rows)]
        apart.append(distances(joints[here], joints[rows[later[later < len(rows)]]]))
    values = np.concatenate(apart)
    return {f"p{p}_mm": round(float(np.percentile(values, p)), 2) for p in (50, 75, 90, 95)}


def distribution(angles: np.ndarray) -> dict[str, Any]:
    """Percentiles of joint angles, and how angles go together."""
    result: dict[str, Any] = {"percentiles 5, 50, 95": {}}
    for finger, name in enumerate(MODEL_FINGERS):
        for bone in range(3):
            for axis, kind in ((1, "flexion"),) + (((0, "azimuth"),) if bone == 0 else ()):
                values = np.percentile(angles[:, 3 * finger + bone, axis], (5, 50, 95))
                result["percentiles 5, 50, 95"][f"{name}{bone + 1} {kind}"] = values.round(1).tolist()
    flexion = angles[..., 1]

    def together(a: int, b: int) -> float:
        return round(float(np.corrcoef(flexion[:, a], flexion[:, b])[0, 1]), 2)

    neighbours = {"index, middle": (0, 3), "middle, ring": (3, 9), "ring, little": (9, 6), "index, little": (0, 6)}
    result["correlation of knuckles"] = {name: together(a, b) for name, (a, b) in neighbours.items()}
    result["correlation of middle joints"] = {name: together(a + 1, b + 1) for name, (a, b) in neighbours.items()}
    result["correlation of knuckle and middle joint"] = {MODEL_FINGERS[f]: together(3 * f, 3 * f + 1) for f in range(4)}
    result["correlation of middle and end joint"] = {MODEL_FINGERS[f]: together(3 * f + 1, 3 * f + 2) for f in range(4)}
    return result


def outside(angles: np.ndarray, limits: np.ndarray) -> dict[str, float]:
    """Percent of recorded hands whose angles lie over 2 degrees outside the open hand's limits."""
    beyond = (angles < limits[..., 0] - 2) | (angles > limits[..., 1] + 2)
    names = [
        f"{finger}{bone} {axis}" for finger in MODEL_FINGERS for bone in (1, 2, 3) for axis in ("azimuth", "flexion")
    ]
    values = 100 * beyond[..., :2].reshape(len(beyond), -1).mean(0)
    return {name: round(float(value), 1) for name, value in zip(names, values, strict=True) if value >= 1}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", type=Path)
    parser.add_argument("--samples", type=int, default=20000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    skeleton, recorded = Skeleton(), read(options.recordings)
    joints, sure = skeleton.laid_along(recorded.directions), recorded.confidence > SURE
    angles = skeleton.angles(recorded.directions)
    figures: dict[str, Any] = {"hands": len(joints), "confidence above 0.5": int(sure.sum())}
    figures["a tenth of a second apart"] = motion(recorded, joints, 0.1)
    figures["percent outside the limits"] = outside(angles[sure], skeleton.model.limits_deg)
    figures["percent that the samplers call a collision"] = round(
        100 * collides(joints[sure], skeleton.radii).mean(), 1
    )
    figures["recorded"] = distribution(angles[sure])
    several: list[tuple[str, Callable[[int, int], np.ndarray], int, int]] = [
        ("coupled sampler and grasps", coupled, options.samples, 1),
        ("wide sampler", wide, options.samples, 1),
        ("online pictures", online, options.samples, options.seeds),
        ("online pictures, five times as many", online, 5 * options.samples, 1),
    ]
    for name, sampler, count, seeds in several:
        runs = []
        for seed in range(seeds):
            samples = skeleton.posed(sampler(count, seed))
            apart, which = nearest(joints, samples)
            runs.append(shares(apart, sure))
        row: dict[str, Any] = {"samples": count, "seeds": runs}
        row["by recording, median mm"] = {
            str(key): round(float(np.median(apart[recorded.recording == key])), 1)
            for key in np.unique(recorded.recording)
        }
        row["percent with a collision"] = round(100 * collides(samples[:4000], skeleton.radii).mean(), 1)
        row |= distribution(skeleton.angles(skeleton.directions(samples)))
        figures[name] = row
        print(name, json.dumps(runs[0]["confidence above 0.5"]), flush=True)
        if options.sheet and name == "online pictures":
            sheet(options.sheet, angles, skeleton.angles(skeleton.directions(samples[which])), apart, recorded)
    figures["views"] = view_shares(options.samples)
    print(json.dumps(figures["views"], indent=1))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
