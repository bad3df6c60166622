"""Validation while training: joints against ground truth on some samples of the validation data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from handsss.data.augment import Augmentation
from handsss.data.dataset import HandDataset
from handsss.errors import InputError
from handsss.geometry.cameras import project
from handsss.geometry.procrustes import aligned_distances
from handsss.network.s2hand import S2Hand
from handsss.training.objective import Batch

_BATCH = 25


class Validation:
    """Samples with true joints, chosen once.

    Args:
        path: store with ``joints_3d``.
        rows: number of samples, drawn with a fixed seed; 0: all.
        view: rotation and crop of the network's input: see :attr:`handsss.data.augment.Augmentation.view`.
        workers: processes that read.

    Raises:
        InputError: not a store, or no true joints in it.
    """

    def __init__(self, path: Path, rows: int = 200, *, view: Augmentation | None = None, workers: int = 0) -> None:
        if "joints_3d" not in HandDataset(path).fields:
            raise InputError(f"{path}: has no true joints (joints_3d), so nothing can be validated on it.")
        self.data = HandDataset(path, view, fields=("joints_3d",))
        self.set = str(self.data.attributes.get("joints_3d_set", "joints"))
        whole = len(self.data)
        chosen = np.random.default_rng(0).permutation(whole)[: rows or whole]
        self.rows = sorted(int(row) for row in chosen)
        self.workers = workers

    @torch.no_grad()
    def __call__(self, network: S2Hand) -> dict[str, float]:
        """Metrics: ``aligned_mpjpe_mm`` (similarity, no reflection), ``mpjpe_mm`` (camera space), ``projected_px`` and,
        with a keypoint branch, ``predicted_px``: mean 2D distances to the projected true joints.
        """
        device = next(network.parameters()).device
        training = network.training
        network.eval()
        sums: dict[str, list[float]] = {}
        for row in DataLoader(Subset(self.data, self.rows), batch_size=_BATCH, num_workers=self.workers):
            image, K, truth = (row[name].to(device) for name in ("image", "K", "joints_3d"))
            prediction = network(image, K, self.set)
            flat = project(truth, K)
            _add(sums, "projected_px", (prediction.projected - flat).norm(dim=-1).mean(1))
            if prediction.keypoints is not None:
                _add(sums, "predicted_px", (prediction.keypoints[:, -1] - flat).norm(dim=-1).mean(1))
            _add(sums, "mpjpe_mm", 1000 * (prediction.joints - truth).norm(dim=-1).mean(1))
            for predicted, true in zip(_numbers(prediction.joints), _numbers(truth), strict=True):
                if np.isfinite(true).all():
                    miss = aligned_distances(predicted, true)
                    sums.setdefault("aligned_mpjpe_mm", []).append(1000 * float(miss.mean()))
        network.train(training)
        return {name: float(np.nanmean(values)) for name, values in sorted(sums.items())}

    def samples(self, count: int, device: torch.device) -> Batch:
        """The first samples, with their projected true joints as keypoints. Draws no random numbers.

        Args:
            count: at most so many.
            device: of the tensors.
        """
        rows = [self.data[row] for row in self.rows[:count]]
        image, K, truth = (torch.stack([row[name] for row in rows]).to(device) for name in ("image", "K", "joints_3d"))
        known = torch.isfinite(truth).all(-1)
        points = torch.where(known[..., None], project(truth, K), torch.zeros_like(truth[..., :2]))
        return Batch(image, points, known.to(image), K)


def _add(sums: dict[str, list[float]], name: str, values: Tensor) -> None:
    sums.setdefault(name, []).extend(values.cpu().tolist())


def _numbers(points: Tensor) -> np.ndarray:
    numbers: np.ndarray = points.double().cpu().numpy()
    return numbers
