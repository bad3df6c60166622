"""The S2HAND network: an image to a posed, textured, lit hand, its projection and rendering, and 2D keypoints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from handsss.geometry.cameras import project
from handsss.geometry.framing import CROP
from handsss.geometry.rotations import axis_angle_to_matrix
from handsss.hand.layer import HandLayer, HandOutput
from handsss.hand.model import HandModel
from handsss.network.auxiliary import KEYPOINT_FEATURES, AuxiliaryHeads, AuxiliaryOutput, keypoint_features
from handsss.network.encoder import IMAGENET_MEAN, IMAGENET_STD, NORM_MOMENTUM, Encoder, Features
from handsss.network.hourglass import KeypointBranch
from handsss.network.own_camera import as_matrix, facing_to_camera, in_camera
from handsss.network.precision import Precision
from handsss.network.regressors import AppearanceRegressor, HandRegressor, HandVector
from handsss.rendering.pipeline import render
from handsss.rendering.types import RenderOutput

_LARGEST = {"stacks": 16, "features": 2048, "modules": 16}


@dataclass(frozen=True)
class NetworkSettings:
    """Architecture. Defaults are the paper's network (supplement, section 2)."""

    encoder: str = "efficientnet-b3"  # or efficientnet-b0, efficientnet-lite0
    pooling: str = "max"  # of the 7 x 7 features: max (supplement) or average (released code)
    stacks: int = 2  # hourglasses of the keypoint branch; 0: no branch
    features: int = 256  # channels of the keypoint branch
    modules: int = 2  # residual modules per level of an hourglass
    drop_connect: float = 0.2  # probability of skipping an encoder block for a sample; EfficientNet's own is 0.2
    appearance: bool = True  # predict texture and light; False: the MANO-CNN baseline
    # Not the paper's, for short runs from random weights:
    input_downsample: int = 1  # the encoder's input has 224 / this px: 1, 2 or 4
    norm_momentum: float = NORM_MOMENTUM  # of batch norm's running statistics, 0..1; short runs need more
    auxiliary: bool = False  # auxiliary keypoint heads train the encoder; final weights leave out unused ones
    keypoint_features: bool = False  # the regressor also gets the keypoints of the auxiliary heat maps
    # Focal length, px, of the camera in which the network predicts translations; they are then moved to the image's own
    # camera. 0: predict in the image's own camera. Needed where images are zoomed on hands.
    focal: float = 0.0
    # With a focal length: its camera looks at the middle of the crop, and hands are turned to the image's own camera. A
    # crop from the side of a photo shows a hand as if the camera had turned to it, and the network sees the crop alone.
    facing: bool = False
    rotation: str = "axis-angle"  # or 6d: two rows of the matrix, without axis-angle's jump at half a turn

    def __post_init__(self) -> None:
        if self.rotation not in ("axis-angle", "6d"):
            raise ValueError(f"rotation {self.rotation!r}: expected axis-angle or 6d")
        if self.facing and self.focal <= 0:
            raise ValueError("facing without a focal length: expected focal above 0, such as 600")
        if self.input_downsample not in (1, 2, 4):
            raise ValueError(f"input_downsample {self.input_downsample}: expected 1, 2 or 4")
        for name, least in (("stacks", 0), ("features", 2), ("modules", 1)):  # far more would fill any memory
            if not least <= getattr(self, name) <= _LARGEST[name]:
                raise ValueError(f"{name} {getattr(self, name)}: expected {least} to {_LARGEST[name]}")

    @property
    def training_only(self) -> str:
        """Prefix of the weights that predictions do not need."""
        return "auxiliary.simcc." if self.keypoint_features else "auxiliary."


class S2HandOutput(NamedTuple):
    """Predictions for a batch. Camera frame, metres, pixels of the crop."""

    hand: HandVector
    rotations: Tensor  # [B, 15, 3, 3] local joint rotations, mean pose included
    vertices: Tensor  # [B, V, 3]
    joints: Tensor  # [B, 21, 3] OpenPose order, of the keypoint set asked for
    projected: Tensor  # [B, 21, 2] px
    texture: Tensor | None  # [B, V, 3] RGB about 0..1
    light: Tensor | None  # [B, 11]
    keypoints: Tensor | None  # [B, S, 21, 2] px, of each stack
    posed: HandOutput  # the posed hand, for joints of other keypoint sets
    auxiliary: AuxiliaryOutput | None = None  # of the auxiliary heads, if asked for


class S2Hand(nn.Module):
    """The whole network.

    Args:
        model: a right hand.
        settings: see :class:`NetworkSettings`.
    """

    def __init__(self, model: HandModel, settings: NetworkSettings | None = None) -> None:
        super().__init__()
        self.settings = settings or NetworkSettings()
        self.input_downsample = self.settings.input_downsample  # early steps of a schedule may use smaller inputs still
        self.precision = Precision()
        self.upright: Tensor
        self.mean: Tensor
        self.std: Tensor
        self.encoder = Encoder(
            self.settings.encoder, self.settings.pooling, self.settings.drop_connect, self.settings.norm_momentum
        )
        self.regressor = HandRegressor(
            self.encoder.high_channels + (KEYPOINT_FEATURES if self.settings.keypoint_features else 0),
            self.settings.rotation,
        )
        self.appearance = (
            AppearanceRegressor(self.encoder.low_channels, model.vertex_count) if self.settings.appearance else None
        )
        self.branch = (
            KeypointBranch(self.settings.stacks, self.settings.features, self.settings.modules)
            if self.settings.stacks
            else None
        )
        self.auxiliary = (
            AuxiliaryHeads(self.encoder.pyramid_channels, self.encoder.high_channels if self.settings.auxiliary else 0)
            if self.settings.auxiliary or self.settings.keypoint_features
            else None
        )
        # Convolutions are fastest with channels last, on CPUs and GPUs.
        for part in (self.encoder, self.branch, self.auxiliary):
            if part is not None:
                part.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.hand = HandLayer(model, flat_hand_mean=False)
        # R_0: rotation by pi about x, since y points up in the model's frame and down in the image.
        self.register_buffer("upright", torch.diag(torch.tensor([1.0, -1.0, -1.0])), persistent=False)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).reshape(1, 3, 1, 1), persistent=False)

    def forward(
        self,
        image: Tensor,
        K: Tensor,
        keypoint_set: str = "openpose",
        *,
        branch: bool = True,
        appearance: bool = True,
        auxiliary: bool = False,
    ) -> S2HandOutput:
        """Predict.

        Args:
            image: [B, 3, 224, 224] RGB 0..1; without branch and rendering also downsampled to the encoder's size.
            K: [B, 3, 3] cameras of the crops, px.
            keypoint_set: definition of ``joints`` and ``projected``.
            branch: run the keypoint branch too, where there is one.
            appearance: predict texture and light too, where the network has them and its input has full size.
            auxiliary: run the auxiliary heads too, where there are some.
        """
        texture, light, keypoints, heads = None, None, None, None
        with self._autocast(image, "all"):
            features = self._encode(image)
            pooled = features.vector
            if self.auxiliary is not None and (self.settings.keypoint_features or auxiliary):
                heads = self._auxiliary_heads(features)
                if self.settings.keypoint_features:
                    pooled = torch.cat([pooled, keypoint_features(heads.maps).to(pooled.dtype)], 1)
            vector = HandVector(*(part.float() for part in self.regressor(pooled)))
            full_size = self.input_downsample == self.settings.input_downsample
            if self.appearance is not None and appearance and full_size:
                texture, light = (
                    part.float() for part in self.appearance(_enlarged(features.low, self.input_downsample))
                )
        if self.settings.facing:
            vector = facing_to_camera(vector, K, self.settings.focal)
        elif self.settings.focal > 0:
            vector = vector._replace(translation=in_camera(vector.translation, K, self.settings.focal))
        if self.branch is not None and branch:
            keypoints = self.keypoints_only(image)
        rotations, posed, joints = self._posed(vector, keypoint_set)
        projected = project(joints, K.to(joints.dtype))
        return S2HandOutput(
            vector,
            rotations,
            posed.vertices,
            joints,
            projected,
            texture,
            light,
            keypoints,
            posed,
            heads if auxiliary else None,
        )

    def auxiliary_only(self, image: Tensor) -> AuxiliaryOutput:
        """The encoder and its auxiliary heads alone.

        Raises:
            ValueError: the network has none.
        """
        with self._autocast(image, "all"):
            return self._auxiliary_heads(self._encode(image))

    def _encode(self, image: Tensor) -> Features:
        features: Features = self.encoder((self._reduced(image) - self.mean) / self.std)
        return features

    def _auxiliary_heads(self, features: Features) -> AuxiliaryOutput:
        if self.auxiliary is None:
            raise ValueError("this network has no auxiliary heads (settings.auxiliary = False)")
        maps, simcc = self.auxiliary(features.pyramid, features.vector)
        return AuxiliaryOutput(maps.float(), None if simcc is None else simcc.float())

    def keypoints_only(self, image: Tensor) -> Tensor:
        """The 2D branch alone: [B, S, 21, 2] px.

        Raises:
            ValueError: the network has no such branch.
        """
        if self.branch is None:
            raise ValueError("this network has no keypoint branch (settings.stacks = 0)")
        with self._autocast(image, "branch"):
            keypoints: Tensor = self.branch(image)[0]
        return keypoints

    def _autocast(self, image: Tensor, part: str) -> torch.autocast:
        return torch.autocast(image.device.type, dtype=self.precision.dtype, enabled=self.precision.of(part))

    def _reduced(self, image: Tensor) -> Tensor:
        more = self.input_downsample * image.shape[-1] // CROP  # the image may come downsampled already
        return image if more <= 1 else nn.functional.avg_pool2d(image, more)

    def turn(self, vector: HandVector) -> Tensor:
        """``R R_0`` [B, 3, 3]: the rotation from the model's frame to the camera's."""
        return as_matrix(vector.rotation) @ self.upright

    def pose(self, vector: HandVector, keypoint_set: str) -> tuple[Tensor, Tensor, Tensor]:
        """``X' = |s| R R_0 X + T``: local rotations, vertices, joints."""
        rotations, posed, joints = self._posed(vector, keypoint_set)
        return rotations, posed.vertices, joints

    def _posed(self, vector: HandVector, keypoint_set: str) -> tuple[Tensor, HandOutput, Tensor]:
        turn = self.turn(vector)
        absolute = self.hand.absolute_pose(pca=vector.pose)
        rotations = axis_angle_to_matrix(absolute)
        output = self.hand(
            matrices=rotations,
            shape=vector.shape,
            rotation=turn,
            scale=vector.scale,
            translation=vector.translation,
        )
        return rotations, output, self.hand.keypoints(output, keypoint_set)

    def render(self, prediction: S2HandOutput, K: Tensor, size: int = 224) -> RenderOutput:
        """The re-textured image, silhouette and depth of a prediction.

        Raises:
            ValueError: the network has no texture (MANO-CNN).
        """
        if prediction.texture is None or prediction.light is None:
            raise ValueError("this network predicts no texture (settings.appearance = False)")
        return render(
            prediction.vertices,
            self.hand.faces,
            colours=prediction.texture,
            light=prediction.light,
            intrinsics=K.to(prediction.vertices.dtype),
            size=(size, size),
        )


def _enlarged(features: Tensor, by: int) -> Tensor:
    """Feature maps of downsampled inputs, upsampled to full-size inputs' maps."""
    return features if by == 1 else nn.functional.interpolate(features, scale_factor=by, mode="bilinear")


def parameter_counts(network: S2Hand) -> dict[str, int]:
    """Trainable parameters of each part."""
    parts = {
        "encoder": network.encoder,
        "f_base": network.regressor.base,
        "f_pose": network.regressor.pose,
        "f_shape": network.regressor.shape,
        "f_trans": network.regressor.translation,
        "f_rot": network.regressor.rotation,
        "f_scale": network.regressor.scale,
        "f_conv": network.appearance.conv if network.appearance else None,
        "f_tex": network.appearance.texture if network.appearance else None,
        "f_light": network.appearance.light if network.appearance else None,
        "keypoint branch": network.branch,
        "auxiliary heads": network.auxiliary,
    }
    return {
        name: sum(p.numel() for p in part.parameters() if p.requires_grad)
        for name, part in parts.items()
        if part is not None
    }
