"""A reconstructed hand as a Python user holds it: its arrays, its files, its pictures, and other poses."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from handsss.errors import UserError
from handsss.hand.load import load_model
from handsss.hand.result import HandResult
from handsss.io.atomic import write_files
from handsss.io.camera import CameraChoice
from handsss.mesh_io.export import export_mesh
from handsss.mesh_io.formats import PAGE, RESULTS, check_static
from handsss.mesh_io.rig import rigs_of
from handsss.reconstruction.repose import repose
from handsss.reconstruction.result_json import json_bytes, photo_document
from handsss.visualize.overlay import overlay
from handsss.visualize.overview import picture


@dataclass(eq=False)  # arrays have no one truth value: a hand equals itself
class Hand(HandResult):
    """One reconstructed hand. Lengths are metres, angles radians, image coordinates pixels with centres at +0.5.

    The camera frame is x right, y down, z forward, its origin in the camera. Everything is in the photo as it was
    given; a left hand's pose is that hand's own. ``V`` is 778 for the open hand and MANO, 1649 for "open-detail".

    Attributes:
        hand: "left" or "right".
        score: presence by the detector, 0..1.
        vertices: [V, 3] m, camera frame.
        faces: [F, 3] int32, counter-clockwise from outside.
        joints: [21, 3] m, camera frame, in OpenPose's hand order and the definition ``keypoint_set``.
        joints_2d: [21, 2] px, the joints projected.
        kinematic_joints_3d: [21, 3] m, the hand model's own joints and fingertips.
        keypoints_2d: [21, 3] px and confidence 0..1, as detected or given.
        pose: [45] axis-angle of 15 joints relative to the flat hand, MANO's joint order.
        shape: [10] shape coefficients.
        rotation, translation: [3] axis-angle about the hand model's origin, and [3] m.
        intrinsics: [3, 3] px.
        vertex_colours: [V, 3] 0..1, skin without light; ``texture`` [512, 512, 3] uint8 with ``uv`` and ``uv_faces``.
        light: [11] ambient and directional intensity, their colours, direction (S2HAND's light).
        fit: reprojection error in px and as a share of the hand's box, overlap of silhouettes, where measured.
        expected_joint_errors: [21] mm, expected distance of each joint from the truth after similarity alignment;
            ``expected_error`` is their mean. None for hands that were not fitted.
        photo: [H, W, 3] uint8 RGB, upright: the photo.
        camera: where the intrinsics come from, as a sentence and a word.
        name: the photo's path, "" for an array.
        image_notes: conversions of the photo's pixels on reading, such as "16 bits scaled to 8".
    """

    photo: np.ndarray | None = None
    camera: CameraChoice | None = None
    name: str = ""  # of the photo
    image_notes: tuple[str, ...] = ()  # conversions of the photo's pixels on reading

    @classmethod
    def of(
        cls,
        result: HandResult,
        photo: np.ndarray,
        camera: CameraChoice,
        name: str = "",
        image_notes: tuple[str, ...] = (),
    ) -> Hand:
        """The hand of a result, with the photo [H, W, 3] uint8 that shows it."""
        values = {field.name: getattr(result, field.name) for field in fields(HandResult)}
        return cls(**values, photo=photo, camera=camera, name=name, image_notes=image_notes)

    @property
    def joints(self) -> np.ndarray:
        """[21, 3] metres, camera frame, OpenPose's hand order: ``joints_3d``."""
        return self.joints_3d

    def save(self, path: str | Path, *, static: bool = False) -> list[Path]:
        """Write the hand; the suffix decides how.

        Args:
            path: .glb (rigged: skin, 16 joints, shape as morph targets), .obj (with material and texture), .ply or .bvh
                (the skeleton in the hand's pose), in OpenGL's axes (y up); .npz, all arrays in the camera frame;
                .html, a page that shows the hand in 3D beside its photo; or .json, all figures.
            static: a .glb, or one in a page, that holds the posed mesh alone, without skeleton.

        Returns:
            the files written, the one named last.

        Raises:
            UserError: another suffix, a path that cannot be written, ``static`` with another suffix than .glb, or a
                rig of a hand whose vertices are not those of its pose and shape. Nothing half-written is left.
            InputError: the hand model of a rig is not here any more (MANO's files).
        """
        target = Path(path)
        if target.suffix.lower() != ".json":
            if target.suffix.lower() not in RESULTS:
                raise UserError(f"{path}: expected one of {', '.join((*RESULTS, '.json'))}.")
            if target.suffix.lower() == PAGE:
                return self._save_page(target, static=static)
            return export_mesh([self], target, static=static)
        check_static(target.suffix, static=static)
        write_files({target: json_bytes(self.to_document())})
        return [target]

    def _save_page(self, target: Path, *, static: bool) -> list[Path]:
        from handsss.page.photo import photo_page

        photo, camera = self._photo(), self.camera
        assert camera is not None
        name, about = Path(self.name).name or "hand", f"Camera: {camera.sentence}."
        rigs = None if static else rigs_of([self])
        write_files({target: photo_page(photo, [self], name, rigs=rigs, about=about, notes=self.image_notes)})
        return [target]

    def to_document(self) -> dict[str, Any]:
        """What ``save("hand.json")`` writes: docs/guides/reconstruct.md describes it."""
        photo, camera = self._photo(), self.camera
        assert camera is not None
        size = photo.shape[1], photo.shape[0]
        return photo_document(self.name or None, size, camera, [self], notes=self.image_notes, vertices=True)

    def overlay(self, *, skeleton: bool = False) -> Image.Image:
        """The mesh over the photo, at the photo's size.

        Args:
            skeleton: draw the joints too.
        """
        return Image.fromarray(overlay(self._photo(), [self], skeleton=skeleton))

    def overview(self) -> Image.Image:
        """Keypoints, joints, mesh and texture over the photo, and the mesh from seven sides."""
        return Image.fromarray(picture(self._photo(), [self]))

    def posed(
        self,
        pose: Any = None,
        *,
        rotation: Any = None,
        translation: Any = None,
        shape: Any = None,
    ) -> Hand:
        """The same hand, skin and texture included, in another pose.

        Args:
            pose: [45] or [15, 3] axis-angle relative to the flat hand, MANO's joint order; as it is if left out. Zeros
                are the flat hand.
            rotation: [3] axis-angle about the hand model's origin.
            translation: [3] m.
            shape: [10].

        Returns:
            a new hand; this one stays. Its keypoints, fit and light remain those of the photo.

        Raises:
            ValueError: an array of another shape, or numbers that are not finite.
            InputError: the hand model is not here any more (MANO's files).
        """
        model = load_model(self.model_source or self.model)
        result = repose(self, model, pose=pose, rotation=rotation, translation=translation, shape=shape)
        photo, camera = self._photo(), self.camera
        return Hand.of(result, photo, camera, self.name, self.image_notes)  # type: ignore[arg-type]

    def _photo(self) -> np.ndarray:
        if self.photo is None:
            raise ValueError("this hand came without its photo")
        return self.photo

    def __repr__(self) -> str:
        middle = ", ".join(f"{value:.3f}" for value in np.median(self.vertices, axis=0))
        return f"<{self.hand} hand, score {self.score:.2f}, {len(self.vertices)} vertices about ({middle}) m>"
