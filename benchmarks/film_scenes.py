"""Films of rendered hands that move as recorded hands did, with their truth."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation, Slerp

from benchmarks.pose_coverage import Skeleton, read
from handsss.data.synthetic.arm import make_arm
from handsss.data.synthetic.background import make_background
from handsss.data.synthetic.skin import arm_colour, sample_skin, skin_texture
from handsss.geometry.cameras import intrinsics_from_fov
from handsss.hand.layer import HandLayer
from handsss.hand.load import load_model
from handsss.hand.sampling import euler_matrices
from handsss.rendering.pipeline import render

RATE = 30.0
_SMOOTH = 0.02  # seconds: standard deviation of the filter that takes the sensor's own noise out
_SENSOR = np.diag([1.0, -1.0, -1.0])  # the sensor's axes (y up) to a camera's that looks from the front


class Motion(NamedTuple):
    """A right hand that moves."""

    name: str
    seconds: np.ndarray  # [F]
    pose: np.ndarray  # [F, 15, 3] axis-angle
    rotation: np.ndarray  # [F, 3, 3] camera frame
    palm: np.ndarray  # [F, 3] m, the palm's middle about its mean, camera axes


class RenderedFilm(NamedTuple):
    """A film's truth, and its frames as they are rendered."""

    name: str
    size: tuple[int, int]
    seconds: np.ndarray  # [F]
    K: np.ndarray  # [3, 3] px
    joints: np.ndarray  # [F, 21, 3] m, camera frame, by MediaPipe's definition
    shape: np.ndarray  # [10]
    frames: Iterator[np.ndarray]  # [H, W, 3] uint8


def motions(path: Path, rate: float = RATE, least: float = 1.0) -> list[Motion]:
    """Recorded hands at an even rate; left ones mirrored.

    Joint angles and the palm are filtered over 20 ms: what a sensor at about 100 frames a second adds from frame to
    frame is no motion of a hand.

    Args:
        path: see :mod:`benchmarks.pose_coverage`.
        rate: frames a second.
        least: seconds of a recording, shorter ones are left out.
    """
    skeleton, recorded = Skeleton(), read(path)
    with np.load(path, allow_pickle=False) as file:
        palm, normal, direction = (file[name].astype(np.float64) for name in ("palm", "palm_normal", "direction"))
        left = file["side"] == "left"
    for values in (palm, normal, direction):
        values[left, 0] *= -1
    axes = np.stack([-direction, -normal, np.cross(direction, normal)], 2)  # columns: the model's axes in the sensor's
    found = []
    for track in np.unique(recorded.track):
        rows = np.flatnonzero(recorded.track == track)
        rows = rows[np.argsort(recorded.seconds[rows])]
        rows = rows[np.concatenate([[True], np.diff(recorded.seconds[rows]) > 1e-4])]
        times = recorded.seconds[rows] - recorded.seconds[rows[0]]
        if times[-1] < least:
            continue
        angles = np.radians(skeleton.angles(recorded.directions[rows]))
        angles = np.unwrap(angles, axis=0)
        fine = np.arange(0, times[-1], 0.005)

        def even(values: np.ndarray, times: np.ndarray = times, fine: np.ndarray = fine) -> np.ndarray:
            flat = values.reshape(len(values), -1)
            steady = np.stack([np.interp(fine, times, column) for column in flat.T], 1)
            return gaussian_filter1d(steady, _SMOOTH / 0.005, axis=0, mode="nearest").reshape(-1, *values.shape[1:])

        step = np.clip(np.round(np.arange(0, fine[-1], 1 / rate) / 0.005).astype(int), 0, len(fine) - 1)
        turned = Slerp(times, Rotation.from_matrix(axes[rows]))(fine).as_matrix()
        turned = even(turned.reshape(len(fine), 9), fine, fine)[step].reshape(-1, 3, 3)
        u, _, v = np.linalg.svd(turned)
        rotation = u @ np.diag([1.0, 1.0, 1.0]) @ v
        matrices = euler_matrices(even(angles)[step], skeleton.frames)
        pose = Rotation.from_matrix(matrices.reshape(-1, 3, 3)).as_rotvec().reshape(-1, 15, 3)
        place = even(palm[rows] / 1000)[step] @ _SENSOR.T
        name = f"{recorded.recording[rows[0]]}, {'left' if track % 2 else 'right'}"
        found.append(Motion(name, fine[step], pose, _SENSOR @ rotation, place - place.mean(0)))
    return found


class Hand:
    """A person's hand to be rendered."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng([seed, 7])
        self.rng = rng
        self.detail, self.model = load_model("open-detail"), load_model("open")
        self.shape = np.clip(rng.normal(0, 0.8, 10), -2, 2)
        self.skin = sample_skin(rng)
        texture = skin_texture(self.skin)
        corners = np.zeros(self.detail.vertex_count, dtype=np.int64)
        assert self.detail.uv is not None and self.detail.uv_faces is not None
        corners[self.detail.faces.ravel()] = self.detail.uv_faces.ravel()
        uv, side = self.detail.uv[corners], texture.shape[0]
        rows = np.clip((1 - uv[:, 1]) * side, 0, side - 1).astype(int)
        self.colours = texture[rows, np.clip(uv[:, 0] * side, 0, side - 1).astype(int)]
        self.layers = [
            HandLayer(model, flat_hand_mean=True, dtype=torch.float64) for model in (self.detail, self.model)
        ]

    def posed(self, pose: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Vertices of the detailed hand, joints [21, 3] and wrist [3], in the model's frame."""
        one = {"axis_angle": torch.as_tensor(pose)[None], "shape": torch.as_tensor(self.shape)[None]}
        with torch.no_grad():
            shown, truth = self.layers[0](**one), self.layers[1](**one)
            joints = self.layers[1].keypoints(truth, "mediapipe")[0].numpy()
        return shown.vertices[0].numpy(), joints, truth.kinematic_joints[0, 0].numpy()


def film_of(
    motion: Motion,
    seed: int = 0,
    *,
    size: tuple[int, int] = (640, 480),
    distance: float = 0.5,
    fov: float = np.pi / 3,
    frames: int | None = None,
) -> RenderedFilm:
    """A film of one hand in front of a background.

    Args:
        motion: of the hand.
        seed: of the person, the light, the background and the camera's direction.
        size: width, height, px.
        distance: m of the palm's middle.
        fov: radians over the longer side.
        frames: at most.
    """
    hand, rng = Hand(seed), np.random.default_rng([seed, 11])
    # The camera looks from a little above or below, turned by up to a quarter.
    look = Rotation.from_euler("yx", [rng.uniform(-0.8, 0.8), rng.uniform(0.4, 1.5)]).as_matrix()
    K = intrinsics_from_fov(*size, fov)
    reach = distance * 0.5 * np.array(size) / K[0, 0] * 0.55
    moved = motion.palm @ look.T
    squeeze = min(1.0, *(reach / np.maximum(np.abs(moved[:, :2]).max(0), 1e-9)))  # stays in the picture
    count = len(motion.seconds) if frames is None else min(frames, len(motion.seconds))
    rotation = look @ motion.rotation[:count]
    posed = [hand.posed(pose) for pose in motion.pose[:count]]
    middles = np.stack([joints[[0, 5, 9, 13, 17]].mean(0) for _, joints, _ in posed])
    centres = squeeze * moved[:count] + np.array([0.0, 0.0, distance])
    shift = centres - np.einsum("nij,nj->ni", rotation, middles)
    joints = np.stack([own @ turn.T + s for (_, own, _), turn, s in zip(posed, rotation, shift, strict=True)])
    back = make_background(max(size), [], rng)[: size[1], : size[0]]
    light = np.array([0.55, 0.6, 1, 1, 1, 1, 1, 0.96, *_towards(rng)])
    bend = np.zeros(2)

    def shown() -> Iterator[np.ndarray]:
        for (detail, _, wrist), turn, s in zip(posed, rotation, shift, strict=True):
            arm = make_arm(detail, wrist, bend)
            vertices = np.concatenate([detail, arm.vertices]) @ turn.T + s
            faces = np.concatenate([hand.detail.faces, arm.faces + len(detail)])
            colours = np.concatenate([hand.colours, arm_colour(hand.skin, arm.rest)])
            colour = render(
                torch.as_tensor(vertices, dtype=torch.float32)[None],
                torch.as_tensor(faces.astype(np.int64)),
                colours=torch.as_tensor(colours, dtype=torch.float32),
                light=torch.as_tensor(light, dtype=torch.float32),
                intrinsics=torch.as_tensor(K, dtype=torch.float32),
                size=(size[1], size[0]),
                background=torch.as_tensor(back, dtype=torch.float32),
            ).colour[0]
            noisy = colour.numpy().clip(0, 1) ** (1 / 2.2) + hand.rng.normal(0, 0.012, (size[1], size[0], 1))
            yield np.round(noisy.clip(0, 1) * 255).astype(np.uint8)

    return RenderedFilm(motion.name, size, motion.seconds[:count], K, joints, hand.shape, shown())


def _towards(rng: np.random.Generator) -> np.ndarray:
    direction = np.array([rng.uniform(-0.7, 0.7), rng.uniform(-0.9, -0.2), -0.8])
    unit: np.ndarray = direction / np.linalg.norm(direction)
    return unit
