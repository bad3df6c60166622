"""A network's prediction alone on photos, against the detector's keypoints and against the fit with depth.

    python benchmarks/prediction.py PHOTOS... --checkpoint auto --checkpoint runs/ours [--every N] [--json FILE]

The photos have no truth. The reference of a hand is the fit to its keypoints and 3D points without any network
(`--checkpoint none`, without outline): distances to it, after alignment, hold the fit's own errors too. For each
network and folder: that distance over the 21 joints (mm), the distance of its own projected joints from the detected
keypoints (% of the longer side of their box), how far its palm is turned away from the reference's (degrees), and the
share of hands whose prediction the fit would leave out (contradicted by the keypoints).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from handsss.errors import UserError
from handsss.fitting.hand_input import HandInput
from handsss.fitting.keypoint_fit import KeypointFit, KeypointFitter, is_contradicted
from handsss.fitting.network_prediction import NetworkPredictor, PredictorInput, load_predictor
from handsss.geometry.procrustes import aligned_distances
from handsss.io.camera import choose_camera
from handsss.io.image import IMAGE_SUFFIXES, read_image
from handsss.reconstruction.pipeline import HandPipeline
from handsss.reconstruction.settings import PipelineSettings

_BATCH = 16


class Reference(NamedTuple):
    """A detected hand and its fit without a network."""

    input: HandInput  # as a right hand
    fit: KeypointFit
    joints: np.ndarray  # [21, 3] m


def references(folder: Path, every: int) -> tuple[KeypointFitter, list[Reference], int]:
    """The hands of every so-manieth photo, fitted, and how many photos there were."""
    pipeline = HandPipeline("open", PipelineSettings(checkpoint="none", appearance=False))
    photos = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)[::every]
    found: list[HandInput] = []
    for path in photos:
        try:
            photo = read_image(path)
        except UserError as error:
            print(f"{path}: {error}", flush=True)
            continue
        size = photo.array.shape[1], photo.array.shape[0]
        camera = choose_camera(size, exif=photo.exif)
        found += pipeline.find_hands(photo.array, camera.intrinsics, assumed=camera.source == "default").inputs
    fitter = pipeline.fitter
    hands = []
    for first in range(0, len(found), _BATCH):
        for one in fitter.fit_keypoints(found[first : first + _BATCH]):
            points, _ = fitter.problem(one.keypoint_set).keypoints(one.parameters)
            hands.append(Reference(one.input, one.fit, points[0].numpy()))
    own = KeypointFitter(pipeline.model, "mediapipe")
    return own, hands, len(photos)


def own_view(predictor: NetworkPredictor, hands: Sequence[PredictorInput]) -> tuple[np.ndarray, np.ndarray]:
    """What the network says of hands: joints [B, 21, 3] m before a camera that looks at them, upright, and where it
    sees them in the photo [B, 21, 2] px."""
    joints, pixels = [], []
    for first in range(0, len(hands), _BATCH):
        windows, output = predictor.look(hands[first : first + _BATCH], "mediapipe")
        joints.append(output.joints.numpy())
        pixels += [w.to_picture(p) for w, p in zip(windows, output.projected.double().numpy(), strict=True)]
    return np.concatenate(joints), np.stack(pixels)


def palm(joints: np.ndarray) -> np.ndarray:
    """A frame [3, 3] of the palm from wrist, index and little knuckle."""
    along = joints[9] - joints[0]
    along = along / np.linalg.norm(along)
    across = joints[5] - joints[17]
    normal = np.cross(along, across)
    normal = normal / np.linalg.norm(normal)
    return np.stack([along, np.cross(normal, along), normal])


def score(checkpoint: str, fitter: KeypointFitter, hands: Sequence[Reference]) -> dict[str, float]:
    """The figures of one network on the hands of a folder."""
    predictor = load_predictor(checkpoint, "open")
    assert isinstance(predictor, NetworkPredictor)
    inputs = [PredictorInput(hand.input.image, hand.input.intrinsics, hand.input.detection) for hand in hands]
    joints, pixels = own_view(predictor, inputs)
    placed = predictor.predict_batch(inputs)
    apart, of_box, turned, contradicted = [], [], [], []
    for hand, own, seen, prediction in zip(hands, joints, pixels, placed, strict=True):
        apart.append(1e3 * aligned_distances(own.astype(np.float64), hand.joints).mean())
        given = hand.input.detection.keypoints
        used = given[:, 2] > 0
        box = np.ptp(given[used, :2], axis=0).max()
        of_box.append(100 * np.linalg.norm(seen[used] - given[used, :2], axis=1).mean() / box)
        points, _ = fitter.problem.keypoints(fitter.as_parameters(prediction))
        relative = palm(points[0].numpy()) @ palm(hand.joints).T
        turned.append(np.degrees(np.arccos(np.clip((np.trace(relative) - 1) / 2, -1, 1))))
        contradicted.append(is_contradicted(fitter.prediction_off(hand.input.observation, prediction)))
    return {
        "hands": len(hands),
        "to_fit_mm_mean": float(np.mean(apart)),
        "to_fit_mm_median": float(np.median(apart)),
        "to_fit_mm_p90": float(np.quantile(apart, 0.9)),
        "own_keypoints_of_box_percent_mean": float(np.mean(of_box)),
        "own_keypoints_of_box_percent_median": float(np.median(of_box)),
        "palm_turned_degrees_median": float(np.median(turned)),
        "palm_turned_over_90_share": float(np.mean(np.array(turned) > 90)),
        "contradicted_share": float(np.mean(contradicted)),
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--checkpoint", action="append", required=True, help="may be repeated; auto: the bundled one")
    parser.add_argument("--every", type=int, default=1, help="take each so-manieth photo: a quicker look")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    report: dict[str, dict[str, dict[str, float]]] = {}
    for folder in arguments.folders:
        fitter, hands, photos = references(folder, arguments.every)
        print(f"{folder.name}: {len(hands)} hands in {photos} photos", flush=True)
        for checkpoint in arguments.checkpoint:
            figures = score(checkpoint, fitter, hands)
            report.setdefault(checkpoint, {})[folder.name] = figures
            print(checkpoint, json.dumps({name: round(value, 3) for name, value in figures.items()}), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps({"every": arguments.every, "networks": report}, indent=1) + "\n")


if __name__ == "__main__":
    main()
