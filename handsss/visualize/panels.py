"""Panels of a hand for reports, figures and contact sheets: its crop, keypoints, mesh, and joints from the side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from handsss.geometry.framing import CROP
from handsss.geometry.procrustes import procrustes
from handsss.geometry.window import Window
from handsss.visualize.mesh import CLAY, CLAY_LIGHT, OUTSIDE, PhotoPanel
from handsss.visualize.skeleton import draw_offsets, draw_skeleton

SUPERSAMPLING = 2  # panels are drawn larger and reduced, which antialiases lines


@dataclass(frozen=True)
class Mesh:
    """A mesh with what it takes to render it; see :class:`handsss.visualize.mesh.Drawable`."""

    vertices: np.ndarray  # [V, 3] metres, camera frame
    faces: np.ndarray  # [F, 3]
    intrinsics: np.ndarray  # [3, 3] px of the crop
    light: np.ndarray  # [11]
    vertex_colours: np.ndarray  # [V, 3] 0..1
    uv: np.ndarray | None = None
    uv_faces: np.ndarray | None = None
    texture: np.ndarray | None = None


def clay_mesh(vertices: np.ndarray, faces: np.ndarray, intrinsics: np.ndarray) -> Mesh:
    """A mesh in one colour under the light that shows shape best."""
    return Mesh(vertices, faces, intrinsics, np.array(CLAY_LIGHT), np.tile(CLAY, (len(vertices), 1)))


def crop_panel(crop: np.ndarray, side: int) -> PhotoPanel:
    """A crop at panel size, with the map to it from the crop's pixels.

    Args:
        crop: [224, 224, 3] uint8.
        side: of the panel, px.
    """
    image = np.asarray(Image.fromarray(crop).resize((side, side), Image.Resampling.BICUBIC))
    return PhotoPanel(image, Window.around_picture(CROP, CROP, side))


def skeleton_panel(
    panel: PhotoPanel,
    keypoints: np.ndarray,
    truth: np.ndarray | None = None,
    confidence: np.ndarray | None = None,
) -> np.ndarray:
    """Keypoints over the crop, with thin white lines to where they should be.

    Args:
        panel: of the crop.
        keypoints: [21, 2] px of the crop; NaN where unknown.
        truth: [21, 2] px of the crop.
        confidence: [21]: faint where low.
    """
    factor = panel.window.scale
    drawn = draw_skeleton(panel.image, keypoints * factor, confidence)
    if truth is None:
        return drawn
    return draw_offsets(drawn, truth * factor, keypoints * factor, np.ones(len(truth)))


def side_panel(joints: np.ndarray, truth: np.ndarray, side: int) -> np.ndarray:
    """Joints from the side (the viewer's right), after the best similarity, with white lines to the true ones.

    Args:
        joints: [21, 3] m predicted.
        truth: [21, 3] m.
        side: of the panel, px.
    """
    if not (np.isfinite(joints).all() and np.isfinite(truth).all()):
        return np.full((side, side, 3), OUTSIDE, np.uint8)
    aligned = procrustes(joints, truth)(joints)
    # From the right one sees depth to the right, and y still goes down.
    seen, meant = aligned[:, [2, 1]], truth[:, [2, 1]]
    both = np.concatenate([seen, meant])
    low, high = both.min(0), both.max(0)
    factor = 0.84 * side / max(float((high - low).max()), 1e-6)
    middle = (low + high) / 2
    panel = draw_skeleton(np.full((side, side, 3), OUTSIDE, np.uint8), (seen - middle) * factor + side / 2)
    return draw_offsets(panel, (meant - middle) * factor + side / 2, (seen - middle) * factor + side / 2, np.ones(21))


def reduced(panel: np.ndarray) -> np.ndarray:
    """A panel at its final size."""
    size = panel.shape[1] // SUPERSAMPLING, panel.shape[0] // SUPERSAMPLING
    return np.asarray(Image.fromarray(panel).resize(size, Image.Resampling.BOX))
