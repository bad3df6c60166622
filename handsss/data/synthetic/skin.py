"""Procedural skin: tone, palm and back, redness, nails, creases, knuckles, veins, over the hand's surface."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from handsss.data.synthetic.noise import space_noise
from handsss.geometry.mesh import vertex_normals
from handsss.hand.load import load_model
from handsss.rendering.atlas import texels

TEXTURE = 320  # px, side of the texture

# Diffuse skin colours (linear RGB) from pale to dark; a tone is a point on this line.
TONES = np.array(
    [
        [0.80, 0.58, 0.48],
        [0.72, 0.48, 0.37],
        [0.60, 0.37, 0.26],
        [0.43, 0.25, 0.165],
        [0.27, 0.145, 0.095],
        [0.13, 0.072, 0.050],
    ]
)
TONES = TONES.mean(1, keepdims=True) + 1.14 * (TONES - TONES.mean(1, keepdims=True))
PALM_LIGHT = np.array([0.55, 0.34, 0.26])  # towards which a dark hand's palm lies


class Surface(NamedTuple):
    """Surface attributes of each texel of the detail hand, at rest; the same for all pictures."""

    inside: np.ndarray  # [T, T] bool
    nearest: np.ndarray  # [2, T, T] closest texel inside: padding around the charts
    points: np.ndarray  # [N, 3] metres, canonical frame
    palmar: np.ndarray  # [N] 0 back of the hand, 1 palm
    nail: np.ndarray  # [N] 0..1
    nail_edge: np.ndarray  # [N] 0..1: the rim of a nail
    crease: np.ndarray  # [N] 0..1: lines across the inner side of joints
    knuckle: np.ndarray  # [N] 0..1: folds on the back of joints
    fingertip: np.ndarray  # [N] 0..1
    palm_lines: np.ndarray  # [N] 0..1: the palm's three lines
    back_of_hand: np.ndarray  # [N] 0..1: where veins and tendons show


@dataclass(frozen=True)
class SkinParameters:
    """Parameters of one person's skin."""

    tone: float  # 0 pale .. 1 dark
    redness: float  # 0..1
    seed: int  # of its noise
    veins: float  # 0..1
    nail_colour: tuple[float, float, float] | None  # linear RGB of varnish; None: bare


def sample_skin(rng: np.random.Generator) -> SkinParameters:
    """Sample a person's skin; tones are uniform."""
    varnish = None
    if rng.random() < 0.08:
        red, green, blue = rng.uniform(0.02, 0.7, 3)
        varnish = (float(red), float(green * 0.5), float(blue))
    return SkinParameters(
        tone=float(rng.uniform(0, 1)),
        redness=float(rng.uniform(0, 1)),
        seed=int(rng.integers(2**31)),
        veins=float(rng.beta(1.2, 2.5)),
        nail_colour=varnish,
    )


@lru_cache(maxsize=1)
def surface() -> Surface:
    """The fields of the open hand's detail mesh."""
    model = load_model("open-detail")
    assert model.uv is not None and model.uv_faces is not None and model.nail_faces is not None
    chart = texels(model.uv, model.uv_faces, TEXTURE)
    corners = model.faces[chart.face]
    points = np.einsum("nk,nkc->nc", chart.barycentric, model.v_template[corners])
    normals = vertex_normals(model.v_template, model.faces)
    normal = np.einsum("nk,nkc->nc", chart.barycentric, normals[corners])
    palmar = 1 / (1 + np.exp(normal[:, 1] * 9))
    is_nail = np.isin(chart.face, model.nail_faces).astype(float)
    picture = np.zeros(chart.inside.shape)
    picture[chart.inside] = is_nail
    soft = ndimage.gaussian_filter(picture, 1.0)[chart.inside]
    edge = np.clip(4 * soft * (1 - soft), 0, 1)
    joints = model.j_regressor @ model.v_template
    tips = model.v_template[model.tips]
    crease, knuckle, fingertip = np.zeros(len(points)), np.zeros(len(points)), np.zeros(len(points))
    owner = model.weights.argmax(1)[corners[:, 0]]
    for finger in range(5):
        for step in range(3):
            joint = 3 * finger + step + 1
            end = tips[finger] if step == 2 else joints[joint + 1]
            axis = (end - joints[joint]) / np.linalg.norm(end - joints[joint])
            offset = points - joints[joint]
            along = offset @ axis
            near = np.linalg.norm(offset - along[:, None] * axis, axis=1) < 0.017
            near &= np.isin(owner, (joint, joint - 1 if step else joint))
            if step > 0:
                for shift in (-0.0016, 0.0016):
                    crease = np.maximum(crease, near * np.exp(-(((along - shift) / 0.0005) ** 2)) * palmar)
                for shift in (-0.0045, -0.0022, 0.0, 0.0022, 0.0045):
                    fold = np.exp(-(((along - shift) / 0.0005) ** 2))
                    knuckle = np.maximum(knuckle, near * fold * (1 - palmar))
        fingertip = np.maximum(fingertip, np.exp(-((np.linalg.norm(points - tips[finger], axis=1) / 0.012) ** 2)))
    wrist, middle = joints[0], joints[4]
    reach = (points - middle) @ (wrist - middle) / np.square(wrist - middle).sum()
    palm = (reach > -0.25) & (reach < 1.0) & (palmar > 0.5)
    return Surface(
        chart.inside,
        chart.nearest,
        points,
        palmar,
        np.clip(soft * 1.3, 0, 1) * is_nail,
        edge,
        crease,
        knuckle,
        fingertip,
        _palm_lines(points, joints, palm),
        ((reach > -0.1) & (reach < 1.2) & (palmar < 0.5)).astype(float),
    )


def _palm_lines(points: np.ndarray, joints: np.ndarray, palm: np.ndarray) -> np.ndarray:
    """Thin arcs over the palm: around the ball of the thumb, and two across."""
    index, middle, little, wrist = joints[1], joints[4], joints[7], joints[0]
    across = little - index
    width = np.linalg.norm(across)
    u = (points - index) @ across / width**2  # 0 below the index, 1 below the little finger
    v = (points - index) @ (wrist - middle) / np.square(wrist - middle).sum()
    lines = np.zeros(len(points))
    for curve, low, high in (
        (lambda u: 0.20 + 0.62 * np.clip(u + 0.15, 0, 2) ** 0.55, -0.15, 0.62),  # around the thumb's ball
        (lambda u: 0.22 + 0.22 * u, -0.1, 0.95),
        (lambda u: 0.10 + 0.10 * (1 - u), 0.15, 1.1),
    ):
        line = np.exp(-(((v - curve(u)) * 0.09 / 0.0007) ** 2))
        lines = np.maximum(lines, line * ((u > low) & (u < high)))
    return lines * palm


def skin_texture(skin: SkinParameters) -> np.ndarray:
    """The albedo [T, T, 3], linear RGB, of a skin."""
    field = surface()
    rng = np.random.default_rng(skin.seed)
    position = skin.tone * (len(TONES) - 1)
    below = min(int(position), len(TONES) - 2)
    base = TONES[below] + (position - below) * (TONES[below + 1] - TONES[below])
    base = base * (1 + rng.normal(0, 0.04, 3))
    lighter = base + (0.10 + 0.42 * skin.tone) * np.maximum(PALM_LIGHT * (1.35 - 0.6 * skin.tone) - base, 0)
    lighter = lighter * np.array([1.03, 0.97, 0.97])
    palmar = field.palmar[:, None]
    colour = base * (1 - palmar) + lighter * palmar
    blotches = space_noise(field.points, 0.012, rng, 3)
    fine = space_noise(field.points, 0.0016, rng, 2)
    colour = colour * (1 + 0.07 * blotches + 0.045 * fine)[:, None]
    red = (0.35 + 0.65 * skin.redness) * (1 - 0.55 * skin.tone)
    flush = red * (0.55 * field.fingertip + 0.22 * (space_noise(field.points, 0.02, rng, 2) > 0.25) * field.palmar)
    flush = flush + red * 0.35 * ndimage.gaussian_filter1d(field.knuckle, 1)
    colour = colour * (1 - flush[:, None] * np.array([0.04, 0.26, 0.22]))
    depth = rng.uniform(0.15, 0.5)
    lines = np.clip(field.crease + 0.8 * field.palm_lines + 0.5 * field.knuckle, 0, 1)
    colour = colour * (1 - depth * lines[:, None] * np.array([0.75, 1.0, 1.0]))
    colour = _veins(colour, field, skin, rng)
    nail = field.nail[:, None]
    if skin.nail_colour is None:
        bare = base * 0.55 + np.array([0.62, 0.40, 0.36]) * 0.45 * (1.2 - 0.6 * skin.tone)
    else:
        bare = np.broadcast_to(np.array(skin.nail_colour), base.shape)
    colour = colour * (1 - nail) + bare * nail
    colour = colour * (1 - 0.25 * field.nail_edge[:, None])
    texture = np.zeros((*field.inside.shape, 3))
    texture[field.inside] = np.clip(colour, 0.008, 0.95)
    filled: np.ndarray = texture[field.nearest[0], field.nearest[1]]
    return filled.astype(np.float32)


def _veins(colour: np.ndarray, field: Surface, skin: SkinParameters, rng: np.random.Generator) -> np.ndarray:
    """Bluish lines where a smooth field changes its sign, on the back of the hand."""
    stretched = field.points * np.array([0.35, 0.35, 1.0])
    wave = space_noise(stretched, 0.009, rng, 1)
    line = np.exp(-((wave / 0.13) ** 2)) * field.back_of_hand * skin.veins
    strength = line * (0.16 * (1 - 0.7 * skin.tone))
    veined: np.ndarray = colour * (1 - strength[:, None] * np.array([1.0, 0.45, 0.25]))
    return veined


def arm_colour(skin: SkinParameters, points: np.ndarray) -> np.ndarray:
    """The same skin on the forearm: [N, 3] linear RGB at points [N, 3] (canonical frame)."""
    rng = np.random.default_rng(skin.seed)
    position = skin.tone * (len(TONES) - 1)
    below = min(int(position), len(TONES) - 2)
    base = TONES[below] + (position - below) * (TONES[below + 1] - TONES[below])
    base = base * (1 + rng.normal(0, 0.04, 3))
    colour: np.ndarray = base * (1 + 0.07 * space_noise(points, 0.012, rng, 2))[:, None]
    return np.clip(colour, 0.008, 0.95)
