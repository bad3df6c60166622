"""Reconstructed hands in other poses, positions and shapes; their texture and light stay."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from handsss.geometry.cameras import project
from handsss.geometry.rotations import matrix_to_axis_angle
from handsss.hand.layer import HandLayer
from handsss.hand.model import HandModel, mirrored
from handsss.hand.result import HandResult


def repose(
    hand: HandResult,
    model: HandModel,
    *,
    pose: np.ndarray | None = None,
    shape: np.ndarray | None = None,
    rotation: np.ndarray | None = None,
    translation: np.ndarray | None = None,
) -> HandResult:
    """The same hand with other parameters: new vertices and joints, the same texture, vertex colours and light.

    Parameters that are not given keep their values. All of them are the hand's own: those of a left hand are a left
    hand's, as :class:`HandResult` has them. ``keypoints_2d`` stay those of the photo; ``fit``, ``seconds`` and
    the expected errors are empty, since they say nothing of the new pose.

    Args:
        hand: any reconstructed hand.
        model: the one it was fitted with. Left hands are posed with the mirror image of the right model, as they are
            fitted.
        pose: [45] or [15, 3] axis-angle, radians, relative to the flat hand, MANO's joint order.
        shape: [10].
        rotation: [3] axis-angle about the model's origin, radians, or [3, 3].
        translation: [3] metres, camera frame.

    Returns:
        a new result; ``hand`` is left as it is, arrays that do not change are shared.

    Raises:
        ValueError: a parameter of another shape or with numbers that are not finite, or a model with another number of
            vertices than the hand has.
    """
    if model.vertex_count != len(hand.vertices):
        raise ValueError(
            f"expected the hand model {hand.model!r} with {len(hand.vertices)} vertices, got {model.name!r} with "
            f"{model.vertex_count}"
        )
    own = model if model.side == hand.hand else mirrored(model)
    new_pose = _checked("pose", hand.pose if pose is None else pose, (45,), (15, 3)).reshape(45)
    new_shape = _checked("shape", hand.shape if shape is None else shape, (10,))
    turn = _checked("rotation", hand.rotation if rotation is None else rotation, (3,), (3, 3))
    new_translation = _checked("translation", hand.translation if translation is None else translation, (3,))
    layer = HandLayer(own, flat_hand_mean=True, dtype=torch.float64)

    def batch(values: np.ndarray) -> Tensor:
        return torch.tensor(values)[None]

    with torch.no_grad():
        output = layer(
            axis_angle=batch(new_pose),
            shape=batch(new_shape),
            rotation=batch(turn),
            scale=torch.tensor([float(hand.scale)], dtype=torch.float64),
            translation=batch(new_translation),
        )
        joints = layer.keypoints(output, hand.keypoint_set)
        joints_2d = project(joints, batch(np.asarray(hand.intrinsics, dtype=np.float64)))
    return replace(
        hand,
        vertices=output.vertices[0].numpy(),
        joints_3d=joints[0].numpy(),
        joints_2d=joints_2d[0].numpy(),
        kinematic_joints_3d=output.joints[0].numpy(),
        pose=new_pose,
        shape=new_shape,
        rotation=turn if turn.ndim == 1 else matrix_to_axis_angle(batch(turn))[0].numpy(),
        translation=new_translation,
        fit={},
        expected_joint_errors=None,
        seconds={},
    )


def _checked(name: str, values: np.ndarray, *shapes: tuple[int, ...]) -> np.ndarray:
    plain = values.tolist() if hasattr(values, "tolist") else values  # of tensors on any device, with gradients too
    array = np.array(plain, dtype=np.float64)
    if array.shape not in shapes:
        expected = " or ".join(str(list(shape)) for shape in shapes)
        raise ValueError(f"{name}: expected {expected}, got {list(array.shape)}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite numbers")
    return array
