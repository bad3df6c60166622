"""The page of a photo: its hands in 3D, the photo, the mesh over it, and the figures of each hand."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from handsss.hand.joints import BONES, joint_order
from handsss.hand.result import HandResult
from handsss.io.html import render
from handsss.mesh_io.glb import glb_bytes
from handsss.mesh_io.parts import hand_names, mesh_parts
from handsss.mesh_io.rig import Rig
from handsss.mesh_io.rigged_glb import rigged_glb_bytes
from handsss.page.shell import PACKAGE, model_json, page, skeleton
from handsss.visualize.mesh import projected
from handsss.visualize.overlay import overlay
from handsss.visualize.sheet import as_jpeg
from handsss.visualize.skeleton import BONE, error_colours, joint_colour

LONGEST = 1024  # px of the pictures
THUMBNAIL = 320  # px
_SMALL = 0.6  # part of the photo's shorter side below which the mesh's picture is cut to the hands
INFLUENCES = 4  # joints a vertex that three.js skins with; meshes with more are shown without skin


def photo_page(
    image: np.ndarray,
    hands: Sequence[HandResult],
    name: str,
    *,
    rigs: Sequence[Rig] | None = None,
    about: str = "",
    notes: Sequence[str] = (),
) -> bytes:
    """One self-contained page.

    Args:
        image: [H, W, 3] uint8, the photo.
        hands: at least one, all of this photo.
        name: the photo's, any text.
        rigs: of the hands: the .glb that the page shows and offers is rigged.
        about: a sentence below the name, such as where the camera comes from.
        notes: further ones.

    Raises:
        MissingDependencyError: trimesh is not installed.
    """
    parts = mesh_parts(hands)
    skinned = rigs is not None and max(rig.influences for rig in rigs) <= INFLUENCES
    glb = rigged_glb_bytes(parts, rigs) if skinned and rigs is not None else glb_bytes(parts)
    over = _cut_to_hands(overlay(image, hands), hands)
    pictures = [
        ("photo", f"The photo {name}", jpeg_of(image, LONGEST)),
        ("mesh over the photo", f"The fitted mesh drawn over {name}", jpeg_of(over, LONGEST)),
    ]
    body = render(
        PACKAGE,
        "scene.html.j2",
        title=name,
        about=about,
        pictures=[(caption, alt, base64.b64encode(jpeg).decode("ascii")) for caption, alt, jpeg in pictures],
        hands=[_hand(hand, index, len(hands)) for index, hand in enumerate(hands)],
        notes=notes,
        model=model_json(
            stem_of(name), glb, [_skeleton(*pair) for pair in zip(hand_names(hands), hands, strict=True)], BONES
        ),
    )
    return page(name, body, jpeg_of(over, THUMBNAIL))


def stem_of(name: str) -> str:
    """What a download is called."""
    return PurePosixPath(name).stem or "hand"


def _skeleton(name: str, hand: HandResult) -> dict[str, Any]:
    errors = hand.expected_joint_errors
    colours = [joint_colour(joint) for joint in range(21)] if errors is None else error_colours(errors)
    return skeleton(name, hand.joints_3d, colours, None if errors is None else BONE)  # hues would be read as errors


def _hand(hand: HandResult, index: int, count: int) -> dict[str, Any]:
    errors = hand.expected_joint_errors
    figures = [("detector's score", f"{hand.score:.2f}")]
    if "reprojection_of_box" in hand.fit:
        off = 100 * hand.fit["reprojection_of_box"]
        figures.append(("joints from the keypoints", f"{off:.1f} % of the hand's box"))
    if "silhouette_iou" in hand.fit:
        figures.append(("silhouette overlap", f"{100 * hand.fit['silhouette_iou']:.0f} %"))
    figures.append(("distance from the camera", f"{100 * float(np.median(hand.vertices[:, 2])):.0f} cm"))
    figures.append(("vertices", str(len(hand.vertices))))
    joints = (
        []
        if errors is None
        else [(name, f"{error:.1f}") for name, error in zip(joint_order("openpose"), errors, strict=True)]
    )
    return {
        "title": f"{hand.hand.capitalize()} hand" + (f", {index + 1} of {count}" if count > 1 else ""),
        "expected": None if hand.expected_error is None else f"{hand.expected_error:.0f}",
        "figures": figures,
        "joints": joints,
    }


def _cut_to_hands(image: np.ndarray, hands: Sequence[HandResult]) -> np.ndarray:
    """The part of a photo with its hands, where they are small in it."""
    height, width = image.shape[:2]
    points = np.concatenate([projected(hand) for hand in hands])
    low, high = np.clip(points.min(0), 0, (width, height)), np.clip(points.max(0), 0, (width, height))
    reach = float((high - low).max())
    if not 8 < reach < _SMALL * min(width, height):
        return image
    (left, top), (right, bottom) = np.maximum(low - reach / 3, 0), np.minimum(high + reach / 3, (width, height))
    return np.ascontiguousarray(image[int(top) : int(np.ceil(bottom)), int(left) : int(np.ceil(right))])


def jpeg_of(image: np.ndarray, longest: int) -> bytes:
    """An image [H, W, 3] uint8, reduced to a longest side in px."""
    picture = Image.fromarray(np.ascontiguousarray(image))
    picture.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return as_jpeg(picture)
