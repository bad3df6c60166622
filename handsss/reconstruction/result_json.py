"""NAME.json: the parameters, keypoints and figures of a photo's hands."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from handsss.hand.joints import joint_order
from handsss.hand.result import FORMAT_VERSION, HandResult
from handsss.io.camera import CameraChoice
from handsss.mesh_io.export import mesh_axes
from handsss.mesh_io.parts import CAMERA_AXES, hand_names
from handsss.mesh_io.rig import Rig


def photo_document(
    image: str | None,
    size: tuple[int, int],
    camera: CameraChoice,
    hands: Sequence[HandResult],
    *,
    mesh: Path | None = None,
    notes: Sequence[str] = (),
    vertices: bool = False,
    rigs: Sequence[Rig] | None = None,
) -> dict[str, Any]:
    """The content of NAME.json.

    Args:
        image: the photo's path as the user gave it; None: an array without a name.
        size: width, height of the upright photo, px.
        camera: the intrinsics and where they come from.
        hands: in the order of the mesh file's objects.
        mesh: the mesh file beside the JSON, if there is one.
        notes: conversions of the photo's pixels on reading.
        vertices: include the vertices of each hand.
        rigs: of the hands, where the mesh file is rigged.
    """
    entries = []
    for index, (name, hand) in enumerate(zip(hand_names(hands), hands, strict=True)):
        rig = {} if rigs is None else {"rig": rigs[index].to_json()}
        entries.append({"object": name, **hand.to_json(vertices=vertices), **rig})
    return {
        "format_version": FORMAT_VERSION,
        "image": image,
        "image_size": list(size),
        "image_notes": list(notes),
        "camera": {
            "source": camera.source,
            "description": camera.sentence,
            "intrinsics": camera.intrinsics.tolist(),
        },
        "axes": CAMERA_AXES,
        "mesh": None if mesh is None else mesh.name,
        "mesh_axes": None if mesh is None else mesh_axes(mesh),
        "joint_names": list(joint_order("openpose")),
        "pose_convention": "15 axis-angle vectors (radians) relative to the flat hand, in MANO's joint order; for a "
        "left hand they are the left hand's own. rotation turns about the model's origin, then translation is added.",
        "hands": entries,
    }


def json_bytes(content: Any) -> bytes:
    """JSON with one line per row of numbers, so that people can read it too.

    File names that are not UTF-8 are written with JSON's own escapes, which give the same name when read again.

    Raises:
        ValueError: a number that is not finite, which JSON does not have.
    """
    return (_written(content, 0) + "\n").encode("utf-8", "backslashreplace")


def _written(value: Any, depth: int) -> str:
    outer, inner = "  " * depth, "  " * (depth + 1)
    if isinstance(value, dict) and value:
        rows = [f"{inner}{json.dumps(str(key))}: {_written(entry, depth + 1)}" for key, entry in value.items()]
        return "{\n" + ",\n".join(rows) + f"\n{outer}}}"
    if isinstance(value, (list, tuple)) and any(isinstance(entry, (dict, list, tuple)) for entry in value):
        rows = [inner + _written(entry, depth + 1) for entry in value]
        return "[\n" + ",\n".join(rows) + f"\n{outer}]"
    return json.dumps(value, allow_nan=False, ensure_ascii=False)
