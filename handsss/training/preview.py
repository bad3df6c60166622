"""Preview sheets of a run: a row per sample, from the input to the network's outputs."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor, nn

from handsss.data.resumable_jobs import write_atomically
from handsss.geometry.framing import CROP
from handsss.network.s2hand import S2Hand
from handsss.training.objective import Batch
from handsss.visualize.skeleton import INK, PAPER, draw_skeleton, font

_SIDE, _HEAD = 224, 22
_COLUMNS = ("input", "keypoints given", "keypoint branch", "projected joints", "rendered", "silhouette")


def save_preview(path: Path, network: S2Hand, batch: Batch, keypoint_set: str) -> None:
    """Draw what the network makes of a batch: input, keypoints it is trained on, the keypoint branch's, projected
    joints, the rendered hand over the input, its silhouette. What a network does not have stays grey.

    Args:
        path: PNG.
        network: its mode is left as it is.
        batch: rows to draw.
        keypoint_set: definition of the projected joints.
    """
    training = network.training
    image = batch.image
    if image.shape[-1] < CROP:
        image = nn.functional.interpolate(image, size=(CROP, CROP), mode="bilinear")
    network.eval()
    with torch.no_grad():
        made = network(image, batch.K, keypoint_set)
        drawn = network.render(made, batch.K) if made.texture is not None else None
    network.train(training)
    rows = []
    for i in range(len(image)):
        photo = _picture(image[i].permute(1, 2, 0))
        blank = np.full_like(photo, 200)
        rendered, silhouette = blank, blank
        if drawn is not None:
            alpha = drawn.silhouette[i, ..., None]
            rendered = _picture(drawn.colour[i] + (1 - alpha) * image[i].permute(1, 2, 0))
            silhouette = _picture(alpha.expand(-1, -1, 3))
        branch = blank if made.keypoints is None else _skeleton(photo, made.keypoints[i, -1])
        given = _skeleton(photo, batch.keypoints[i], batch.confidence[i])
        projected = _skeleton(photo, made.projected[i])
        rows.append(np.concatenate([photo, given, branch, projected, rendered, silhouette], 1))
    write_atomically(path, _png(_with_head(np.concatenate(rows))))


def _skeleton(photo: np.ndarray, points: Tensor, confidence: Tensor | None = None) -> np.ndarray:
    sure = None if confidence is None else confidence.double().cpu().numpy()
    # A projection far outside would make Pillow draw lines of millions of pixels.
    return draw_skeleton(photo, points.double().cpu().clamp(-1000, 1000).numpy(), sure)


def _picture(values: Tensor) -> np.ndarray:
    picture: np.ndarray = (values.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    return picture


def _with_head(body: np.ndarray) -> np.ndarray:
    sheet = Image.new("RGB", (body.shape[1], body.shape[0] + _HEAD), PAPER)
    sheet.paste(Image.fromarray(body), (0, _HEAD))
    draw = ImageDraw.Draw(sheet)
    for number, title in enumerate(_COLUMNS):
        draw.text((number * _SIDE + 6, 4), title, fill=INK, font=font(13))
    return np.asarray(sheet)


def _png(picture: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG")
    return stream.getvalue()
