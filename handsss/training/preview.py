"""Preview sheets of a run: a row per sample, from the input to the network's outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from handsss.geometry.framing import CROP
from handsss.io.atomic import make_folder, write_file
from handsss.network.s2hand import S2Hand
from handsss.training.objective import Batch
from handsss.training.validate import Validation
from handsss.visualize.sheet import Line, as_png, sheet
from handsss.visualize.skeleton import draw_skeleton

_COLUMNS = ("input", "keypoints given", "keypoint branch", "projected joints", "rendered", "silhouette")


class PreviewSheets:
    """Sheets of the same samples, step after step.

    Args:
        folder: of the run; sheets of training samples lie in its ``pictures``.
        count: samples on a sheet.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self.folder, self.count = folder / "pictures", count
        self._batch: Batch | None = None

    def save(self, step: int, network: S2Hand, batch: Batch, keypoint_set: str) -> np.ndarray:
        """Draw the samples of the first batch that came, and write step-STEP.png; see :func:`preview_sheet`.

        Raises:
            UserError: it cannot be written.
        """
        if self._batch is None or len(self._batch.image) < self.count:  # a resumed run takes its first batch's
            self._batch = Batch(*(None if v is None else v[: self.count].clone() for v in batch))  # type: ignore[arg-type]
        drawn = preview_sheet(network, self._batch, keypoint_set)
        make_folder(self.folder, resumable=True)
        write_file(self.folder / f"step-{step:06d}.png", as_png(drawn), resumable=True)
        return np.asarray(drawn)

    def of_validation(self, network: S2Hand, validation: Validation) -> np.ndarray | None:
        """Draw the first validation samples with their true joints; None if no samples are wanted."""
        if self.count < 1:
            return None
        batch = validation.samples(self.count, next(network.parameters()).device)
        return np.asarray(preview_sheet(network, batch, validation.set, given="true joints"))


def preview_sheet(network: S2Hand, batch: Batch, keypoint_set: str, *, given: str = _COLUMNS[1]) -> Image.Image:
    """Draw inputs and outputs: input, keypoints it is trained on, the keypoint branch's, projected joints, the rendered
    hand over the input, its silhouette. Outputs that a network lacks stay empty.

    Args:
        network: its mode is left as it is.
        batch: samples to draw.
        keypoint_set: definition of the projected joints.
        given: what the batch's keypoints are called.
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
        points = _skeleton(photo, batch.keypoints[i], batch.confidence[i])
        projected = _skeleton(photo, output.projected[i])
        rows.append(Line([photo, points, branch, projected, rendered, silhouette]))
    return sheet(rows, columns=(_COLUMNS[0], given, *_COLUMNS[2:]))


def _skeleton(photo: np.ndarray, points: Tensor, confidence: Tensor | None = None) -> np.ndarray:
    sure = None if confidence is None else confidence.double().cpu().numpy()
    # A projection far outside would make Pillow draw lines of millions of pixels.
    return draw_skeleton(photo, points.double().cpu().clamp(-1000, 1000).numpy(), sure)


def _picture(values: Tensor) -> np.ndarray:
    picture: np.ndarray = (values.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    return picture
