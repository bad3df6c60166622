"""Segmentation of the hand by colour, started from the fitted mesh.

As in GrabCut: the mesh gives certain foreground and certain background; Gaussian mixtures of their colours classify
the pixels between, and a guided filter smooths the result along the photo's edges. The forearm has the hand's colour
but is not part of the model, so pixels behind the wrist are ignored.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage

_SAMPLES = 1500  # colours that a mixture is fitted to
_ROUNDS = 8  # of Lloyd's algorithm


class Segmentation(NamedTuple):
    """A soft mask and its quality."""

    probability: np.ndarray  # [h, w] float32, of being hand
    valid: np.ndarray  # [h, w] bool: false where the forearm, or other skin connected with the hand, may be
    quality: float  # 0..1: mean probability in the certain foreground less that in the certain background


class _Mixture(NamedTuple):
    weights: np.ndarray  # [K]
    means: np.ndarray  # [K, 3]
    inverse: np.ndarray  # [K, 3, 3]
    log_norm: np.ndarray  # [K]

    def log_density(self, colours: np.ndarray) -> np.ndarray:
        """Log density [N] of colours [N, 3]."""
        # Mahalanobis distances as squared lengths of whitened colours, in one matrix product.
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
    """Opponent colours [h, w, 3]: lightness (weighted down: shading changes it) and two differences."""
    r, g, b = image[..., 0], image[..., 1], image[..., 2]
    lightness = (r + g + b) / 3
    return np.stack([0.5 * lightness, r - g, 0.5 * (r + g) - b], -1).astype(np.float32)


def _mixture(flat: np.ndarray, mask: np.ndarray, order: np.ndarray, count: int) -> _Mixture:
    """A Gaussian mixture of the colours [N, 3] in a mask [h, w].

    Samples are the mask's first pixels in a fixed random order of all pixels. A pixel more or less in the mask then
    changes one sample and not all, so that rounding does not change the result for equal photos.

    Args:
        flat: [N, 3] colours of all pixels.
        mask: [h, w] bool.
        order: [N] permutation of all pixels.
        count: most components.
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
    """Labels [N] of colours [N, 3] by k-means (Lloyd's algorithm) from initial means [K, 3]. The mean of an empty
    cluster stays as it is. (scipy's is the same, but takes a tenth of a second to import.)"""
    labels = np.zeros(len(colours), dtype=np.int64)
    for _ in range(_ROUNDS):
        # Squared distances without the term of the colour alone, which is the same for every mean.
        labels = np.argmin((means * means).sum(1) - 2 * (colours @ means.T), 1)
        counts = np.bincount(labels, minlength=len(means))
        sums = np.stack([np.bincount(labels, colours[:, k], len(means)) for k in range(3)], 1)
        means = np.where(counts[:, None] > 0, sums / np.maximum(counts, 1)[:, None], means)
    return labels


def _split(colours: np.ndarray, count: int) -> np.ndarray:
    """Initial means [K, 3], K <= count: the cluster of largest variance is split along its principal axis, repeatedly
    (Orchard and Bouman 1991). Unlike random initial means they change little when the colours do."""
    clusters = [_Cluster.of(colours)]
    while len(clusters) < count:
        widest = clusters.pop(int(np.argmax([cluster.variance for cluster in clusters])))
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
    variance: float  # largest eigenvalue of the scatter matrix
    axis: np.ndarray  # [3] its unit eigenvector

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


_NEAREST_FOREARM = 0.75  # of the wrist's depth


def forearm_zone(size: tuple[int, int], wrist: np.ndarray, outward: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """Pixels that may show the forearm: the projection of a cone behind the wrist.

    Args:
        size: height, width of the picture.
        wrist: [3] metres, camera frame.
        outward: [3] unit vector from the hand into the forearm when the wrist is straight.
        intrinsics: [3, 3] px.

    Returns:
        [h, w] bool.
    """
    height, width = size
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32) + 0.5
    zone = np.zeros(size, dtype=bool)
    for distance in np.linspace(0.015, 0.30, 16):
        centre = wrist + distance * outward
        if centre[2] < max(0.05, _NEAREST_FOREARM * wrist[2]):  # closer to the lens, the cone would cover the picture
            break
        x, y = (intrinsics @ centre)[:2] / centre[2]
        radius = intrinsics[0, 0] * (0.028 + 0.65 * distance) / centre[2]
        zone |= (columns - x) ** 2 + (rows - y) ** 2 < radius**2
    return zone


_LIKE_HAND = 5  # percentile of the hand's own densities from which a colour is like the hand's
# From the mesh, in the hand's size (root of its area): skin that is joined to the hand and lies further off is an arm
# or a face, and says nothing of the outline.
_REACH = 0.2
_MOST_UNCOVERED = 0.3  # of the background: more is floor or wood of the skin's colour


def _uncovered_hand(logs: np.ndarray, hand: np.ndarray, background: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Pixels of the certain background that show what the mesh misses of hand and forearm: of the hand's colour, and
    connected with it by such pixels. A mixture that learned them would call the hand's own edge background.

    Args:
        logs: [h, w] log densities of the hand's colours.
        hand, background: [h, w] bool: what the mesh is certain of.
        inside: [h, w] bool: the mesh.

    Returns:
        [h, w] bool; none where so much is like the hand that its colour does not tell.
    """
    alike = logs > np.percentile(logs[hand], _LIKE_HAND)
    labels, _ = ndimage.label(alike | inside)
    connected = np.isin(labels, np.unique(labels[inside])) & background
    if connected.sum() > _MOST_UNCOVERED * background.sum():
        return np.zeros_like(hand)
    grown: np.ndarray = ndimage.binary_dilation(connected, iterations=2)
    return grown


def segment(image: np.ndarray, silhouette: np.ndarray, forearm: np.ndarray, *, seed: int = 0) -> Segmentation | None:
    """Soft mask of the hand.

    Args:
        image: [h, w, 3] 0..1.
        silhouette: [h, w] coverage of the fitted hand.
        forearm: [h, w] bool, from :func:`forearm_zone`.
        seed: of the sampling of colours; the same photo gives the same mask.

    Returns:
        None if fewer than 100 pixels are certain foreground, or certain background.
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
    log_hand = _mixture(flat, sure_hand, order, 4).log_density(flat)
    uncovered = _uncovered_hand(log_hand.reshape(inside.shape), sure_hand, sure_background, inside)
    sure_background &= ~uncovered
    hand, background = sure_hand, sure_background
    spatial = np.clip(depth / 0.05, -2.0, 2.0)
    probability = inside.astype(np.float32)
    for round_ in range(2):
        if round_ > 0:
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
    valid = ~beyond & ~(uncovered & (depth < -_REACH))
    return Segmentation(probability.astype(np.float32), valid, float(np.clip(quality, 0, 1)))
