"""Which pixels are hand: colour models learnt from the fitted hand's own inside and surroundings.

The fitted mesh says where hand surely is and surely is not; Gaussian mixtures of both colours then decide in between,
as in GrabCut, smoothed along the photo's own edges. The forearm has the hand's colour but is not in the model: pixels
behind the wrist do not count.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage

_SAMPLES = 1500
_ROUNDS = 8


class Segmentation(NamedTuple):
    """A soft mask and how far to trust it."""

    probability: np.ndarray  # [h, w] float32, of being hand
    counted: np.ndarray  # [h, w] bool: not forearm
    quality: float  # 0: colours do not tell hand from background, 1: they tell it perfectly


class _Mixture(NamedTuple):
    weights: np.ndarray  # [K]
    means: np.ndarray  # [K, 3]
    inverse: np.ndarray  # [K, 3, 3]
    log_norm: np.ndarray  # [K]

    def log_density(self, colours: np.ndarray) -> np.ndarray:
        """[N] for colours [N, 3]."""
        # Distances as squared lengths of whitened colours, all in one product, colours along the rows.
        whiten = np.linalg.cholesky(self.inverse).transpose(0, 2, 1)  # [K, 3, 3]; its square is the inverse
        centres = np.einsum("kij,kj->ki", whiten, self.means).reshape(-1, 1)
        white = whiten.reshape(-1, 3) @ np.ascontiguousarray(colours.T) - centres
        np.square(white, out=white)
        logs = self.log_norm[:, None] - 0.5 * white.reshape(len(self.means), 3, -1).sum(1)
        top = logs.max(0)
        logs -= top
        total: np.ndarray = top + np.log(np.exp(logs, out=logs).sum(0))
        return total


def _opponent(image: np.ndarray) -> np.ndarray:
    """Lightness and two colour differences [h, w, 3]; lightness counts less, since shading changes it."""
    r, g, b = image[..., 0], image[..., 1], image[..., 2]
    lightness = (r + g + b) / 3
    return np.stack([0.5 * lightness, r - g, 0.5 * (r + g) - b], -1).astype(np.float32)


def _mixture(flat: np.ndarray, mask: np.ndarray, order: np.ndarray, count: int) -> _Mixture:
    """The mixture of the colours [N, 3] that a mask [h, w] names.

    Which of them are looked at is decided by an order of all pixels, so that a pixel more or less in the mask changes
    one sample and not all of them: equal photos then give equal hands although arithmetic rounds otherwise at times.
    """
    colours = flat[order[mask.ravel()[order]][:_SAMPLES]]
    count = max(1, min(count, len(colours) // 20))
    labels = _nearest_means(colours, _split(colours, count))
    weights, means, inverses, norms = [], [], [], []
    for k in range(labels.max() + 1):
        members = colours[labels == k]
        if len(members) < 8:
            continue
        covariance = np.cov(members.T) + np.eye(3) * 1.5e-4
        weight = len(members) / len(colours)
        weights.append(weight)
        means.append(members.mean(0))
        inverses.append(np.linalg.inv(covariance))
        norms.append(np.log(weight) - 0.5 * np.linalg.slogdet(covariance)[1])
    return _Mixture(
        np.array(weights), np.array(means, np.float32), np.array(inverses, np.float32), np.array(norms, np.float32)
    )


def _nearest_means(colours: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Labels [N] of colours [N, 3] after a few rounds of Lloyd's algorithm from means [K, 3]. A mean that no colour is
    nearest to stays where it is. (scipy's is the same, but takes a tenth of a second to import.)"""
    labels = np.zeros(len(colours), dtype=np.int64)
    for _ in range(_ROUNDS):
        # Squared distances but for the colours' own lengths, which every mean shares.
        labels = np.argmin((means * means).sum(1) - 2 * (colours @ means.T), 1)
        counts = np.bincount(labels, minlength=len(means))
        sums = np.stack([np.bincount(labels, colours[:, k], len(means)) for k in range(3)], 1)
        means = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], means)
    return labels


def _split(colours: np.ndarray, count: int) -> np.ndarray:
    """Means [K, 3], K <= count, of colours that are cut in two where they spread most, again and again (Orchard and
    Bouman 1991): unlike means drawn by lot they change little when the colours do."""
    clusters = [_Cluster.of(colours)]
    while len(clusters) < count:
        widest = clusters.pop(int(np.argmax([cluster.spread for cluster in clusters])))
        along = (widest.colours - widest.mean) @ widest.axis
        halves = [widest.colours[along > 0], widest.colours[along <= 0]]
        if min(len(half) for half in halves) == 0:  # one colour
            clusters.append(widest)
            break
        clusters += [_Cluster.of(half) for half in halves]
    return np.array([cluster.mean for cluster in clusters])


class _Cluster(NamedTuple):
    colours: np.ndarray  # [N, 3]
    mean: np.ndarray  # [3]
    spread: float  # sum of squares along the axis
    axis: np.ndarray  # [3] unit, of the largest spread

    @classmethod
    def of(cls, colours: np.ndarray) -> _Cluster:
        mean = colours.mean(0)
        apart = colours - mean
        values, axes = np.linalg.eigh(apart.T @ apart)
        return cls(colours, mean, float(values[-1]), axes[:, -1])


def _guided(guide: np.ndarray, values: np.ndarray, radius: int, epsilon: float) -> np.ndarray:
    """Guided filter (He et al. 2010) of a map by a grey picture."""

    def box(x: np.ndarray) -> np.ndarray:
        return ndimage.uniform_filter(x, 2 * radius + 1, mode="nearest")

    mean_g, mean_v = box(guide), box(values)
    variance = box(guide * guide) - mean_g * mean_g
    slope = (box(guide * values) - mean_g * mean_v) / (variance + epsilon)
    filtered: np.ndarray = box(slope) * guide + box(mean_v - slope * mean_g)
    return filtered


def forearm_zone(size: tuple[int, int], wrist: np.ndarray, outward: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """Where the forearm may be: the projection of a cone behind the wrist.

    Args:
        size: height, width of the picture.
        wrist: [3] metres, camera frame.
        outward: [3] unit vector from the hand into the forearm when the wrist is straight.
        intrinsics: [3, 3].

    Returns:
        [h, w] bool.
    """
    height, width = size
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32) + 0.5
    zone = np.zeros(size, dtype=bool)
    for distance in np.linspace(0.015, 0.30, 16):
        centre = wrist + distance * outward
        if centre[2] < 0.05:
            break
        x, y = (intrinsics @ centre)[:2] / centre[2]
        radius = intrinsics[0, 0] * (0.028 + 0.65 * distance) / centre[2]
        zone |= (columns - x) ** 2 + (rows - y) ** 2 < radius**2
    return zone


def segment(image: np.ndarray, silhouette: np.ndarray, forearm: np.ndarray, *, seed: int = 0) -> Segmentation | None:
    """Soft mask of the hand.

    Args:
        image: [h, w, 3] 0..1.
        silhouette: [h, w] coverage of the fitted hand.
        forearm: [h, w] bool, from :func:`forearm_zone`.
        seed: of the sampling of colours; the same picture gives the same mask.

    Returns:
        None if there is too little inside or outside to learn colours from.
    """
    order = np.random.default_rng(seed).permutation(silhouette.size)
    inside = silhouette > 0.5
    scale = float(np.sqrt(max(inside.sum(), 1)))
    signed = ndimage.distance_transform_edt(inside) - ndimage.distance_transform_edt(~inside)
    depth = (signed / scale).astype(np.float32)  # relative to the hand's size
    beyond = forearm & ~inside
    sure_hand, sure_background = depth > 0.025, (depth < -0.10) & ~beyond
    if sure_hand.sum() < 100 or sure_background.sum() < 100:
        return None
    colours = _opponent(image)
    grey = image.mean(-1)
    flat = colours.reshape(-1, 3)
    hand, background = sure_hand, sure_background
    spatial = np.clip(depth / 0.05, -2.0, 2.0)
    probability = inside.astype(np.float32)
    for _ in range(2):
        log_hand = _mixture(flat, hand, order, 4).log_density(flat)
        log_background = _mixture(flat, background, order, 6).log_density(flat)
        logit = np.clip(log_hand - log_background, -5, 5).reshape(inside.shape) + spatial
        probability = 1 / (1 + np.exp(-logit))
        probability = np.clip(_guided(grey, probability.astype(np.float32), 3, 1e-3), 0, 1)
        hand = (probability > 0.8) & (depth > -0.06)
        background = ((probability < 0.2) & (depth < -0.02) & ~beyond) | (sure_background & (probability < 0.5))
        if hand.sum() < 100 or background.sum() < 100:
            hand, background = sure_hand, sure_background
    quality = float(probability[sure_hand].mean() - probability[sure_background].mean())
    return Segmentation(probability.astype(np.float32), ~beyond, float(np.clip(quality, 0, 1)))
