"""A film's hands: tracks with their arrays, in the film's own pictures and camera."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch

from handsss.fitting.problem import HandParameters, KeypointProblem
from handsss.geometry.cameras import project
from handsss.geometry.rotations import matrix_to_axis_angle, mirror_axis_angle
from handsss.hand.layer import HandLayer
from handsss.hand.load import load_model
from handsss.hand.model import mirrored
from handsss.hand.result import HandResult
from handsss.reconstruction.film.tracks import Track
from handsss.rendering.shading import DEFAULT_LIGHT, MEAN_SKIN

_TOGETHER = 64  # frames whose vertices are computed at once


@dataclass(eq=False)
class HandTrack:
    """One hand through a film, N frames of it. Lengths are metres, angles radians, in the camera frame (x right, y
    down, z forward); a left hand's pose is that hand's own."""

    number: int
    hand: str  # "left" | "right"
    right: float  # probability of a right hand by the vote of all frames
    model: str
    model_source: str
    keypoint_set: str
    intrinsics: np.ndarray  # [3, 3] px
    frames: np.ndarray  # [N] numbers of the frames, increasing
    seconds: np.ndarray  # [N]
    filled: np.ndarray  # [N] bool: not seen, between frames that were
    score: np.ndarray  # [N] presence 0..1; 0 where filled
    keypoints_2d: np.ndarray  # [N, 21, 3] px and confidence, as detected; NaN where filled
    joints_3d: np.ndarray  # [N, 21, 3]
    joints_2d: np.ndarray  # [N, 21, 2] px
    pose: np.ndarray  # [N, 45] axis-angle relative to the flat hand
    rotation: np.ndarray  # [N, 3] axis-angle about the hand model's origin
    translation: np.ndarray  # [N, 3]
    shape: np.ndarray  # [10] of all frames
    light: np.ndarray = field(default_factory=lambda: np.array(DEFAULT_LIGHT))
    vertex_colours: np.ndarray | None = None  # [V, 3] 0..1
    uv: np.ndarray | None = None
    uv_faces: np.ndarray | None = None  # of a right hand
    texture: np.ndarray | None = None  # [h, w, 3] uint8
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """``right_0``: side and number."""
        return f"{self.hand}_{self.number}"

    @cached_property
    def layer(self) -> HandLayer:
        """The hand model of this side."""
        model = load_model(self.model_source or self.model)
        return HandLayer(model if model.side == self.hand else mirrored(model), flat_hand_mean=True)

    def vertices(self, rows: np.ndarray) -> np.ndarray:
        """[n, V, 3] metres at some rows."""
        return self.posed(rows)[0]

    def posed(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Vertices [n, V, 3] and the hand model's own joints and tips [n, 21, 3], metres, at some rows."""
        with torch.no_grad():
            posed = self.layer(
                axis_angle=torch.as_tensor(self.pose[rows], dtype=torch.float32),
                shape=torch.as_tensor(self.shape, dtype=torch.float32).expand(len(rows), 10),
                rotation=torch.as_tensor(self.rotation[rows], dtype=torch.float32),
                translation=torch.as_tensor(self.translation[rows], dtype=torch.float32),
            )
        return posed.vertices.double().numpy(), posed.joints.double().numpy()

    def results(self, rows: np.ndarray | None = None) -> Iterator[HandResult]:
        """The hand at some rows, or all, as photos have it."""
        rows = np.arange(len(self.frames)) if rows is None else rows
        for begin in range(0, len(rows), _TOGETHER):
            some = rows[begin : begin + _TOGETHER]
            for row, vertices, joints in zip(some, *self.posed(some), strict=True):
                yield self._result(int(row), vertices, joints)

    def result(self, row: int) -> HandResult:
        """The hand at a row, as photos have it."""
        return next(self.results(np.array([row])))

    def _result(self, row: int, vertices: np.ndarray, joints: np.ndarray) -> HandResult:
        model = self.layer.model
        colours = np.tile(MEAN_SKIN, (len(vertices), 1)) if self.vertex_colours is None else self.vertex_colours
        corners = self.uv_faces
        if corners is not None and self.hand == "left":
            corners = np.ascontiguousarray(corners[:, ::-1])
        return HandResult(
            hand=self.hand,
            score=float(self.score[row]),
            model=self.model,
            model_source=self.model_source,
            intrinsics=self.intrinsics,
            keypoints_2d=np.nan_to_num(self.keypoints_2d[row]),
            keypoint_set=self.keypoint_set,
            joints_3d=self.joints_3d[row],
            joints_2d=self.joints_2d[row],
            kinematic_joints_3d=joints,
            vertices=vertices,
            faces=model.faces,
            pose=self.pose[row],
            shape=self.shape,
            rotation=self.rotation[row],
            scale=1.0,
            translation=self.translation[row],
            light=self.light,
            vertex_colours=colours,
            uv=self.uv,
            uv_faces=corners,
            texture=self.texture,
            handedness=self.right if self.hand == "right" else 1 - self.right,
        )


@dataclass(eq=False)
class FilmHands:
    """The hands of a film."""

    path: str
    size: tuple[int, int]  # width, height px
    rate: float  # frames a second in the mean
    seconds: np.ndarray  # [F] of each frame that was read
    intrinsics: np.ndarray  # [3, 3] px
    camera: str  # a sentence
    tracks: list[HandTrack]
    cuts: list[float] = field(default_factory=list)  # seconds at which another scene begins
    warnings: list[str] = field(default_factory=list)
    interrupted: bool = False
    spent: dict[str, tuple[float, float]] = field(default_factory=dict)  # stage: seconds, processor seconds

    def to_json(self) -> dict[str, Any]:
        """NAME.json: figures of the film and its tracks."""
        return {
            "film": self.path,
            "size": list(self.size),
            "frames": len(self.seconds),
            "rate": round(self.rate, 4),
            "intrinsics": np.round(self.intrinsics, 4).tolist(),
            "camera": self.camera,
            "cuts_seconds": [round(cut, 3) for cut in self.cuts],
            "warnings": self.warnings,
            "interrupted": self.interrupted,
            "tracks": [{"name": track.name, "hand": track.hand, **track.figures} for track in self.tracks],
            "seconds": {name: [round(value, 3) for value in both] for name, both in self.spent.items()},
        }


@torch.no_grad()
def track_arrays(
    track: Track,
    side: str,
    parameters: HandParameters,
    problem: KeypointProblem,
    intrinsics: np.ndarray,
    width: int,
) -> dict[str, Any]:
    """The arrays of a fitted track, mirrored back for a left hand.

    Args:
        track: what was seen.
        side: of it.
        parameters: [N] as a right hand, of one shape.
        problem: of the keypoints.
        intrinsics: [3, 3] px of the film.
        width: px of the film.
    """
    points, _ = problem.keypoints(parameters)
    pose = problem.space.axis_angle(parameters.pose)
    rotation = matrix_to_axis_angle(parameters.rotation)
    translation = parameters.translation.numpy().copy()
    joints = points.numpy().copy()
    if side == "left":
        flip = np.array([-1.0, 1.0, 1.0])
        joints, translation = joints * flip, translation * flip
        pose, rotation = mirror_axis_angle(pose, 0), mirror_axis_angle(rotation, 0)
    detected = np.where(track.seen[:, None, None], track.values[:, :, :3], np.nan)
    return {
        "frames": track.frames,
        "seconds": track.seconds,
        "filled": ~track.seen,
        "score": track.presence,
        "keypoints_2d": detected,
        "joints_3d": joints,
        "joints_2d": project(torch.as_tensor(joints), torch.as_tensor(intrinsics)).numpy(),
        "pose": pose.flatten(1).numpy(),
        "rotation": rotation.numpy(),
        "translation": translation,
        "shape": parameters.shape[0].numpy(),
    }
