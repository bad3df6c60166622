"""Build the two files of the open hand and a report of their figures.

    pip install torch==2.13.0 && pip install -r tools/build_open_hand/requirements.txt
    python -m tools.build_open_hand --out handsss/hand/data --report docs/open-hand-report.json

anny keeps a cache of its own; set ANNY_CACHE_DIR to a folder outside the repository. Afterwards run
``python -m tools.measure_keypoints`` to add the detector's keypoint set.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from handsss.hand.sampling import sample_poses
from tools.build_open_hand import atlas, canonical, corrections, shapes, skeleton
from tools.build_open_hand.simplify import Simplified, simplify
from tools.build_open_hand.source import Source, load

PEOPLE, POSES, MUSH_POSES, HELD_OUT = 1500, 6000, 1800, 200


def axis_angle_to_matrix(vectors: np.ndarray) -> np.ndarray:
    """[..., 3] radians to [..., 3, 3]."""
    from scipy.spatial.transform import Rotation

    return Rotation.from_rotvec(vectors.reshape(-1, 3)).as_matrix().reshape(*vectors.shape[:-1], 3, 3)


def build(source: Source, rng: np.random.Generator) -> tuple[dict[str, dict[str, np.ndarray]], dict[str, object]]:
    """Arrays of both files by name, and the report."""
    frame = canonical.fit(source.vertices, source.joints, source.weights)
    flat, joints = canonical.apply(frame, source.samples, source.sample_joints, source.weights)
    base, base_joints = canonical.apply(frame, source.vertices[None], source.joints[None], source.weights)
    weights = skeleton.smooth_weights(source.weights, source.faces, base[0], base_joints[0])
    tips = canonical.fingertips(base[0], base_joints[0], source.weights)
    joints = canonical.recentre(flat, joints, base[0], base_joints[0], source.weights)
    hands, hand_joints = shapes.vary(flat, joints, weights, tips, rng)
    space = shapes.principal_components(hands)
    regressor = shapes.joint_regressor(hands, hand_joints)
    template = np.round(space.mean, 7)
    rest = regressor @ template
    corners = template[source.faces[_thumb_nail(source, template, rest)]]
    dorsal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]).mean(0)
    frames = skeleton.bone_frames(rest, template[tips], dorsal / np.linalg.norm(dorsal))
    sampler = SimpleNamespace(
        v_template=template,
        weights=weights,
        j_regressor=regressor,
        tips=tips,
        limits_deg=skeleton.LIMITS_DEG,
        bone_frames=frames,
    )
    poses = sample_poses(sampler, POSES, rng).reshape(POSES, 45)
    mean_pose = poses.mean(0)
    _, singular, components = np.linalg.svd(poses - mean_pose, full_matrices=False)
    components *= np.sign(components[np.arange(45), np.abs(components).argmax(1)])[:, None]
    deviation = singular / np.sqrt(POSES - 1)
    used = axis_angle_to_matrix(poses[:MUSH_POSES].reshape(-1, 15, 3))
    ring = _ring(source.faces)
    directions, r_squared = corrections.pose_directions(
        template, source.faces, weights, rest, used, ring, held_out=HELD_OUT
    )
    reduced = simplify(template, source.faces, source.uv_faces, source.nail_faces, target=778, ring=16, keep=tips)
    common = {
        "format_version": np.array(1),
        "name": np.array("open"),
        "parents": np.array([-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14]),
        "hands_mean": np.round(mean_pose, 7),
        "hands_components": np.round(components, 9),
        "hands_std": np.round(deviation, 7),
        "bone_frames": np.round(frames, 9),
        "limits_deg": skeleton.LIMITS_DEG,
    }
    detail = common | {
        "v_template": template.astype(np.float32),
        "faces": source.faces,
        "weights": np.round(weights, 5).astype(np.float32),
        "shapedirs": np.round(space.directions, 7).astype(np.float32),
        "posedirs": np.round(directions, 6).astype(np.float32),
        "J_regressor": regressor.astype(np.float32),
        "tips": tips.astype(np.int64),
        "uv": np.round(atlas.repack(source.uv, source.uv_faces, template, source.faces), 5).astype(np.float32),
        "uv_faces": source.uv_faces,
        "nail_faces": source.nail_faces.astype(np.int64),
    }
    low = _reduce(detail, reduced, hands, hand_joints)
    figures = _figures(
        space, regressor, hands, hand_joints, singular, r_squared, template, rest, tips, low, detail, reduced
    )
    return {"open_hand_1649": detail, "open_hand_778": low}, figures


def _thumb_nail(source: Source, template: np.ndarray, joints: np.ndarray) -> np.ndarray:
    middle = template[source.faces[source.nail_faces]].mean(1)
    ends = joints[[3, 6, 9, 12, 15]]
    nearest = np.linalg.norm(middle[:, None] - ends[None], axis=-1).argmin(1)
    return source.nail_faces[nearest == 4]


def _ring(faces: np.ndarray) -> np.ndarray:
    edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), 1)
    unique, count = np.unique(edges, axis=0, return_counts=True)
    ring: np.ndarray = np.unique(unique[count == 1])
    return ring


def _reduce(
    detail: dict[str, np.ndarray], reduced: Simplified, hands: np.ndarray, hand_joints: np.ndarray
) -> dict[str, np.ndarray]:
    """The 778 version: a subset of the vertices, its own joint regressor and compacted texture coordinates."""
    kept = reduced.vertices
    used, index = np.unique(reduced.uv_faces, return_inverse=True)
    low = dict(detail)
    for key in ("v_template", "weights", "shapedirs", "posedirs"):
        low[key] = detail[key][kept]
    low["faces"] = reduced.faces
    low["tips"] = np.searchsorted(kept, detail["tips"])
    low["uv"], low["uv_faces"] = detail["uv"][used], index.reshape(reduced.uv_faces.shape).astype(np.int32)
    low["nail_faces"] = reduced.tagged
    low["lod_index"] = kept
    # Both versions must have the same joints for the same shape: fit to what the detail version's regressor says.
    goal = np.einsum("jv,svc->sjc", detail["J_regressor"].astype(np.float64), hands)
    low["J_regressor"] = shapes.joint_regressor(hands[:, kept], goal).astype(np.float32)
    return low


def _figures(
    space: shapes.ShapeSpace,
    regressor: np.ndarray,
    hands: np.ndarray,
    hand_joints: np.ndarray,
    singular: np.ndarray,
    r_squared: float,
    template: np.ndarray,
    rest: np.ndarray,
    tips: np.ndarray,
    low: dict[str, np.ndarray],
    detail: dict[str, np.ndarray],
    reduced: Simplified,
) -> dict[str, object]:
    """The figures of the report, held out where they can be."""
    from tools.build_open_hand.distance import distances_to_mesh

    tested = slice(750, None)
    error = np.linalg.norm(np.einsum("jv,svc->sjc", regressor, hands[tested]) - hand_joints[tested], axis=-1) * 1000
    low_joints = np.einsum("jv,svc->sjc", low["J_regressor"].astype(np.float64), hands[tested][:, reduced.vertices])
    goal = np.einsum("jv,svc->sjc", regressor, hands[tested])
    surface = distances_to_mesh(template, low["v_template"].astype(np.float64), low["faces"]) * 1000
    return {
        "wrist_to_middle_tip_mm": round(float(np.linalg.norm(template[tips[1]] - rest[0]) * 1000), 2),
        "bone_9_10_mm": round(float(np.linalg.norm(rest[5] - rest[4]) * 1000), 2),
        "shape_explained": round(space.explained, 4),
        "shape_mean_vertex_error_mm": round(space.mean_error * 1000, 3),
        "joint_regression_mean_mm": [round(float(error.mean(0).min()), 3), round(float(error.mean(0).max()), 3)],
        "joint_regression_worst_mm": round(float(error.max()), 2),
        "pose_components_30_explained": round(float((singular[:30] ** 2).sum() / (singular**2).sum()), 5),
        "posedirs_held_out_r2": round(r_squared, 4),
        "lod_surface_mean_mm": round(float(surface.mean()), 3),
        "lod_surface_max_mm": round(float(surface.max()), 3),
        "lod_joints_mean_mm": round(float(np.linalg.norm(low_joints - goal, axis=-1).mean() * 1000), 4),
        "vertices": [len(template), len(low["v_template"])],
        "faces": [len(detail["faces"]), len(low["faces"])],
        "nail_faces": [len(detail["nail_faces"]), len(low["nail_faces"])],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("handsss/hand/data"))
    parser.add_argument("--report", type=Path, default=None)
    parser.add_argument("--seed", type=int, default=20)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    files, figures = build(load(PEOPLE, rng), rng)
    options.out.mkdir(parents=True, exist_ok=True)
    for name, arrays in files.items():
        # numpy stamps every member with 1980-01-01: the same arrays give the same bytes.
        np.savez_compressed(options.out / f"{name}.npz", **{key: arrays[key] for key in sorted(arrays)})
    text = json.dumps(figures, indent=1)
    if options.report is not None:
        options.report.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
