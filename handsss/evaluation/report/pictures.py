"""The best and worst samples as pictures: crop, keypoints, mesh, and the joints from the side."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from handsss.evaluation.mesh_topology import matching_model
from handsss.evaluation.report.solid import solid
from handsss.evaluation.samples import Evaluation, Samples
from handsss.visualize.mesh import Drawable, overlay_clay, overlay_textured
from handsss.visualize.panels import (
    SUPERSAMPLING,
    clay_mesh,
    crop_panel,
    reduced,
    side_panel,
    skeleton_panel,
)

SHOWN = 20  # best, and worst
_SIDE = 256  # px of a panel
_UNKNOWN = (46, 48, 52)  # of the crop where there are no pictures

Redraw = Callable[[int], Drawable | None]


class ReportSample(NamedTuple):
    """One sample of the report."""

    kind: str  # "worst" or "best"
    rank: int  # 1: the worst or the best
    sample: int  # its number
    name: str
    figures: str  # its errors in words
    panels: list[tuple[str, np.ndarray]]  # label, [S, S, 3] uint8
    model: Markup | None = None  # of the 3D view, JSON

    @property
    def file(self) -> str:
        """File name of its picture."""
        stem = re.sub(r"[^A-Za-z0-9._-]+", "_", PurePosixPath(self.name).stem)[-60:] or "sample"
        return f"{self.kind}_{self.rank:02d}_{stem}.jpg"


def ranked(evaluation: Evaluation, count: int = SHOWN) -> list[tuple[str, int, int]]:
    """The samples to show: kind, rank, index; the worst first. No sample is among both.

    The order is that of the aligned joint error; samples without one are left out.
    """
    errors = evaluation.per_frame["aligned_mpjpe"]
    order = [int(i) for i in np.argsort(errors, kind="stable") if np.isfinite(errors[i])]
    worst = order[::-1][: min(count, -(-len(order) // 2))]
    best = order[: min(count, len(order) // 2)]
    listed = [("worst", rank + 1, index) for rank, index in enumerate(worst)]
    return listed + [("best", rank + 1, index) for rank, index in enumerate(best)]


def draw_samples(
    evaluation: Evaluation,
    redraw: Redraw | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[ReportSample]:
    """Draw the worst and the best samples.

    Args:
        evaluation: with at least one sample.
        redraw: the textured hand of a sample; without it, or where it gives None, a mesh of a known numbering is drawn
            in one colour.
        progress: told pictures done and in all.
    """
    chosen = ranked(evaluation)
    model = matching_model(evaluation.samples.vertices)
    samples_shown = []
    for done, (kind, rank, index) in enumerate(chosen):
        progress(done, len(chosen))
        own = None if redraw is None else redraw(index)
        faces = None if model is None else model.faces
        panels = _panels(evaluation.samples, index, faces, own)
        name = evaluation.samples.names[index]
        model_3d = solid(evaluation.samples, index, faces, own, f"{kind}_{rank:02d}")
        samples_shown.append(ReportSample(kind, rank, index, name, _figures(evaluation, index), panels, model_3d))
    progress(len(chosen), len(chosen))
    return samples_shown


def _panels(
    samples: Samples, index: int, faces: np.ndarray | None, own: Drawable | None
) -> list[tuple[str, np.ndarray]]:
    side = _SIDE * SUPERSAMPLING
    crop = np.full((224, 224, 3), _UNKNOWN, np.uint8) if samples.crop is None else samples.crop(index)
    photo = crop_panel(crop, side)
    panels = [] if samples.crop is None else [("input", photo.image)]
    truth = None if samples.true_keypoints is None else samples.true_keypoints[index]
    if truth is not None:
        panels.append(("truth", skeleton_panel(photo, truth)))
    for name in ("detector", "predicted", "projected"):
        if name in samples.keypoints:
            confidence = samples.confidence[index] if name == "detector" and samples.confidence is not None else None
            panels.append((name, skeleton_panel(photo, samples.keypoints[name][index], truth, confidence)))
    if own is not None:
        panels.append(("mesh", overlay_clay(own, photo)))
        panels.append(("texture and light", overlay_textured(own, photo)))
    elif faces is not None and samples.vertices is not None and samples.K is not None:
        panels.append(("mesh", overlay_clay(clay_mesh(samples.vertices[index], faces, samples.K[index]), photo)))
    panels.append(("joints from the side", side_panel(samples.joints[index], samples.true_joints[index], side)))
    return [(label, reduced(panel)) for label, panel in panels]


def _figures(evaluation: Evaluation, index: int) -> str:
    parts = []
    for key, text in (
        ("aligned_mpjpe", "aligned joints {:.1f} mm"),
        ("aligned_mpvpe", "aligned vertices {:.1f} mm"),
        ("raw_mpjpe", "raw joints {:.1f} mm"),
        ("projected", "projected keypoints {:.1f} px"),
        ("detector", "detector {:.1f} px"),
    ):
        values = evaluation.per_frame.get(key)
        if values is not None and np.isfinite(values[index]):
            parts.append(text.format(values[index]))
    return ", ".join(parts)
