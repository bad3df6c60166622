"""Measure where on the open hand a detector puts its 21 keypoints, and store that as a named keypoint set.

Hands of known geometry are rendered with varied skin, light and backgrounds, the detector is run over them, and for
every keypoint the sparse, non-negative, local combination of vertices is sought whose projections explain the
detections best. Half of the renders are held out.

    python -m tools.measure_keypoints --renders 900 --report docs/keypoints-report.json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageFilter
from scipy.optimize import nnls
from scipy.spatial.transform import Rotation

from handsss.detect.detector import HandDetector
from handsss.geometry.cameras import intrinsics_from_fov
from handsss.hand.joints import joint_order
from handsss.hand.layer import HandLayer
from handsss.hand.load import load_model
from handsss.hand.model import HandModel, read_npz
from handsss.hand.open_hand import OPEN_MODELS
from handsss.hand.sampling import sample_poses
from handsss.rendering import render

NAME = "mediapipe"
SIZE = 448  # px of the square renders
LOCAL_RADIUS = 0.035  # metres: how far from a joint, in the flat hand, its keypoint's vertices may lie
MAXIMUM_VERTICES = 8


class Renders(NamedTuple):
    """Hands of known geometry and what the detector made of them."""

    vertices: dict[str, np.ndarray]  # model name -> [N, V, 3] metres, camera frame
    detected: np.ndarray  # [N, 21, 3] px, confidence
    intrinsics: np.ndarray  # [3, 3]
    tried: int


def _skin(model: HandModel, rng: np.random.Generator) -> np.ndarray:
    """Vertex colours [V, 3]: a skin tone, a lighter palm, nails, blotches."""
    tone = np.array([0.36, 0.22, 0.15]) + rng.random() * (np.array([0.93, 0.74, 0.64]) - [0.36, 0.22, 0.15])
    colours = np.tile(tone * rng.uniform(0.9, 1.05, 3), (model.vertex_count, 1))
    normals_down = np.zeros(model.vertex_count)
    corners = model.v_template[model.faces]
    face_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    for corner in range(3):
        np.add.at(normals_down, model.faces[:, corner], -face_normals[:, 1])
    colours[normals_down > 0] += rng.uniform(0.02, 0.10)
    if model.nail_faces is not None:
        colours[np.unique(model.faces[model.nail_faces])] += np.array([0.10, 0.04, 0.05])
    waves = np.sin(model.v_template @ rng.normal(0, 250, (3, 6)) + rng.uniform(0, 6, 6)).mean(1)
    return np.clip(colours * (1 + 0.06 * waves[:, None]), 0, 1)


def _background(rng: np.random.Generator) -> np.ndarray:
    """Smooth random picture [SIZE, SIZE, 3] in colours other than the skin's lightness alone."""
    coarse = rng.uniform(0, 1, (rng.integers(2, 7), rng.integers(2, 7), 3)) * rng.uniform(0.3, 1)
    picture = Image.fromarray((coarse * 255).astype(np.uint8)).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    noise = rng.normal(0, rng.uniform(0, 12), (SIZE, SIZE, 1))
    return np.clip(np.asarray(picture, dtype=np.float64) + noise, 0, 255) / 255


def make_renders(count: int, seed: int) -> Renders:
    """Render ``count`` hands and detect them; those not found or found on the wrong side are left out."""
    rng = np.random.default_rng(seed)
    layers = {name: HandLayer(load_model(name), flat_hand_mean=True) for name in OPEN_MODELS}
    detail = load_model("open-detail")
    intrinsics = intrinsics_from_fov(SIZE, SIZE)
    camera = torch.as_tensor(intrinsics, dtype=torch.float32)
    poses = sample_poses(detail, count, rng)
    detector = HandDetector()
    vertices: dict[str, list[np.ndarray]] = {name: [] for name in layers}
    detected = []
    for pose in poses:
        rotation = Rotation.random(rng=rng)
        if rng.random() < 0.6:  # as people hold hands up: fingers roughly upwards, palm or back to the camera
            upright = Rotation.from_matrix([[0, 0, 1], [1, 0, 0], [0, 1, 0]])
            turn = rng.choice([0.0, np.pi]) + rng.normal(0, 0.6)
            rotation = Rotation.from_euler("ZXY", [*rng.normal(0, 0.4, 2), turn]) * upright
        shape = torch.as_tensor(rng.normal(0, 0.8, (1, 10)), dtype=torch.float32)
        arguments = {
            "axis_angle": torch.as_tensor(pose, dtype=torch.float32)[None],
            "shape": shape,
            "rotation": torch.as_tensor(rotation.as_matrix(), dtype=torch.float32)[None],
        }
        with torch.no_grad():
            posed = {name: layer(**arguments).vertices[0].double().numpy() for name, layer in layers.items()}
        centre = posed["open-detail"].mean(0)
        depth = rng.uniform(0.32, 0.7)
        offset = np.array([*rng.normal(0, 0.03, 2), depth]) - centre
        light = np.concatenate(
            [[rng.uniform(0.45, 0.8), rng.uniform(0.2, 0.7)], np.ones(6) + rng.normal(0, 0.05, 6), rng.normal(0, 1, 3)]
        )
        light[10] = -abs(light[10]) - 0.3
        placed = {name: points + offset for name, points in posed.items()}
        with torch.no_grad():
            colour = render(
                torch.as_tensor(placed["open-detail"], dtype=torch.float32)[None],
                layers["open-detail"].faces,
                colours=torch.as_tensor(_skin(detail, rng), dtype=torch.float32),
                light=torch.as_tensor(light, dtype=torch.float32)[None],
                intrinsics=camera,
                size=(SIZE, SIZE),
                background=torch.as_tensor(_background(rng), dtype=torch.float32),
            ).colour[0]
        picture = Image.fromarray((colour.clamp(0, 1).numpy() * 255).astype(np.uint8))
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 1.2)))
        found = [d for d in detector.detect(np.asarray(picture)) if d.hand == "right"]
        if not found:
            continue
        best = max(found, key=lambda detection: detection.score)
        detected.append(best.keypoints)
        for name, points in placed.items():
            vertices[name].append(points)
    return Renders({name: np.array(v) for name, v in vertices.items()}, np.array(detected), intrinsics, count)


def _project(points: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    return (points[..., :2] / points[..., 2:]) @ intrinsics[:2, :2].T + intrinsics[:2, 2]


def solve_keypoint(
    vertices: np.ndarray, detected: np.ndarray, sizes: np.ndarray, intrinsics: np.ndarray, candidates: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Non-negative weights that sum to 1 over candidate vertices and explain one keypoint's detections.

    The projection condition ``f X + (c - u) Z = 0`` is linear in the weights. Wrong detections are faded out over
    five reweightings; the largest ``MAXIMUM_VERTICES`` weights are kept and solved again.

    Args:
        vertices: [N, V, 3] camera frame.
        detected: [N, 3] px, confidence.
        sizes: [N] px, of the hands' boxes.
        candidates: vertex ids.

    Returns:
        vertex ids [K] and weights [K].
    """
    weights = np.zeros(0)
    for _ in range(2):
        points = vertices[:, candidates]
        depth = points[..., 2].mean(1)
        scale = (1 / (depth * sizes))[:, None, None]
        x = intrinsics[0, 0] * points[..., 0] + (intrinsics[0, 2] - detected[:, 0:1]) * points[..., 2]
        y = intrinsics[1, 1] * points[..., 1] + (intrinsics[1, 2] - detected[:, 1:2]) * points[..., 2]
        rows = np.stack([x, y], 1) * scale  # [N, 2, K], in parts of the hand's size
        trust = detected[:, 2].copy()
        for _ in range(5):
            weighted = (rows * trust[:, None, None]).reshape(-1, len(candidates))
            # A heavy row for the sum, a light ridge against chance combinations of far vertices.
            system = np.concatenate([weighted, np.full((1, len(candidates)), 1e3), np.eye(len(candidates)) * 0.02])
            right = np.concatenate([np.zeros(len(weighted)), [1e3], np.zeros(len(candidates))])
            weights, _ = nnls(system, right, maxiter=50 * len(candidates))
            error = np.linalg.norm(rows @ weights, axis=1)
            middle = max(float(np.median(error[detected[:, 2] > 0.3])), 1e-4)
            trust = detected[:, 2] / (1 + (error / (2 * middle)) ** 2)
        kept = np.argsort(-weights)[:MAXIMUM_VERTICES]
        kept = kept[weights[kept] > 1e-3]
        candidates, weights = candidates[kept], weights[kept]
    return candidates, weights / weights.sum()


def measure(renders: Renders, name: str) -> tuple[np.ndarray, dict[str, object]]:
    """The keypoint set of one model as a dense [21, V] matrix, and its errors on renders held out."""
    model = load_model(name)
    vertices = renders.vertices[name]
    detected = renders.detected
    layer = HandLayer(model, flat_hand_mean=True, dtype=torch.float64)
    with torch.no_grad():
        flat = layer(axis_angle=torch.zeros(1, 45, dtype=torch.float64)).joints[0].numpy()
    sizes = np.ptp(_project(vertices, renders.intrinsics), axis=1).max(1)
    half = len(vertices) // 2
    matrix = np.zeros((21, model.vertex_count))
    for keypoint in range(21):
        distance = np.linalg.norm(model.v_template - flat[keypoint], axis=1)
        radius = LOCAL_RADIUS if keypoint else 0.055
        candidates = np.flatnonzero(distance < max(radius, np.sort(distance)[30]))
        ids, weights = solve_keypoint(
            vertices[:half], detected[:half, keypoint], sizes[:half], renders.intrinsics, candidates
        )
        matrix[keypoint, ids] = weights
    held = slice(half, None)
    joints = model.keypoint_set("joints")
    outputs = {}
    with torch.no_grad():
        regressed = np.einsum("kv,nvc->nkc", matrix, vertices)
        # Kinematic joints of posed hands cannot be read from vertices exactly; the regressor's joints stand in.
        posed = model.keypoint_set("freihand").vertex_weights @ vertices.transpose(1, 0, 2).reshape(
            model.vertex_count, -1
        )
        posed = posed.reshape(21, len(vertices), 3).transpose(1, 0, 2)
    assert joints.vertex_weights.shape == matrix.shape
    for label, points in (("before (joints)", posed), ("after", regressed)):
        error = np.linalg.norm(_project(points, renders.intrinsics) - detected[..., :2], axis=-1) / sizes[:, None]
        error[detected[..., 2] < 0.5] = np.nan
        outputs[label] = np.round(100 * np.nanmedian(error[held], axis=0), 2).tolist()
    offset = np.linalg.norm(matrix @ model.v_template - flat, axis=1) * 1000
    return matrix, {
        "renders": renders.tried,
        "detected": len(vertices),
        "held_out": len(vertices) - half,
        "keypoints": list(joint_order("openpose")),
        "median_error_percent_of_hand": outputs,
        "distance_from_joint_mm_flat_hand": np.round(offset, 1).tolist(),
        "vertices_used": (matrix > 0).sum(1).tolist(),
    }


def store(path: Path, matrix: np.ndarray) -> None:
    """Add the set to a model's npz; the same content gives the same bytes."""
    arrays = read_npz(path)
    rows, columns = np.nonzero(matrix)
    arrays[f"keypoints_{NAME}_rows"] = rows.astype(np.int32)
    arrays[f"keypoints_{NAME}_columns"] = columns.astype(np.int32)
    # Rounded for reproducibility; each row is closed to an exact sum of 1 by its largest weight.
    rounded = np.round(matrix, 5)
    rounded[np.arange(21), matrix.argmax(1)] += 1 - rounded.sum(1)
    arrays[f"keypoints_{NAME}_values"] = rounded[rows, columns]
    temporary = path.with_suffix(".tmp.npz")
    np.savez_compressed(temporary, **{key: arrays[key] for key in sorted(arrays)})
    temporary.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--renders", type=int, default=900)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--report", type=Path, default=None)
    options = parser.parse_args()
    renders = make_renders(options.renders, options.seed)
    report = {}
    for name, path in OPEN_MODELS.items():
        matrix, report[name] = measure(renders, name)
        store(path, matrix)
    text = json.dumps(report, indent=1)
    if options.report is not None:
        options.report.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
