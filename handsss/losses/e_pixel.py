"""E_pixel: colours of the rendered hand against the photo."""

from __future__ import annotations

import torch
from torch import Tensor

from handsss.losses.common import norm


def e_pixel(rendered: Tensor, image: Tensor, silhouette: Tensor, confidence: Tensor) -> Tensor:
    """``E_pixel = con_sum / |S| sum_p S_p |I^R_p - I_p|``, mean over the batch.

    ``S`` is the rendered silhouette, ``con_sum`` the sum of a sample's 21 confidences. A sample without silhouette
    gives 0. Source: main paper. Weight: ``losses.w_photo``. See docs/method.md, losses.

    Args:
        rendered: [B, H, W, 3] RGB 0..1.
        image: [B, H, W, 3] RGB 0..1.
        silhouette: [B, H, W] 0..1.
        confidence: [B, 21] 0..1.
    """
    area = silhouette.sum((1, 2))
    distance = (norm(rendered - image) * silhouette).sum((1, 2))
    empty = area <= 0
    mean = torch.where(empty, torch.zeros_like(area), distance / torch.where(empty, torch.ones_like(area), area))
    return (confidence.sum(1) * mean).mean()
