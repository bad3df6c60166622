"""The hands of a run as one table: a row a hand, and one for each photo without a hand."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from handsss.hand.joints import joint_order
from handsss.io.table_file import Row, write_table
from handsss.reconstruction.outputs import Outcome

_JOINTS = joint_order("openpose")
_FIT = ("reprojection_px", "reprojection_of_box", "silhouette_iou", "segmentation_quality")
COLUMNS: dict[str, type] = {
    **dict.fromkeys(("image", "status", "message", "object", "hand"), str),
    "handedness": float,
    "side_from": str,
    **dict.fromkeys(("score", "expected_error_mm", *_FIT), float),
    **dict.fromkeys(("model", "network", "camera_source"), str),
    **dict.fromkeys(("width", "height"), int),
    **dict.fromkeys(("fx", "fy", "cx", "cy"), float),
    **dict.fromkeys(("mesh", "document"), str),
    **{f"{name}_{what}": float for name in _JOINTS for what in ("x", "y", "z", "u", "v", "expected_mm")},
}


def write_hand_table(target: Path, outcomes: Sequence[Outcome]) -> int:
    """Write the table of a run; photos that were not started have no row.

    Args:
        target: .csv or .parquet.
        outcomes: of the photos; their documents are read again, one at a time.

    Returns:
        the number of rows.

    Raises:
        UserError: it cannot be written.
    """
    return write_table(target, COLUMNS, rows_of(outcomes))


def rows_of(outcomes: Sequence[Outcome]) -> Iterator[Row]:
    """Rows by :data:`COLUMNS`: x, y, z of a joint in metres of the camera's axes, u, v in px of the upright photo,
    its expected error in mm."""
    for outcome in outcomes:
        if outcome.status == "not started":
            continue
        photo = {"image": outcome.image, "status": outcome.status, "message": outcome.message or None}
        document = next((path for path in outcome.files if path.suffix == ".json"), None)
        if document is None or not outcome.hands:
            yield photo
            continue
        content = json.loads(document.read_text(encoding="utf-8"))
        width, height = content["image_size"]
        files = {"mesh": outcome.files[0].as_posix(), "document": document.as_posix()}
        shared = {**photo, **files, "width": width, "height": height, "camera_source": content["camera"]["source"]}
        for hand in content["hands"]:
            yield {**shared, **_of_hand(hand)}


def _of_hand(hand: dict[str, Any]) -> dict[str, Any]:
    K = hand["intrinsics"]
    row = {name: hand.get(name) for name in COLUMNS if name in hand and not isinstance(hand[name], (list, dict))}
    row |= {name: hand["fit"][name] for name in _FIT if name in hand["fit"]}
    row |= {"fx": K[0][0], "fy": K[1][1], "cx": K[0][2], "cy": K[1][2]}
    expected = hand.get("expected_joint_errors_mm") or [None] * len(_JOINTS)
    for name, place, pixel, error in zip(_JOINTS, hand["joints_3d"], hand["joints_2d"], expected, strict=True):
        row |= {f"{name}_{axis}": value for axis, value in zip("xyzuv", (*place, *pixel), strict=True)}
        row[f"{name}_expected_mm"] = error
    return row
