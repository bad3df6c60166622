"""Baselines that a user would assemble: textbook MANO layer, stock efficientnet_pytorch, the reference renderer.

The network is the same, with the same weights, so that only the ways of computing differ; a benchmark checks that both
predict the same hand before it times them.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from efficientnet_pytorch import EfficientNet
from torch import Tensor, nn

from handsss.geometry.framing import CROP
from handsss.geometry.rotations import axis_angle_to_matrix
from handsss.hand.joints import reorder_indices
from handsss.hand.layer import HandLayer, HandOutput
from handsss.network.encoder import Features
from handsss.network.s2hand import S2Hand, S2HandOutput
from handsss.rendering.pipeline import render
from handsss.rendering.types import RenderOutput


class TextbookLayer(nn.Module):
    """MANO as in its paper: blend shapes one by one, 4 x 4 transforms joint by joint, linear blend skinning."""

    def __init__(self, layer: HandLayer) -> None:
        super().__init__()
        model = layer.model
        # What is not posing is the layer's.
        self.layer, self.faces = layer, layer.faces
        self.absolute_pose, self.keypoints, self.limit_excess = layer.absolute_pose, layer.keypoints, layer.limit_excess
        self.pivot_wrist = layer.pivot == "wrist"
        self.parents = [int(parent) for parent in model.parents]

        def buffer(name: str, value: Any) -> None:
            self.register_buffer(name, torch.as_tensor(value, dtype=torch.float32), persistent=False)

        buffer("template", model.v_template)
        buffer("shapedirs", model.shapedirs)
        buffer("posedirs", model.posedirs)
        buffer("weights", model.weights / model.weights.sum(1, keepdims=True))
        j_regressor = model.j_regressor
        buffer("regressor", j_regressor.toarray() if hasattr(j_regressor, "toarray") else j_regressor)
        self.register_buffer("tips", layer.tips.clone(), persistent=False)
        self.register_buffer("order", torch.as_tensor(reorder_indices("ho3d", "openpose")), persistent=False)

    def forward(
        self,
        *,
        axis_angle: Tensor | None = None,
        matrices: Tensor | None = None,
        shape: Tensor,
        rotation: Tensor,
        scale: Tensor | None = None,
        translation: Tensor,
    ) -> HandOutput:
        batch = len(shape)
        if matrices is None:
            assert axis_angle is not None
            matrices = axis_angle_to_matrix(axis_angle.reshape(batch, 15, 3))
        turn = axis_angle_to_matrix(rotation) if rotation.ndim == 2 else rotation
        shaped = self.template + torch.einsum("bl,vcl->bvc", shape, self.shapedirs)
        rest = torch.einsum("jv,bvc->bjc", self.regressor, shaped)
        feature = (matrices - torch.eye(3, device=shape.device)).reshape(batch, 135)
        posed = shaped + torch.einsum("bp,vcp->bvc", feature, self.posedirs.reshape(*self.template.shape, 135))
        local = torch.cat([torch.eye(3, device=shape.device).expand(batch, 1, 3, 3), matrices], 1)
        transforms: list[Tensor] = []
        for joint, parent in enumerate(self.parents):
            offset = rest[:, joint] - (rest[:, parent] if joint else 0)
            moved = torch.cat([local[:, joint], offset[..., None]], -1)
            last = torch.tensor([0.0, 0, 0, 1], device=shape.device).expand(batch, 1, 4)
            matrix = torch.cat([moved, last], 1)
            transforms.append(transforms[parent] @ matrix if joint else matrix)
        whole = torch.stack(transforms, 1)
        from_rest = whole[..., :3, 3] - (whole[..., :3, :3] @ rest[..., None])[..., 0]
        relative = torch.cat([whole[..., :3, :3], from_rest[..., None]], -1)
        blended = torch.einsum("vj,bjrc->bvrc", self.weights, relative)
        homogeneous = torch.cat([posed, torch.ones_like(posed[..., :1])], -1)
        vertices = (blended @ homogeneous[..., None])[..., 0]
        size = 1.0 if scale is None else scale.reshape(batch, 1, 1).abs()
        pivot = rest[:, :1] if self.pivot_wrist else torch.zeros_like(rest[:, :1])

        def placed(points: Tensor) -> Tensor:
            return size * ((points - pivot) @ turn.transpose(1, 2)) + pivot + translation[:, None]

        vertices, joints = placed(vertices), placed(whole[..., :3, 3])
        everything = torch.cat([joints, vertices[:, self.tips]], 1)[:, self.order]
        factor = 1.0 if scale is None else scale.reshape(batch, 1, 1, 1).abs()
        turned = factor * (turn[:, None] @ whole[..., :3, :3])
        last = torch.tensor([0.0, 0, 0, 1], device=shape.device).expand(batch, 16, 1, 4)
        return HandOutput(vertices, everything, torch.cat([torch.cat([turned, joints[..., None]], -1), last], 2))


class PlainEncoder(nn.Module):
    """Stock efficientnet_pytorch: its own swish, channels first."""

    def __init__(self, encoder: nn.Module, name: str) -> None:
        super().__init__()
        self.body = EfficientNet.from_name(name, image_size=CROP)
        self.body.load_state_dict(encoder.body.state_dict(), strict=False)  # all but the classifier
        self.body.to(memory_format=torch.contiguous_format)
        del self.body._fc, self.body._dropout, self.body._avg_pooling
        self.pooling = encoder.pooling

    def forward(self, image: Tensor) -> Features:
        ends = self.body.extract_endpoints(image)
        high, low = ends["reduction_6"], ends["reduction_2"]
        vector = high.amax((2, 3)) if self.pooling == "max" else high.mean((2, 3))
        return Features(high, low, vector, ends["reduction_3"], ends["reduction_4"])


class PlainNetwork(S2Hand):
    """The network of a trained or new one, with the same weights, assembled from these baselines.

    Args:
        network: is copied.
        backend: of the renderer: "torch", or "pytorch3d" where that is importable.
    """

    def __init__(self, network: S2Hand, backend: str = "torch") -> None:
        super().__init__(network.hand.model, network.settings)
        self.load_state_dict(copy.deepcopy(network.state_dict()))
        self.encoder = PlainEncoder(network.encoder, network.settings.encoder)  # type: ignore[assignment]
        if self.branch is not None:
            self.branch.to(memory_format=torch.contiguous_format)
        self.hand = TextbookLayer(HandLayer(network.hand.model, flat_hand_mean=False))  # type: ignore[assignment]
        self.backend = backend
        self.to(next(network.parameters()).device)

    def render(self, prediction: S2HandOutput, K: Tensor, size: int = 224) -> RenderOutput:
        assert prediction.texture is not None
        return render(
            prediction.vertices,
            self.hand.faces,
            colours=prediction.texture,
            light=prediction.light,
            intrinsics=K,
            size=(size, size),
            backend=self.backend,
        )
