"""Several photos of one person's hand: what a shared shape is worth, on rendered hands of known shape.

    python -m benchmarks.same_hand [--people 10] [--seed 0] [--json FILE]

Each person has 16 pictures, in other poses, light and places. Their hands are detected and fitted as photos without a
camera are, each alone, then with one shape for 4 and for all 16. Bone lengths are those of the fitted shape at rest:
absolute, and at the true size (a single view does not tell size from distance). In a second round one of 16 pictures is
another person's: how its weight compares with those of the rest.
"""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from handsss.data.synthetic.scene import SceneSettings, make_scene
from handsss.fitting.fitted_hand import FittedHand
from handsss.fitting.problem import HandParameters
from handsss.fitting.silhouette_fit import posed_vertices
from handsss.geometry.cameras import intrinsics_from_fov
from handsss.geometry.procrustes import aligned_distances
from handsss.hand.joints import BONES
from handsss.hand.result import CONTRADICTS
from handsss.reconstruction.pipeline import HandPipeline
from handsss.reconstruction.settings import PipelineSettings
from handsss.reconstruction.shared_shape import share_shape

PICTURES = 16
_TOGETHER = 8


class Person(NamedTuple):
    """Fitted hands of one person, and their truth."""

    hands: list[FittedHand]  # to their keypoints
    joints: np.ndarray  # [N, 21, 3] m
    shape: np.ndarray  # [10]


def read(person: int, seed: int, pipeline: HandPipeline) -> Person:
    """Render a person's pictures and fit each alone; those without a detected hand do not count."""
    settings = SceneSettings(seed=seed, pictures_a_person=PICTURES)
    inputs, joints, shape = [], [], np.zeros(10)
    for number in range(person * PICTURES, (person + 1) * PICTURES):
        scene = make_scene(number, "evaluation", settings)
        shape = scene.mano[48:58]
        picture = np.asarray(Image.open(io.BytesIO(scene.picture)).convert("RGB"))
        camera = intrinsics_from_fov(picture.shape[1], picture.shape[0])
        found = pipeline.find_hands(picture, camera, assumed=True).inputs
        if found:
            inputs.append(found[0])
            joints.append(scene.joints)
    hands = []
    for begin in range(0, len(inputs), _TOGETHER):
        hands += pipeline.fitter.fit_keypoints(inputs[begin : begin + _TOGETHER])
    return Person(hands, np.array(joints), shape)


def bone_lengths(pipeline: HandPipeline, shape: np.ndarray) -> np.ndarray:
    """[20] m, at rest."""
    with torch.no_grad():
        rest = pipeline.fitter.layer(
            axis_angle=torch.zeros(1, 45), shape=torch.as_tensor(shape, dtype=torch.float32)[None]
        )
    points = rest.joints[0].double().numpy()
    start, end = np.array(BONES).T
    lengths: np.ndarray = np.linalg.norm(points[end] - points[start], axis=1)
    return lengths


def shared(pipeline: HandPipeline, hands: list[FittedHand]) -> tuple[list[FittedHand], np.ndarray]:
    """Hands of one shape, and their weights."""
    together = share_shape(pipeline.fitter, hands, len(hands))
    return together, np.array([one.shared.weight for one in together if one.shared is not None])


def errors(pipeline: HandPipeline, hands: list[FittedHand], person: Person, rows: list[int]) -> dict[str, list[float]]:
    """Aligned error of each hand, and what its shape says of bones."""
    problem = pipeline.fitter.problem(hands[0].keypoint_set)
    parameters = HandParameters.concat([one.parameters for one in hands])
    with torch.no_grad():
        vertices = posed_vertices(pipeline.fitter.layer, problem, parameters).double().numpy()
    weights = pipeline.model.keypoint_set("freihand").vertex_weights
    own, truth = np.stack([weights @ one for one in vertices]), person.joints[rows]
    apart = aligned_distances(own, truth)
    result: dict[str, list[float]] = {"aligned_mpjpe_mm": (1e3 * apart.mean(1)).tolist()}
    true = bone_lengths(pipeline, person.shape)
    for shape in parameters.shape.numpy():
        lengths = bone_lengths(pipeline, shape)
        scaled = lengths * true.sum() / lengths.sum()
        for name, value in (
            ("bones_mm", 1e3 * np.abs(lengths - true)),
            ("bones_percent", 100 * np.abs(lengths - true) / true),
            ("bones_at_true_size_mm", 1e3 * np.abs(scaled - true)),
            ("bones_at_true_size_percent", 100 * np.abs(scaled - true) / true),
        ):
            result.setdefault(name, []).append(float(value.mean()))
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    pipeline = HandPipeline("open", PipelineSettings(side="right"))
    rows: dict[int, dict[str, list[float]]] = {1: {}, 4: {}, PICTURES: {}}
    strangers: list[float] = []
    usual: list[float] = []
    before: Person | None = None
    for number in range(options.people):
        person = read(number, options.seed, pipeline)
        for count, row in rows.items():
            for begin in range(0, len(person.hands), count):
                some = list(range(begin, min(begin + count, len(person.hands))))
                hands = [person.hands[index] for index in some]
                if len(hands) > 1:
                    hands, weights = shared(pipeline, hands)
                    usual += weights.tolist() if count == PICTURES else []
                hands = pipeline.fitter.fit_outlines(hands)
                for name, values in errors(pipeline, hands, person, some).items():
                    row.setdefault(name, []).extend(values)
        if before is not None:
            _, weights = shared(pipeline, [before.hands[number % len(before.hands)], *person.hands[1:]])
            strangers.append(float(weights[0]))
        before = person
        for count, row in rows.items():
            means = {name: round(float(np.mean(values)), 2) for name, values in row.items()}
            print(f"person {number + 1}, {count} photos: {means}", flush=True)
    figures: dict[str, object] = {"people": options.people, "pictures": len(rows[1]["bones_mm"])}
    for count, row in rows.items():
        figures[f"{count} photos"] = {name: round(float(np.mean(values)), 2) for name, values in row.items()}
    figures["weights"] = {
        "own, mean": round(float(np.mean(usual)), 3),
        "own, share that contradicts": round(float(np.mean(np.array(usual) < CONTRADICTS)), 3),
        "another person's, mean": round(float(np.mean(strangers)), 3),
        "another person's, share that contradicts": round(float(np.mean(np.array(strangers) < CONTRADICTS)), 3),
    }
    print(json.dumps(figures, indent=1))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
