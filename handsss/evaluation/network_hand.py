"""Predicts one crop for drawing: mesh with texture and light, joints, 2D keypoints."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from handsss.evaluation.ground_truth import DetectedKeypoints
from handsss.evaluation.input_view import as_seen
from handsss.evaluation.samples import Samples
from handsss.geometry.cameras import project
from handsss.training.trained_network import TrainedNetwork
from handsss.visualize.panels import Mesh, clay_mesh


class NetworkHand(NamedTuple):
    """A network's prediction for one crop."""

    mesh: Mesh  # with the network's texture and light, or in one colour where it has none
    textured: bool
    joints: np.ndarray  # [21, 3] m, of the keypoint set that the network was trained on
    projected: np.ndarray  # [21, 2] px, these joints in the crop
    keypoints: np.ndarray | None  # [21, 2] px, of the 2D branch's last stack


def predict_hand(
    trained: TrainedNetwork, crop: np.ndarray, camera: np.ndarray, detected: DetectedKeypoints | None = None
) -> NetworkHand:
    """Predict one hand.

    Args:
        trained: the network.
        crop: [224, 224, 3] uint8 RGB.
        camera: [3, 3] px of the crop.
        detected: of this one picture, N = 1; where there are none, the built-in detector is run if the network's view
            depends on it.
    """
    network = trained.network
    device = next(network.parameters()).device
    inputs = as_seen(np.array(crop)[None], camera[None], detected, view=trained.config.augmentation.view)
    image = torch.from_numpy(inputs.crops).to(device).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        output = network(image, torch.from_numpy(inputs.K).float().to(device), trained.keypoint_set)
    vertices = inputs.points(output.vertices.cpu().numpy())[0].astype(np.float64)
    joints = inputs.points(output.joints.cpu().numpy().astype(np.float64))
    projected = project(torch.from_numpy(joints), torch.from_numpy(camera)[None].double())[0].numpy()
    faces = network.hand.model.faces
    if output.texture is None or output.light is None:
        mesh = clay_mesh(vertices, faces, camera)
    else:
        colours = output.texture[0].clamp(0, 1).cpu().numpy()
        light = output.light[0].cpu().numpy()
        light[8:] = inputs.windows[0].rotate_back(light[8:])  # its direction turns with the hand
        mesh = Mesh(vertices, faces, camera, light, colours)
    return NetworkHand(
        mesh,
        output.texture is not None,
        joints[0],
        projected,
        None if output.keypoints is None else inputs.pixels(output.keypoints[:, -1].cpu().numpy())[0],
    )


class TexturedHands:
    """Textured, lit meshes of samples; predicted again when they are drawn, so that none are stored.

    Args:
        trained: the network that the samples were predicted with.
        samples: with pictures and cameras.
    """

    def __init__(self, trained: TrainedNetwork, samples: Samples) -> None:
        self.trained, self.samples = trained, samples

    def __call__(self, sample: int) -> Mesh | None:
        """The mesh of a sample; None where the network predicts no texture."""
        if self.samples.crop is None or self.samples.K is None or self.trained.network.appearance is None:
            return None
        detected = None if self.samples.detected is None else self.samples.detected.rows(np.array([sample]))
        return predict_hand(self.trained, self.samples.crop(sample), self.samples.K[sample], detected).mesh
