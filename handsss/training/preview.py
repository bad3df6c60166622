"""Preview sheets of a run: a row per sample, from the input to the network's outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from handsss.geometry.framing import CROP
from handsss.io.atomic import write_file
from handsss.network.s2hand import S2Hand
from handsss.training.objective import Batch
from handsss.visualize.sheet import Line, as_png, sheet
from handsss.visualize.skeleton import draw_skeleton

_COLUMNS = ("input", "keypoints given", "keypoint branch", "projected joints", "rendered", "silhouette")


def save_preview(path: Path, network: S2Hand, batch: Batch, keypoint_set: str) -> None:
    """Draw inputs and outputs: input, keypoints it is trained on, the keypoint branch's, projected joints, the rendered
    hand over the input, its silhouette. Outputs that a network lacks stay empty.

    Args:
        path: PNG.
        network: its mode is left as it is.
        batch: samples to draw.
        keypoint_set: definition of the projected joints.
    """
    training = network.training
    image = batch.image
    if image.shape[-1] < CROP:
        image = nn.functional.interpolate(image, size=(CROP, CROP), mode="bilinear")
    network.eval()
    with torch.no_grad():
        output = network(image, batch.K, keypoint_set)
        rendering = network.render(output, batch.K) if output.texture is not None else None
    network.train(training)
    rows = []
    for i in range(len(image)):
        photo = _picture(image[i].permute(1, 2, 0))
        rendered, silhouette = None, None
        if rendering is not None:
            alpha = rendering.silhouette[i, ..., None]
            rendered = _picture(rendering.colour[i] + (1 - alpha) * image[i].permute(1, 2, 0))
            silhouette = _picture(alpha.expand(-1, -1, 3))
        branch = None if output.keypoints is None else _skeleton(photo, output.keypoints[i, -1])
        given = _skeleton(photo, batch.keypoints[i], batch.confidence[i])
        projected = _skeleton(photo, output.projected[i])
        rows.append(Line([photo, given, branch, projected, rendered, silhouette]))
    write_file(path, as_png(sheet(rows, columns=_COLUMNS)), resumable=True)


def _skeleton(photo: np.ndarray, points: Tensor, confidence: Tensor | None = None) -> np.ndarray:
    sure = None if confidence is None else confidence.double().cpu().numpy()
    # A projection far outside would make Pillow draw lines of millions of pixels.
    return draw_skeleton(photo, points.double().cpu().clamp(-1000, 1000).numpy(), sure)


def _picture(values: Tensor) -> np.ndarray:
    picture: np.ndarray = (values.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    return picture
