"""The differentiable hand model: pose, shape and rigid motion to vertices, keypoints and joint transforms."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from handsss.geometry.autograd import plain_autograd_needed
from handsss.geometry.rotations import axis_angle_to_matrix
from handsss.hand.joints import MODEL_PARENTS, reorder_indices
from handsss.hand.keypoint_sets import KeypointSet, tips_in_finger_order
from handsss.hand.lbs_fused import FusedPosing
from handsss.hand.lbs_reference import Posed, PosingConstants, pose_reference
from handsss.hand.limits import joint_angles, limit_excess
from handsss.hand.model import HandModel


class HandOutput(NamedTuple):
    """A posed hand in the target frame: that of ``rotation`` and ``translation``, usually the camera's."""

    vertices: Tensor  # [B, V, 3] metres
    joints: Tensor  # [B, 21, 3] metres, kinematic joints and fingertips, in the order asked for
    transforms: Tensor  # [B, 16, 4, 4] canonical joint frame -> target frame, MANO joint order, scale included

    @property
    def kinematic_joints(self) -> Tensor:
        """[B, 16, 3] metres, MANO order."""
        return self.transforms[:, :, :3, 3]


class HandLayer(nn.Module):
    """A hand model as a batched, differentiable function.

    Args:
        model: the hand.
        flat_hand_mean: what axis-angle poses are measured from: the flat hand (True: HO-3D) or the mean pose (False:
            FreiHAND, InterHand2.6M). PCA coefficients are always about the mean pose and matrices always absolute.
        pivot: the point that global rotation and scale leave in place: "origin" of the canonical frame (S2HAND) or the
            "wrist" joint (MANO's own root rotation, manopth, smplx, the datasets).
        dtype: of buffers and results.

    No buffer is persistent: checkpoints hold no hand model, so none can leak a licensed one.
    """

    template: Tensor
    blend: Tensor
    joint_template: Tensor
    joint_blend: Tensor
    skinning: Tensor
    mean_pose: Tensor
    components: Tensor
    identity: Tensor
    limits: Tensor
    frames: Tensor
    faces: Tensor
    tips: Tensor

    def __init__(
        self,
        model: HandModel,
        *,
        flat_hand_mean: bool = False,
        pivot: Literal["origin", "wrist"] = "origin",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        if pivot not in ("origin", "wrist"):
            raise ValueError(f"pivot is 'origin' or 'wrist', got {pivot!r}")
        if tuple(model.parents) != MODEL_PARENTS:
            raise ValueError(f"expected MANO's kinematic tree {MODEL_PARENTS}, got {tuple(model.parents)}")
        self.model = model
        self.flat_hand_mean = flat_hand_mean
        self.pivot = pivot
        count = model.vertex_count
        blend = np.concatenate([model.shapedirs, model.posedirs], 2)  # [V, 3, 145]

        def buffer(name: str, value: np.ndarray) -> None:
            self.register_buffer(name, torch.as_tensor(value, dtype=dtype).contiguous(), persistent=False)

        buffer("template", model.v_template.T.reshape(3 * count))
        buffer("blend", blend.transpose(2, 1, 0).reshape(145, 3 * count))
        buffer("joint_template", (model.j_regressor @ model.v_template).reshape(48))
        buffer("joint_blend", np.einsum("jv,vcs->sjc", model.j_regressor, model.shapedirs).reshape(10, 48))
        # Weights that were rounded would move a hand a metre away by their rounding error times a metre.
        buffer("skinning", (model.weights / model.weights.sum(1, keepdims=True)).T)
        buffer("mean_pose", model.hands_mean)
        buffer("components", model.hands_components)
        buffer("identity", np.eye(3))
        buffer("limits", np.deg2rad(model.limits_deg))
        buffer("frames", np.zeros((15, 3, 3)) if model.bone_frames is None else model.bone_frames)
        self.register_buffer("faces", torch.as_tensor(model.faces.astype(np.int64)), persistent=False)
        self.register_buffer("tips", torch.as_tensor(tips_in_finger_order(model.tips)).long(), persistent=False)
        self._orders: dict[tuple[str, torch.device], tuple[Tensor, Tensor]] = {}
        self._keypoint_cache: dict[tuple[int, torch.device, torch.dtype], tuple[KeypointSet, Tensor, Tensor]] = {}

    def pose_matrices(
        self, *, pca: Tensor | None = None, axis_angle: Tensor | None = None, matrices: Tensor | None = None
    ) -> Tensor:
        """Local joint rotations from any one form of pose.

        Args:
            pca: [B, n], n <= 45 coefficients of the pose space, mean pose added.
            axis_angle: [B, 45] or [B, 15, 3] radians, relative to the mean pose unless ``flat_hand_mean``.
            matrices: [B, 15, 3, 3] rotations relative to the flat hand.

        Returns:
            [B, 15, 3, 3].

        Raises:
            ValueError: none or several forms given, or a wrong shape.
        """
        if sum(value is not None for value in (pca, axis_angle, matrices)) != 1:
            raise ValueError("give the pose in exactly one form: pca, axis_angle or matrices")
        if matrices is not None:
            if matrices.shape[1:] != (15, 3, 3):
                raise ValueError(f"matrices should be [B, 15, 3, 3], got {list(matrices.shape)}")
            return matrices
        return axis_angle_to_matrix(self.absolute_pose(pca=pca, axis_angle=axis_angle))

    def absolute_pose(self, *, pca: Tensor | None = None, axis_angle: Tensor | None = None) -> Tensor:
        """Axis-angle vectors relative to the flat hand, the ones that joint limits refer to.

        Args:
            pca, axis_angle: the pose in one form; see :meth:`pose_matrices`.

        Returns:
            [B, 15, 3] radians.

        Raises:
            ValueError: a wrong shape.
        """
        if pca is not None:
            if pca.ndim != 2 or not 1 <= pca.shape[1] <= 45:
                raise ValueError(f"pca should be [B, n] with n from 1 to 45, got {list(pca.shape)}")
            full = torch.addmm(self.mean_pose, pca, self.components[: pca.shape[1]])
        else:
            assert axis_angle is not None
            if axis_angle.shape[1:] not in ((45,), (15, 3)):
                raise ValueError(f"axis_angle should be [B, 45] or [B, 15, 3], got {list(axis_angle.shape)}")
            full = axis_angle.reshape(-1, 45)
            if not self.flat_hand_mean:
                full = full + self.mean_pose
        return full.reshape(-1, 15, 3)

    def forward(
        self,
        *,
        pca: Tensor | None = None,
        axis_angle: Tensor | None = None,
        matrices: Tensor | None = None,
        shape: Tensor | None = None,
        rotation: Tensor | None = None,
        scale: Tensor | None = None,
        translation: Tensor | None = None,
        joint_order: str = "openpose",
    ) -> HandOutput:
        """Pose the hand: ``scale * R (X - pivot) + pivot + translation``.

        Args:
            pca, axis_angle, matrices: the pose, in one form; see :meth:`pose_matrices`.
            shape: [B, 10] coefficients, zero if left out.
            rotation: [B, 3] axis-angle or [B, 3, 3], none if left out.
            scale: [B] or [B, 1], one if left out. Its absolute value is taken.
            translation: [B, 3] metres, zero if left out.
            joint_order: name of the order of ``joints``, see ``hand.joints.JOINT_ORDERS``.

        Returns:
            vertices, joints and transforms in metres; gradients reach every argument.

        Raises:
            ValueError: none or several forms of pose, or a wrong shape.
        """
        dtype = self.template.dtype
        if sum(value is not None for value in (pca, axis_angle, matrices)) != 1:
            raise ValueError("give the pose in exactly one form: pca, axis_angle or matrices")
        given = pca if pca is not None else axis_angle if axis_angle is not None else matrices
        assert given is not None
        batch, device = given.shape[0], given.device
        if shape is not None:
            if shape.shape != (batch, 10):
                raise ValueError(f"shape should be [{batch}, 10], got {list(shape.shape)}")
            shape = shape.to(dtype)
        if scale is not None:
            if scale.shape not in ((batch,), (batch, 1)):
                raise ValueError(f"scale should be [{batch}] or [{batch}, 1], got {list(scale.shape)}")
            scale = scale.reshape(batch).to(dtype)
        if translation is not None:
            if translation.shape != (batch, 3):
                raise ValueError(f"translation should be [{batch}, 3], got {list(translation.shape)}")
            translation = translation.to(dtype)
        # Half precision would cost tenths of millimetres: mixed-precision training leaves the hand alone.
        with torch.autocast(device.type, enabled=False):
            rotations = self._rotations(pca, axis_angle, matrices, rotation)
            constants = self._constants(joint_order, device)
            if plain_autograd_needed(rotations, shape, scale, translation):
                return HandOutput(*pose_reference(constants, rotations, shape, scale, translation))
            posed: Posed = FusedPosing.apply(constants, rotations, shape, scale, translation)  # type: ignore[no-untyped-call]
            return HandOutput(*posed)

    def _rotations(
        self, pca: Tensor | None, axis_angle: Tensor | None, matrices: Tensor | None, rotation: Tensor | None
    ) -> Tensor:
        """[B, 16, 3, 3]: the global rotation, then the local ones."""
        dtype = self.template.dtype
        if rotation is not None:
            if rotation.shape[1:] not in ((3,), (3, 3)):
                raise ValueError(f"rotation should be [B, 3] or [B, 3, 3], got {list(rotation.shape)}")
            rotation = rotation.to(dtype)
        if matrices is None and (rotation is None or rotation.ndim == 2):  # one call of Rodrigues' formula for all
            pca = None if pca is None else pca.to(dtype)
            pose = self.absolute_pose(pca=pca, axis_angle=None if axis_angle is None else axis_angle.to(dtype))
            turn = pose.new_zeros(pose.shape[0], 1, 3) if rotation is None else rotation.unsqueeze(1)
            return axis_angle_to_matrix(torch.cat([turn, pose], 1))
        local = self.pose_matrices(pca=pca, axis_angle=axis_angle, matrices=matrices).to(dtype)
        if rotation is None:
            return torch.cat([self.identity.expand(local.shape[0], 1, 3, 3), local], 1)
        turn = axis_angle_to_matrix(rotation) if rotation.ndim == 2 else rotation
        return torch.cat([turn.unsqueeze(1), local], 1)

    def _constants(self, joint_order: str, device: torch.device) -> PosingConstants:
        key = joint_order, device
        if key not in self._orders:
            with torch.inference_mode(False):  # what is kept must be fit for training later
                order = torch.as_tensor(reorder_indices("ho3d", joint_order), device=device)
                self._orders[key] = order, order.argsort()
        return PosingConstants(
            self.template,
            self.blend,
            self.joint_template,
            self.joint_blend,
            self.skinning,
            self.identity,
            self.tips,
            *self._orders[key],
            pivot_wrist=self.pivot == "wrist",
        )

    def keypoints(self, output: HandOutput, keypoint_set: str | KeypointSet = "joints") -> Tensor:
        """The 21 keypoints of a named definition.

        Args:
            output: of this layer.
            keypoint_set: "joints" (kinematic), "freihand", "ho3d", "manopth", "smplx", "openpose", "mediapipe" (where
                the model has it), or a set.

        Returns:
            [B, 21, 3] metres, OpenPose order, in the frame of ``output``.

        Raises:
            InputError: the model has no set of that name.
        """
        chosen = self.model.keypoint_set(keypoint_set) if isinstance(keypoint_set, str) else keypoint_set
        vertices = output.vertices
        key = (id(chosen), vertices.device, vertices.dtype)
        if key not in self._keypoint_cache:
            columns = np.unique(chosen.vertex_weights.indices)
            dense = np.concatenate([chosen.joint_weights, chosen.vertex_weights[:, columns].toarray()], 1)
            with torch.inference_mode(False):  # what is kept must be fit for training later
                weights = torch.as_tensor(dense, dtype=vertices.dtype, device=vertices.device)
                rows = torch.as_tensor(columns, dtype=torch.long, device=vertices.device)
            self._keypoint_cache[key] = chosen, weights, rows  # the set is held so that its id stays its own
        _, weights, rows = self._keypoint_cache[key]
        with torch.autocast(vertices.device.type, enabled=False):
            return weights @ torch.cat([output.kinematic_joints, vertices.index_select(1, rows)], 1)

    def angles(self, matrices: Tensor, pca: Tensor | None = None, axis_angle: Tensor | None = None) -> Tensor:
        """Azimuth, pitch and roll of local joint rotations.

        Args:
            matrices: [B, 15, 3, 3] local rotations relative to the flat hand.
            pca: [B, n] coefficients of the same pose. MANO's angles are then read from its axis-angle vectors, which
                unlike matrices tell angles beyond 180 degrees.
            axis_angle: [B, 15, 3] relative to the flat hand: the same, given as the vectors.

        Returns:
            [B, 15, 3] radians.
        """
        model = self.model
        with torch.autocast(matrices.device.type, enabled=False):
            if pca is not None and model.angle_convention == "axis_angle":
                axis_angle = self.absolute_pose(pca=pca)
            return joint_angles(
                matrices,
                convention=model.angle_convention,
                bone_frames=self.frames,
                side=model.side,
                axis_angle=axis_angle,
            )

    def limit_excess(self, matrices: Tensor, pca: Tensor | None = None) -> Tensor:
        """How far each joint angle leaves its range, [B, 15, 3] radians (supplement, equation 4); arguments as in
        :meth:`angles`."""
        return limit_excess(self.angles(matrices, pca), self.limits)


def as_manopth(output: HandOutput, *, center_idx: int | None = None) -> tuple[Tensor, Tensor]:
    """Vertices and joints as manopth returns them: millimetres, 21 joints, optionally centred on one of them.

    Args:
        output: of a layer with ``pivot="wrist"`` whose joints are in the "manopth" order.
        center_idx: joint (0-20) to subtract; manopth does so only when no translation is given.

    Returns:
        vertices [B, V, 3] and joints [B, 21, 3], millimetres.
    """
    vertices, joints = output.vertices, output.joints
    if center_idx is not None:
        centre = joints[:, center_idx : center_idx + 1]
        vertices, joints = vertices - centre, joints - centre
    return vertices * 1000, joints * 1000
