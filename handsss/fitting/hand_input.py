"""Detected hands as inputs of the fit. Left hands are fitted as right hands in the mirrored photo and mirrored back, so
that both sides are treated alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from handsss.detect.types import Detection, mirror
from handsss.fitting.observation import Observation, observation_of
from handsss.geometry.cameras import mirror_intrinsics
from handsss.geometry.rotations import mirror_axis_angle
from handsss.hand.result import HandResult


class HandInput(NamedTuple):
    """A detected hand, as a right one, before it is fitted."""

    image: np.ndarray  # [H, W, 3] uint8: the photo; mirrored for a left hand
    intrinsics: np.ndarray  # [3, 3] px, of that image
    detection: Detection  # in that image, of a right hand
    observation: Observation  # its keypoints, validated
    left: bool  # the hand in the photo is a left one
    detect_seconds: float = 0.0


def hand_inputs(
    image: np.ndarray, intrinsics: np.ndarray, detections: Sequence[Detection], detect_seconds: float = 0.0
) -> list[HandInput]:
    """The inputs of one photo's hands; they share one mirrored copy of the photo.

    Args:
        image: [H, W, 3] uint8.
        intrinsics: [3, 3] px.
        detections: left and right hands of the photo.
        detect_seconds: detection time per hand.

    Raises:
        InputError: keypoints that cannot be fitted.
    """
    width = image.shape[1]
    left = any(detection.hand == "left" for detection in detections)
    mirrored = np.ascontiguousarray(image[:, ::-1]) if left else image
    inputs = []
    for detection in detections:
        if detection.hand == "left":
            picture, camera, own = mirrored, mirror_intrinsics(intrinsics, width), mirror(detection, width)
        else:
            points = np.array(detection.keypoints, dtype=np.float64)
            picture, camera, own = image, intrinsics, replace(detection, keypoints=points)
        observation = observation_of(own.keypoints, camera, own.world)
        inputs.append(HandInput(picture, camera, own, observation, detection.hand == "left", detect_seconds))
    return inputs


def mirror_result(result: HandResult, width: int) -> None:
    """Mirror a right hand that was fitted in the mirrored photo to the left hand of the original, in place."""
    flip = np.array([-1.0, 1.0, 1.0])
    result.hand = "left" if result.hand == "right" else "right"
    result.intrinsics = mirror_intrinsics(result.intrinsics, width)
    result.keypoints_2d = result.keypoints_2d.copy()
    result.keypoints_2d[:, 0] = width - result.keypoints_2d[:, 0]
    result.joints_2d = result.joints_2d.copy()
    result.joints_2d[:, 0] = width - result.joints_2d[:, 0]
    result.joints_3d = result.joints_3d * flip
    result.kinematic_joints_3d = result.kinematic_joints_3d * flip
    result.vertices = result.vertices * flip
    result.faces = np.ascontiguousarray(result.faces[:, ::-1])
    if result.uv_faces is not None:
        result.uv_faces = np.ascontiguousarray(result.uv_faces[:, ::-1])
    result.pose = mirror_axis_angle(torch.as_tensor(result.pose).reshape(15, 3), 0).reshape(45).numpy()
    result.rotation = mirror_axis_angle(torch.as_tensor(result.rotation), 0).numpy()
    result.translation = result.translation * flip
    result.light = result.light.copy()
    result.light[8] = -result.light[8]
