"""Paints batches of hands with their truth: poses, lights and renders them, then does what cameras do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from handsss.data.augment import Augmentation
from handsss.data.online.arm import ArmMaker
from handsss.data.online.backgrounds import Backgrounds
from handsss.data.online.degrade import Degrader
from handsss.data.online.detector_errors import ErrorDraws, ErrorRates, disturbed, error_factor
from handsss.data.online.draws import Draws
from handsss.data.online.hollows import Hollows
from handsss.data.online.light import Casters, Lit, shade
from handsss.data.online.objects import SLOTS, ThingMaker
from handsss.data.online.placement import place
from handsss.data.online.poses import PoseBank, shapes
from handsss.data.online.skin import SkinPainter
from handsss.data.online.view import Views, views
from handsss.geometry.cameras import project
from handsss.geometry.framing import CROP
from handsss.hand.layer import HandLayer, HandOutput
from handsss.hand.load import load_model
from handsss.rendering.backends import choose
from handsss.rendering.pipeline import render

_CHUNK = 8  # pictures whose pixels are in work at once on a CPU: what its cache holds


@dataclass(frozen=True)
class OnlineSettings:
    """What pictures show; the same settings, seed and row give the same picture."""

    backgrounds: Path | None = None  # folder of photos without hands; None: procedural ones
    seed: int = 0
    keypoints: Literal["truth", "detector"] = "truth"  # as they are, or with the detector's measured errors
    keypoint_set: str = "mediapipe"  # definition of the 2D keypoints
    joints_set: str = "freihand"  # and of the true joints
    augmentation: Augmentation = field(default_factory=Augmentation)  # of it the network's view: turning and zoom
    poses: int = 8192  # in the bank that poses are drawn from


class Painted(NamedTuple):
    """Pictures and truth, as rows of a store have them."""

    image: Tensor  # [B, 3, S, S] 0..1
    keypoints_2d: Tensor  # [B, 21, 2] px at 224
    confidence: Tensor  # [B, 21]
    K: Tensor  # [B, 3, 3] px at 224
    joints_3d: Tensor  # [B, 21, 3] m, camera frame
    vertices: Tensor  # [B, 778, 3] m, camera frame
    mano_pose: Tensor  # [B, 15, 3] axis-angle relative to the flat hand, radians
    mano_shape: Tensor  # [B, 10]
    keypoints_true: Tensor  # [B, 21, 2] px at 224
    mask: Tensor | None  # [B, S, S] bool: pixels whose centre shows the hand


class _Scene(NamedTuple):
    surface: Lit
    casters: Casters


class Painter:
    """Paints on a device.

    Args:
        settings: of the pictures.
        device: to paint on.

    Raises:
        InputError: the folder of backgrounds: see :class:`Backgrounds`.
    """

    def __init__(self, settings: OnlineSettings, device: torch.device) -> None:
        self.settings, self.device = settings, device
        self.backgrounds = Backgrounds(settings.backgrounds, device, settings.seed)
        self.bank = PoseBank(settings.poses, settings.seed, device)
        self.skin, self.arms, self.things = SkinPainter(device), ArmMaker(device), ThingMaker(device)
        detail = load_model("open-detail")
        self.detail = HandLayer(detail, flat_hand_mean=True).to(device)
        self.hand = HandLayer(load_model("open"), flat_hand_mean=True).to(device)
        self.hollows = Hollows(device)
        self.factor = error_factor().to(device)
        self.degraders: dict[int, Degrader] = {}
        count, arm = detail.vertex_count, len(self.arms.start)
        thing = len(self.things.directions)
        things = [self.things.faces + k * thing for k in range(SLOTS)]
        parts = [detail.faces.astype(np.int64), self.arms.faces + count, *(f + count + arm for f in things)]
        self.faces = torch.as_tensor(np.concatenate(parts), device=device)
        self.hand_faces = len(detail.faces)
        coarse = self.hand.model.vertex_count
        parts = [self.hand.model.faces.astype(np.int64), *(f + coarse for f in things)]
        self.casting_faces = torch.as_tensor(np.concatenate(parts), device=device)

    @torch.no_grad()
    def __call__(self, draws: Draws, reduction: int = 1, *, masks: bool = False) -> Painted:
        """Paint pictures.

        Args:
            draws: of the pictures, on the CPU.
            reduction: pictures have 224 / reduction px.
            masks: give the hands' masks, too.
        """
        chosen, draws = draws, draws.to(self.device)
        pose, shape = self.bank.poses(draws), shapes(draws)
        shown: HandOutput = self.detail(axis_angle=pose, shape=shape)
        truth: HandOutput = self.hand(axis_angle=pose, shape=shape)
        still = self.hand.keypoints(truth, self.settings.joints_set)
        points = self.hand.keypoints(truth, self.settings.keypoint_set)
        placed = place(still, draws)

        def in_camera(values: Tensor) -> Tensor:
            return values @ placed.rotation.transpose(1, 2) + placed.translation[:, None]

        exact = project(in_camera(points), placed.K)
        keypoints, confidence = self._keypoints(exact, draws)
        view = views(keypoints, confidence, self.settings.augmentation, draws)
        turn = view.rotation.transpose(1, 2)
        joints = in_camera(still)
        # Both rotations as one: the camera's, then the view's.
        whole = placed.rotation.transpose(1, 2) @ turn
        shift = placed.translation[:, None] @ turn

        def in_view(values: Tensor) -> Tensor:
            return torch.baddbmm(shift, values, whole)

        vertices = in_view(truth.vertices)
        scene = self._scene(shown, in_view, joints, vertices, turn, draws)
        K = view.intrinsics(placed.K)
        mask = torch.empty(0, dtype=torch.bool, device=self.device) if masks else None
        image = self._pictures(scene, K, view, chosen, draws, CROP // reduction, mask)
        return Painted(
            image,
            torch.where(confidence[..., None] > 0, view.pixels(keypoints), 0.0),
            confidence,
            K,
            joints @ turn,
            vertices,
            pose,
            shape,
            view.pixels(exact),
            mask,
        )

    def _keypoints(self, exact: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """The keypoints [B, 21, 2] px and confidences [B, 21] that training is given."""
        if self.settings.keypoints == "truth":
            return exact, torch.ones_like(exact[..., 0])
        u, n = draws.u, draws.n
        errors = ErrorDraws(
            n("error_size"),
            n("finger_size"),
            u("clean"),
            n("error").reshape(-1, 21, 2),
            u("finger"),
            u("gross"),
            n("gross")[:, None],
            n("trust"),
            u("dropped"),
            u("lost"),
            u("lost_share"),
        )
        return disturbed(exact, self.factor, errors, ErrorRates())

    def _scene(
        self,
        shown: HandOutput,
        in_view: Callable[[Tensor], Tensor],
        joints: Tensor,
        vertices: Tensor,
        turn: Tensor,
        draws: Draws,
    ) -> _Scene:
        """Hand, arm and things in the view's camera frame."""
        base = self.skin.base(draws)
        arms = self.arms(shown.vertices, shown.kinematic_joints[:, 0], base, draws)
        things = self.things(joints, draws)
        held = things.vertices.flatten(1, 2) @ turn
        points = torch.cat([in_view(torch.cat([shown.vertices, arms.vertices], 1)), held], 1)
        hand = self.skin.colours(draws)
        normals = choose("auto", self.device).vertex_normals(points, self.faces)
        count = hand.shape[1]
        lit = torch.ones_like(points[..., :1])
        lit[:, :count] = self.hollows(points[:, :count], normals[:, :count], joints @ turn)
        surface = Lit(
            points,
            normals,
            torch.cat([hand, arms.colours, things.colours.flatten(1, 2)], 1),
            torch.cat([torch.ones_like(hand[..., 0]), arms.skin, torch.zeros_like(held[..., 0])], 1),
            lit,
        )
        return _Scene(surface, Casters(torch.cat([vertices, held], 1), self.casting_faces, vertices.shape[1]))

    def _pictures(
        self, scene: _Scene, K: Tensor, view: Views, chosen: Draws, draws: Draws, side: int, masks: Tensor | None
    ) -> Tensor:
        """Images [B, 3, S, S]; masks are filled with [B, S, S]."""
        which = self.backgrounds.choose(draws)
        maps = self.backgrounds.placed(draws, view.inverse)
        spectra = (draws.u("spectrum")[:, 2] * self.backgrounds.photos).long()
        tint = self.backgrounds.mean[which].square()  # about linear
        vertices = scene.surface.vertices
        colours = to_srgb(shade(scene.surface, scene.casters, tint, draws))
        camera = K * K.new_tensor([[side / CROP], [side / CROP], [1.0]])
        if side not in self.degraders:
            self.degraders[side] = Degrader(side, self.device)
        degrader = self.degraders[side]
        step = _CHUNK if self.device.type == "cpu" else len(K)
        pictures = colours.new_empty(len(K), side, side, 3)
        if masks is not None:
            masks.resize_(len(K), side, side)
        for first in range(0, len(K), step):
            rows = slice(first, first + step)
            rendered = render(
                vertices[rows],
                self.faces,
                colours=colours[rows],
                intrinsics=camera[rows],
                size=(side, side),
                background=self.backgrounds.sample(which[rows], maps[rows], side),
                cull=True,
            )
            if masks is not None:
                masks[rows] = (rendered.face_id >= 0) & (rendered.face_id < self.hand_faces)
            amplitude = self.backgrounds.amplitude[spectra[rows]] if self.backgrounds.photos else None
            degrader(rendered.colour, chosen.part(rows), view.scale[rows], amplitude, pictures[rows])
        return pictures.permute(0, 3, 1, 2)


def to_srgb(linear: Tensor) -> Tensor:
    """Linear light to sRGB 0..1; see :func:`handsss.data.synthetic.background.to_srgb`."""
    clipped = linear.clamp(0, 1)
    return torch.where(clipped <= 0.0031308, clipped * 12.92, 1.055 * clipped.pow(1 / 2.4) - 0.055)
