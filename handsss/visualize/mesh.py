"""What the panels show: a square of the photo around a hand, with its camera, and mesh renders."""

from __future__ import annotations

from typing import NamedTuple, Protocol, TypedDict

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from handsss.geometry.window import Window
from handsss.hand.result import HandResult
from handsss.rendering import Texture
from handsss.rendering.pipeline import render

OUTSIDE = (46, 48, 52)  # where a panel reaches beyond the photo
VIEW_BACKGROUND = 0.965
# Uniform clay under a light from above the viewer's shoulder shows shape better than skin does.
CLAY = (0.55, 0.71, 0.92)
CLAY_LIGHT = (0.34, 0.8, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, -0.55, -0.75, -0.6)
_MARGIN = 0.16


class PhotoPanel(NamedTuple):
    """A square part of the photo, at panel size."""

    image: np.ndarray  # [S, S, 3] uint8
    window: Window  # of the photo, axis-aligned


class Drawable(Protocol):
    """What a hand must have to be rendered: a :class:`HandResult`, or any mesh with its camera and light."""

    @property
    def vertices(self) -> np.ndarray: ...  # [V, 3] metres, camera frame
    @property
    def faces(self) -> np.ndarray: ...  # [F, 3]
    @property
    def intrinsics(self) -> np.ndarray: ...  # [3, 3] px of the photo
    @property
    def light(self) -> np.ndarray: ...  # [11]
    @property
    def vertex_colours(self) -> np.ndarray: ...  # [V, 3] 0..1, unlit
    @property
    def uv(self) -> np.ndarray | None: ...  # [T, 2], v up
    @property
    def uv_faces(self) -> np.ndarray | None: ...  # [F, 3]
    @property
    def texture(self) -> np.ndarray | None: ...  # [h, w, 3] uint8


class Surface(TypedDict, total=False):
    """Colours of a mesh for the renderer: one of the two."""

    colours: Tensor
    texture: Texture


def panel_around(image: np.ndarray, hand: HandResult, side: int) -> PhotoPanel:
    """The square around a hand's keypoints, joints and mesh, with a margin; moved into the photo where it fits."""
    height, width = image.shape[:2]
    seen = hand.keypoints_2d[:, 2] > 0
    near = np.concatenate([hand.keypoints_2d[seen, :2], hand.joints_2d])
    near = near[np.isfinite(near).all(1)]
    # Hands in other poses may lie far outside the photo, or behind the camera; the square stays of the photo's order.
    size = np.array([width, height], dtype=np.float64)
    near, outline = np.clip(near, -size, 2 * size), np.clip(projected(hand), -size, 2 * size)
    low, high = near.min(0), near.max(0)
    # A misfitted mesh must not shrink the hand to a dot: it widens the window by at most a hand's size.
    reach = float((high - low).max())
    low = np.minimum(low, np.maximum(outline.min(0), low - reach))
    high = np.maximum(high, np.minimum(outline.max(0), high + reach))
    length = max(float((high - low).max()) * (1 + 2 * _MARGIN), 8.0)
    start = (low + high) / 2 - length / 2
    for axis, limit in enumerate((width, height)):
        if length <= limit:
            start[axis] = np.clip(start[axis], 0, limit - length)
        else:
            start[axis] = (limit - length) / 2 if (high - low)[axis] < limit else start[axis]
    window = Window.square(start + length / 2, length, side)
    return PhotoPanel(_cut(image, box_of(window), side), window)


def box_of(window: Window) -> tuple[float, float, float, float]:
    """x0, y0, x1, y1 px in the photo of an axis-aligned window, without digits that are rounding errors."""
    (x0, y0), _, (x1, y1), _ = np.round(window.corners, 6).tolist()
    return x0, y0, x1, y1


def _cut(image: np.ndarray, box: tuple[float, float, float, float], side: int) -> np.ndarray:
    """The box resized to a square panel; reduced with proper averaging, enlarged smoothly."""
    height, width = image.shape[:2]
    x0, y0 = (int(np.floor(value)) for value in box[:2])
    x1, y1 = (int(np.ceil(value)) for value in box[2:])
    part = Image.new("RGB", (x1 - x0, y1 - y0), OUTSIDE)
    inner = (max(x0, 0), max(y0, 0), min(x1, width), min(y1, height))
    if inner[2] > inner[0] and inner[3] > inner[1]:
        pixels = np.ascontiguousarray(image[inner[1] : inner[3], inner[0] : inner[2]])
        part.paste(Image.fromarray(pixels), (inner[0] - x0, inner[1] - y0))
    exact = (box[0] - x0, box[1] - y0, box[2] - x0, box[3] - y0)
    kernel = Image.Resampling.LANCZOS if x1 - x0 > side else Image.Resampling.BICUBIC
    return np.asarray(part.resize((side, side), kernel, box=exact))


def projected(hand: Drawable) -> np.ndarray:
    """The mesh's vertices [V, 2] in the photo."""
    depth = np.maximum(hand.vertices[:, 2:], 1e-3)
    pixels: np.ndarray = hand.vertices[:, :2] / depth @ hand.intrinsics[:2, :2].T + hand.intrinsics[:2, 2]
    return pixels


def overlay_clay(hand: Drawable, panel: PhotoPanel, opacity: float = 0.82) -> np.ndarray:
    """The mesh in one colour over the photo, [S, S, 3] uint8."""
    photo = torch.as_tensor(panel.image.astype(np.float32) / 255)
    clay = torch.tensor(CLAY).expand(len(hand.vertices), 3)
    mesh = _render_over(hand, panel, photo, torch.tensor(CLAY_LIGHT), {"colours": clay})
    return to_bytes(opacity * mesh + (1 - opacity) * photo)


def overlay_textured(hand: Drawable, panel: PhotoPanel, *, pale: bool = True) -> np.ndarray:
    """The mesh with its texture and light over the photo, which is pale grey or left as it is, [S, S, 3] uint8."""
    pixels = panel.image.astype(np.float32) / 255
    photo = torch.as_tensor(0.35 * pixels.mean(2, keepdims=True).repeat(3, 2) + 0.55 if pale else pixels)
    return to_bytes(_render_over(hand, panel, photo, torch.as_tensor(hand.light).float(), surface_of(hand)))


def _render_over(
    hand: Drawable,
    panel: PhotoPanel,
    background: Tensor,
    light: Tensor,
    surface: Surface,
) -> Tensor:
    side = panel.image.shape[0]
    output = render(
        torch.as_tensor(hand.vertices, dtype=torch.float32)[None],
        torch.as_tensor(hand.faces.astype(np.int64)),
        **surface,
        light=light,
        intrinsics=torch.as_tensor(panel.window.intrinsics(hand.intrinsics), dtype=torch.float32),
        size=(side, side),
        background=background,
    )
    return output.colour[0]


def surface_of(hand: Drawable) -> Surface:
    """The texture of a hand, or its vertex colours if it has none."""
    if hand.texture is not None and hand.uv is not None and hand.uv_faces is not None:
        image = torch.as_tensor(hand.texture.astype(np.float32) / 255)
        faces = torch.as_tensor(hand.uv_faces.astype(np.int64))
        return {"texture": Texture(image, torch.as_tensor(hand.uv, dtype=torch.float32), faces)}
    return {"colours": torch.as_tensor(hand.vertex_colours, dtype=torch.float32)}


def turned_views(hand: Drawable, side: int) -> list[tuple[str, np.ndarray]]:
    """The mesh alone, [S, S, 3] uint8: six views around the vertical axis and one from above, all at one scale.

    The light stays with the viewer, as in the paper's figures, so that no view is dark.
    """
    centre = (hand.vertices.min(0) + hand.vertices.max(0)) / 2
    local = hand.vertices - centre
    radius = float(np.linalg.norm(local, axis=1).max())
    distance = 6 * radius  # far enough that views look alike in size, near enough for some perspective
    turns = [(f"{degrees}°" if degrees else "as seen", _about_y(degrees)) for degrees in range(0, 360, 60)]
    turns.append(("from above", _about_x(90)))
    placed = np.stack([local @ turn.T + np.array([0, 0, distance]) for _, turn in turns])
    focal = 0.46 * side / float(np.abs(placed[..., :2] / placed[..., 2:]).max())  # the widest view fills its panel
    intrinsics = torch.tensor([[focal, 0, side / 2], [0, focal, side / 2], [0, 0, 1]], dtype=torch.float32)
    output = render(
        torch.as_tensor(placed, dtype=torch.float32),
        torch.as_tensor(hand.faces.astype(np.int64)),
        **surface_of(hand),
        light=torch.as_tensor(hand.light).float(),
        intrinsics=intrinsics,
        size=(side, side),
        background=VIEW_BACKGROUND,
    )
    return [(label, to_bytes(view)) for (label, _), view in zip(turns, output.colour, strict=True)]


def _about_y(degrees: float) -> np.ndarray:
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def _about_x(degrees: float) -> np.ndarray:
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def to_bytes(colour: Tensor) -> np.ndarray:
    """Colours 0..1 as uint8."""
    values: np.ndarray = (colour.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    return values
