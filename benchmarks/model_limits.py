"""Joint limits of fits with a MANO-format hand model: table 1 as a prior of 3 degrees, of 20, none, the model's own.

    python -m benchmarks.model_limits [--hands 100] [--noise 0.012] [--json FILE]

MANO's files cannot be passed on. The models here are made by the tests (tests/mano_hands.py): the open hand in MANO's
layout, and the same with a half-bent, fanned and twisted rest pose, whose joints turn about other axes and whose poses
leave table 1 by as much as MANO's own do. Hands in poses that the model was not made from are seen from all round, half
a metre away, with random shapes; their 21 keypoints get Gaussian noise of a share of their box and are fitted, from the
true hand and from the search. Scored are the 21 joints after similarity alignment, without reflection.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from handsss.fitting.keypoint_fit import KeypointFitter
from handsss.fitting.levenberg_marquardt import minimise
from handsss.fitting.observation import observation_of
from handsss.fitting.problem import FitSettings, HandParameters, KeypointProblem, Observation
from handsss.geometry.cameras import intrinsics_from_fov, project
from handsss.geometry.procrustes import aligned_distances
from handsss.hand.layer import HandLayer
from handsss.hand.limits import limit_excess, mano_angles
from handsss.hand.load import load_model
from handsss.hand.model import HandModel, model_from_arrays
from handsss.hand.own_poses import registered_coefficients
from tests.mano_hands import Arrays, bent_arrays, bent_poses, handlike_arrays, open_poses

NONE_DEG = 1e6  # a standard deviation at which limits do nothing
BATCH = 10
STEPS = 21  # as many as the fit takes of its best hypotheses


class Hands(NamedTuple):
    """Hands and their keypoints in the picture."""

    poses: Tensor  # [N, 45] axis-angle relative to the flat hand, radians
    shapes: Tensor  # [N, 10]
    rotations: Tensor  # [N, 3, 3]
    translations: Tensor  # [N, 3] metres
    joints: np.ndarray  # [N, 21, 3] metres
    observations: list[Observation]


def mano_model(arrays: Arrays) -> HandModel:
    """As :func:`handsss.hand.mano.load_file` makes it."""
    coefficients = registered_coefficients(arrays)
    assert coefficients is not None
    given = arrays | {"hands_std": coefficients.std(0)}
    return model_from_arrays(given, name="mano", side="right", source="benchmark", mano=True)


def without_poses(arrays: Arrays) -> HandModel:
    """The same file without its poses, so that mean, components and their deviations must do."""
    std = arrays["hands_coeffs"].std(0)
    rest = {key: value for key, value in arrays.items() if key != "hands_coeffs"}
    return model_from_arrays(rest | {"hands_std": std}, name="mano", side="right", source="benchmark", mano=True)


def upright_arrays() -> Arrays:
    """The open hand's layout, made from the open hand's own poses."""
    arrays = handlike_arrays()
    coefficients = (open_poses(1554, seed=1) - arrays["hands_mean"]) @ arrays["hands_components"].T
    return arrays | {"hands_coeffs": coefficients}


def hands(model: HandModel, poses: np.ndarray, noise: float, seed: int) -> Hands:
    """Hands in poses [N, 45], and what a detector with such noise (of the box's longer side) sees of them."""
    rng = np.random.default_rng(seed)
    count = len(poses)
    layer = HandLayer(model, flat_hand_mean=True, dtype=torch.float64)
    rotations = torch.as_tensor(Rotation.random(count, rng=rng).as_matrix())
    shapes = torch.as_tensor(0.7 * rng.normal(size=(count, 10)))
    translations = torch.tensor([[0.0, 0.0, 0.5]], dtype=torch.float64).expand(count, 3)
    given = torch.as_tensor(poses)
    output = layer(axis_angle=given, shape=shapes, rotation=rotations, translation=translations)
    intrinsics = intrinsics_from_fov(60.0, 640, 640)
    joints = layer.keypoints(output, "joints")
    pixels = project(joints, torch.as_tensor(intrinsics, dtype=torch.float64).expand(count, 3, 3)).numpy()
    box = np.ptp(pixels, axis=1).max(1)[:, None, None]
    seen = pixels + noise * box * rng.normal(size=pixels.shape)
    observations = [observation_of(np.concatenate([one, np.ones((21, 1))], 1), intrinsics) for one in seen]
    return Hands(given, shapes, rotations, translations, joints.numpy(), observations)


def searched(model: HandModel, given: Hands, settings: FitSettings) -> dict[str, float]:
    """Errors of fits as ``handsss reconstruct`` makes them from keypoints alone."""
    fitter = KeypointFitter(model, "joints", settings, start="search")
    fits = []
    for first in range(0, len(given.observations), BATCH):
        part = given.observations[first : first + BATCH]
        fits += [fit.parameters for fit in fitter.fit_batch(part, [None] * len(part))]
    return scores(fitter.problem, HandParameters.concat(fits), given)


def from_truth(model: HandModel, given: Hands, settings: FitSettings) -> dict[str, float]:
    """Errors of fits that start from the true hand: what priors do to it, without what the search misses."""
    problem = KeypointProblem(model, model.keypoint_set("joints"), settings)
    pose = problem.space.coefficients(given.poses.reshape(-1, 15, 3))
    truth = HandParameters.under_model_prior(given.rotations, given.translations, pose, given.shapes)
    count = len(given.observations)
    fits = []
    for rows in torch.arange(count).split(BATCH):
        observation = Observation.stack([given.observations[row] for row in rows])
        fits.append(minimise(problem, truth.select(rows), observation, STEPS, torch.arange(len(rows))).parameters)
    return scores(problem, HandParameters.concat(fits), given)


def scores(problem: KeypointProblem, found: HandParameters, given: Hands) -> dict[str, float]:
    """Errors of the 21 joints after similarity alignment."""
    joints = problem.keypoints(found)[0].numpy()
    errors = aligned_distances(joints, given.joints).mean(1)
    return {
        "aligned_mm": 1e3 * float(errors.mean()),
        "median_mm": 1e3 * float(np.median(errors)),
        "p90_mm": 1e3 * float(np.percentile(errors, 90)),
    }


def outside(poses: np.ndarray, limits_deg: np.ndarray) -> dict[str, float]:
    """How far poses [N, 45] leave limits: degrees a joint, and squared sigmas of 3 degrees a pose."""
    angles = mano_angles(torch.as_tensor(poses.reshape(-1, 15, 3)))
    excess = torch.rad2deg(limit_excess(angles, torch.deg2rad(torch.as_tensor(limits_deg))))
    return {
        "degrees_a_joint": float(excess.sum(-1).mean()),
        "squared_sigmas_a_pose": float((excess / 3).square().sum((1, 2)).mean()),
    }


def ways(arrays: Arrays) -> dict[str, tuple[HandModel, FitSettings]]:
    """What is compared, by name."""
    own = mano_model(arrays)
    table1 = replace(own, fit_limits_deg=own.limits_deg)
    return {
        "table 1, 3 degrees": (table1, FitSettings(limit_sigma_deg=3.0)),
        "table 1, 20 degrees": (table1, FitSettings(limit_sigma_deg=20.0)),
        "no limits": (table1, FitSettings(limit_sigma_deg=NONE_DEG)),
        "the model's own poses": (own, FitSettings()),
        "mean and components alone": (without_poses(arrays), FitSettings()),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hands", type=int, default=100)
    parser.add_argument("--noise", type=float, default=0.012, help="of keypoints, over the longer side of their box")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    models = {
        "bent": (bent_arrays(), bent_poses(options.hands, seed=2)),
        "upright": (upright_arrays(), open_poses(options.hands, seed=2)),
    }
    figures: dict[str, object] = {"hands": options.hands, "noise": options.noise}
    open_hand = load_model("open")
    given = hands(open_hand, open_poses(options.hands, seed=2), options.noise, seed=3)
    control = {
        "from the true hand": from_truth(open_hand, given, FitSettings()),
        "searched": searched(open_hand, given, FitSettings()),
    }
    figures["the open hand itself"] = control
    print(f"the open hand itself: {json.dumps(control)}", flush=True)
    for name, (arrays, poses) in models.items():
        given = hands(mano_model(arrays), poses, options.noise, seed=3)
        limits = mano_model(arrays)
        lines: dict[str, object] = {
            "outside table 1": outside(poses, limits.limits_deg),
            "outside the model's own limits": outside(poses, limits.fit_limits_deg),
        }
        for way, (model, settings) in ways(arrays).items():
            lines[f"{way}, from the true hand"] = from_truth(model, given, settings)
            lines[f"{way}, searched"] = searched(model, given, settings)
        for what, values in lines.items():
            assert isinstance(values, dict)
            print(f"{name}, {what}: {json.dumps({key: round(value, 3) for key, value in values.items()})}", flush=True)
        figures[name] = lines
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
