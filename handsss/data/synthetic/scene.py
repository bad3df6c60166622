"""One synthetic picture: scene sampled from a seed, rendered, with its ground truth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from handsss.data.synthetic.arm import Arm, make_arm, with_sleeve
from handsss.data.synthetic.background import make_background
from handsss.data.synthetic.camera import Degradation, is_clean, jpeg, photograph, sample_degradation
from handsss.data.synthetic.light import sample_lighting
from handsss.data.synthetic.occluders import Occluder, make_occluder
from handsss.data.synthetic.poses import Placement, sample_placement, sample_pose
from handsss.data.synthetic.renderer import Material, SceneMesh, render_scene
from handsss.data.synthetic.skin import SkinParameters, arm_colour, sample_skin, skin_texture
from handsss.geometry.framing import CROP
from handsss.hand.layer import HandLayer
from handsss.hand.load import load_model

_ROOT = 9  # middle finger's knuckle, OpenPose order
_FROM_CAMERA = -0.5  # z of the forearm's direction below which it would hide the hand
_TRIES = 40  # placements until the hand is in the picture


@dataclass(frozen=True)
class SceneSettings:
    """Everything that determines the pictures."""

    seed: int = 0
    backgrounds: tuple[Path, ...] = ()
    occluders: float = 0.3  # share of pictures with an object in the hand or in front of it
    clean: bool = False  # no occluders, no motion blur, good exposure
    poses: str = "coupled"  # of ``data.synthetic.poses.POSES``
    pictures_a_person: int = 1  # so many pictures in a row show hands of one shape and skin


class Scene(NamedTuple):
    """A picture and its ground truth, in FreiHAND's format."""

    picture: bytes  # JPEG
    mask: bytes  # JPEG, white where the hand is seen
    K: np.ndarray  # [3, 3] px
    joints: np.ndarray  # [21, 3] m, camera frame, OpenPose order, regressed from the posed vertices
    vertices: np.ndarray  # [778, 3] m
    mano: np.ndarray  # [61]
    scale: float  # m, bone 9-10
    facts: dict[str, Any]  # attributes of the picture, for SPLIT_scene.json


class _Posed(NamedTuple):
    detail: np.ndarray  # [1649, 3] model frame
    vertices: np.ndarray  # [778, 3] model frame
    joints: np.ndarray  # [21, 3] model frame
    wrist: np.ndarray  # [3]


@lru_cache(maxsize=1)
def _layers() -> tuple[HandLayer, HandLayer]:
    return (
        HandLayer(load_model("open-detail"), flat_hand_mean=True, dtype=torch.float64),
        HandLayer(load_model("open"), flat_hand_mean=True, dtype=torch.float64),
    )


def _pose(pose: np.ndarray, shape: np.ndarray) -> _Posed:
    detail, low = _layers()
    arguments = {"axis_angle": torch.as_tensor(pose)[None], "shape": torch.as_tensor(shape)[None]}
    with torch.no_grad():
        shown, truth = detail(**arguments), low(**arguments)
        joints = low.keypoints(truth, "freihand")[0].numpy()
    return _Posed(shown.vertices[0].numpy(), truth.vertices[0].numpy(), joints, truth.kinematic_joints[0, 0].numpy())


def _person(rng: np.random.Generator) -> tuple[np.ndarray, SkinParameters]:
    """Shape [10] and skin."""
    return np.clip(rng.normal(0, 1, 10), -2.5, 2.5), sample_skin(rng)


def make_scene(number: int, split: str, settings: SceneSettings) -> Scene:
    """Picture ``number`` of a split; the same settings and number give the same bytes.

    Args:
        number: from 0.
        split: "training" or "evaluation": other pictures, other people.
        settings: see :class:`SceneSettings`.
    """
    seeds = [settings.seed, ("training", "evaluation").index(split), number]
    rng = np.random.default_rng(seeds)
    pose = sample_pose(load_model("open-detail"), rng, settings.poses)
    shape, skin = _person(rng)
    if settings.pictures_a_person > 1:
        seeds[-1] //= settings.pictures_a_person
        shape, skin = _person(np.random.default_rng([*seeds, 1]))
    lighting = sample_lighting(rng)
    degradation = sample_degradation(rng)
    if settings.clean:
        degradation = Degradation(1.0, 0.5, 0.0, 0.0, 0.01, 95, degradation.seed)
    posed = _pose(pose, shape)
    placement, translation, K = _place(posed, rng)
    turn = placement.rotation

    def to_camera(points: np.ndarray) -> np.ndarray:
        moved: np.ndarray = points @ turn.T + translation
        return moved

    arm, cloth, sleeved = _arm(posed, placement, rng)
    hand_mesh = SceneMesh(to_camera(posed.detail), load_model("open-detail").faces.astype(np.int64), Material.skin())
    arm_mesh = SceneMesh(
        to_camera(arm.vertices),
        arm.faces,
        Material.arm(arm_colour(skin, arm.rest), arm.distance, cloth, rng.uniform(0.02, 0.7, 3), arm.rest),
    )
    occluders = _occluders(to_camera(posed.joints), rng, settings)
    meshes = [hand_mesh, arm_mesh, *(SceneMesh(t.vertices, t.faces, Material.plain(t.colour)) for t in occluders)]
    background = make_background(CROP, list(settings.backgrounds), rng)
    rendered = render_scene(meshes, skin_texture(skin), lighting, K, background, rng)
    picture = photograph(rendered.light, degradation)
    joints, vertices = to_camera(posed.joints), to_camera(posed.vertices)
    hidden = _hidden(joints, rendered.depth, K)
    return Scene(
        picture=jpeg(picture, degradation.quality),
        mask=jpeg(np.where(rendered.hand > 0.5, 255, 0).astype(np.uint8), 95),
        K=K,
        joints=joints,
        vertices=vertices,
        mano=_mano(pose, shape, turn, joints, K),
        scale=float(np.linalg.norm(joints[9] - joints[10])),
        facts=_facts(skin, placement, occluders, degradation, cloth if sleeved else 0.0, rendered.hand, hidden),
    )


def _place(posed: _Posed, rng: np.random.Generator) -> tuple[Placement, np.ndarray, np.ndarray]:
    """Sample a placement with at least nineteen joints inside the picture and the forearm not towards the camera; also
    its translation and camera matrix."""
    middle = posed.joints.mean(0)
    for _ in range(_TRIES):
        placement = sample_placement(rng)
        if placement.rotation[2, 0] < _FROM_CAMERA:  # the forearm lies along the model's +x
            continue
        K = np.array(
            [[placement.focal, 0, placement.principal[0]], [0, placement.focal, placement.principal[1]], [0, 0, 1.0]]
        )
        pixel = np.full(2, CROP / 2) + placement.offset
        centre = np.array([*((pixel - placement.principal) / placement.focal * placement.depth), placement.depth])
        translation = centre - placement.rotation @ middle
        points = posed.joints @ placement.rotation.T + translation
        projected = points @ K.T
        pixels = projected[:, :2] / projected[:, 2:]
        if ((pixels > 2) & (pixels < CROP - 2)).all(1).sum() >= 19:
            break
    return placement, translation, K


def _arm(posed: _Posed, placement: Placement, rng: np.random.Generator) -> tuple[Arm, float, bool]:
    """The forearm, the distance behind the wrist where its sleeve begins (m), and whether it has one."""
    arm = make_arm(posed.detail, posed.wrist, placement.wrist)
    sleeved = rng.random() < 0.55
    start = float(rng.uniform(0.004, 0.12)) if sleeved else 10.0
    if sleeved:
        arm = with_sleeve(arm, start, rng)
    return arm, start, sleeved


def _occluders(joints: np.ndarray, rng: np.random.Generator, settings: SceneSettings) -> list[Occluder]:
    """An object in the hand or in front of it, in some pictures."""
    if settings.clean or rng.random() > settings.occluders:
        return []
    if rng.random() < 0.6:  # held: between palm and fingertips
        centre = 0.5 * (joints[[5, 9, 13, 17]].mean(0) + joints[[8, 12, 16, 20]].mean(0)) + rng.normal(0, 0.008, 3)
        return [make_occluder(centre, rng)]
    front = joints[rng.integers(21)]
    centre = front * rng.uniform(0.80, 0.93) + np.array([*rng.normal(0, 0.02, 2), 0])
    return [make_occluder(centre, rng, size=rng.uniform(0.5, 1.0))]


def _hidden(joints: np.ndarray, depth: np.ndarray, K: np.ndarray) -> int:
    """Number of occluded joints: more than 3 cm behind the visible surface, or outside the picture."""
    projected = joints @ K.T
    pixels = np.floor(projected[:, :2] / projected[:, 2:]).astype(int)
    count = 0
    for (x, y), z in zip(pixels, joints[:, 2], strict=True):
        if not (0 <= x < CROP and 0 <= y < CROP) or 0 < depth[y, x] < z - 0.03:
            count += 1
    return count


def _mano(pose: np.ndarray, shape: np.ndarray, turn: np.ndarray, joints: np.ndarray, K: np.ndarray) -> np.ndarray:
    """FreiHAND's 61 numbers: root turn, pose relative to the mean pose, shape, root pixel, focal length over depth."""
    mean = load_model("open").hands_mean
    projected = K @ joints[_ROOT]
    focal = 0.5 * (K[0, 0] + K[1, 1])
    return np.concatenate(
        [
            Rotation.from_matrix(turn).as_rotvec(),
            pose.reshape(45) - mean,
            shape,
            projected[:2] / projected[2],
            [focal / joints[_ROOT, 2]],
        ]
    )


def _facts(
    skin: SkinParameters,
    placement: Placement,
    occluders: list[Occluder],
    degradation: Degradation,
    cloth: float,
    hand: np.ndarray,
    hidden: int,
) -> dict[str, Any]:
    return {
        "tone": round(skin.tone, 3),
        "focal": round(placement.focal, 1),
        "depth": round(placement.depth, 3),
        "occluder": bool(occluders),
        "sleeve": round(cloth, 3),
        "motion_px": round(degradation.motion, 1),
        "clean": is_clean(degradation) and not occluders,
        "hand_share": round(float(hand.mean()), 4),
        "hidden_joints": hidden,
    }
