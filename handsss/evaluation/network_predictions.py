"""Runs a trained network over the pictures of a dataset."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from handsss.evaluation.ground_truth import GroundTruth
from handsss.evaluation.input_view import as_seen
from handsss.geometry.cameras import project
from handsss.network.checkpoint import non_finite_error
from handsss.training.trained_network import TrainedNetwork


class NetworkPredictions(NamedTuple):
    """Predictions for N pictures; metres, camera frame of the crop, px of the crop, OpenPose joint order."""

    joints: dict[str, np.ndarray]  # [N, 21, 3] float32, by keypoint set
    vertices: np.ndarray  # [N, V, 3] float32
    projected: np.ndarray  # [N, 21, 2], of the keypoint set that the 2D branch follows
    predicted: np.ndarray | None  # [N, 21, 2] of the last stack of the 2D branch; None: the network has none

    def rows(self, chosen: np.ndarray) -> NetworkPredictions:
        """Predictions of some pictures."""
        return NetworkPredictions(
            {name: values[chosen] for name, values in self.joints.items()},
            self.vertices[chosen],
            self.projected[chosen],
            None if self.predicted is None else self.predicted[chosen],
        )


def predict_images(
    trained: TrainedNetwork,
    truth: GroundTruth,
    joint_sets: tuple[str, ...],
    *,
    rows: np.ndarray | None = None,
    batch: int = 32,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> NetworkPredictions:
    """Predict the hands of pictures.

    Args:
        trained: the network.
        truth: the pictures and their cameras.
        joint_sets: definitions of the joints that are wanted.
        rows: of the pictures; all if left out.
        batch: pictures at a time.
        progress: told pictures done and in all.

    Raises:
        InputError: a picture that cannot be read, or a prediction that is not finite.
    """
    network = trained.network
    device = next(network.parameters()).device
    chosen = np.arange(len(truth)) if rows is None else rows
    count = len(chosen)
    joints = {name: np.zeros((count, 21, 3), np.float32) for name in joint_sets}
    vertices = np.zeros((count, network.hand.model.vertex_count, 3), np.float32)
    projected = np.zeros((count, 21, 2), np.float32)
    predicted = None if network.branch is None else np.zeros((count, 21, 2), np.float32)
    for first in range(0, count, batch):
        part = slice(first, min(first + batch, count))
        batch_rows = chosen[part]
        crops = np.stack([truth.crop(int(row)) for row in batch_rows])
        detected = truth.detections(batch_rows)
        inputs = as_seen(crops, truth.K[batch_rows], detected, view=trained.config.augmentation.view)
        image = torch.from_numpy(inputs.crops).to(device).permute(0, 3, 1, 2).float() / 255
        with torch.inference_mode():
            output = network(image, torch.from_numpy(inputs.K).float().to(device), trained.keypoint_set)
            for name in joint_sets:
                joints[name][part] = inputs.points(network.pose(output.hand, name)[2].cpu().numpy())
            vertices[part] = inputs.points(output.vertices.cpu().numpy())
            own = torch.from_numpy(inputs.points(output.joints.cpu().numpy()))
            projected[part] = project(own, torch.from_numpy(truth.K[chosen[part]])).numpy()
            if predicted is not None:
                predicted[part] = inputs.pixels(output.keypoints[:, -1].cpu().numpy())
        bad = ~np.isfinite(vertices[part]).all((1, 2))
        if bad.any():
            row = int(chosen[part][np.flatnonzero(bad)[0]])
            raise non_finite_error(trained.path, f" for {truth.names[row]}")
        progress(part.stop, count)
    return NetworkPredictions(joints, vertices, projected, predicted)
