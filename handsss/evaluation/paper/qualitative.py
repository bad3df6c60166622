"""Qualitative sheets laid out as figures 1, 3 to 5 and 6: inputs, projected joints, overlaid and rotated meshes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from handsss.evaluation.ground_truth import GroundTruth
from handsss.evaluation.network_hand import NetworkHand, predict_hand
from handsss.evaluation.paper.runs import TrainedRun
from handsss.evaluation.paper.sequences import ChosenSequences
from handsss.visualize.mesh import PhotoPanel, overlay_clay, overlay_textured, turned_views
from handsss.visualize.panels import SUPERSAMPLING, Mesh, clay_mesh, crop_panel, reduced, skeleton_panel
from handsss.visualize.sheet import Line, sheet

PRIORS = {"average": "average pose prior", "limits": "joint limits (ours)"}
_SIDE = 190  # px of a panel
_TURNED = 1  # of the turned views: figure 1's second viewpoint

Progress = Callable[[int, int], None]


def _silent(done: int, total: int) -> None:
    pass


def figure1(
    runs: dict[str, TrainedRun], truth: GroundTruth, rows: Sequence[int], progress: Progress = _silent
) -> Image.Image:
    """Both pose priors on the same pictures: input, projected keypoints, the mesh as seen and turned.

    Args:
        runs: by prior, "average" and "limits"; the panels of a missing one stay empty.
        truth: pictures and cameras.
        rows: of the pictures.
        progress: told rows done and in all.
    """
    lines = []
    for done, row in enumerate(rows):
        progress(done, len(rows))
        for prior, label in PRIORS.items():
            heading = truth.names[row] if prior == "average" else ""
            run = runs.get(prior)
            if run is None:
                lines.append(Line([None] * 4, f"{label}: no run", heading))
                continue
            photo, hand = _predict_row(run, truth, row)
            # One colour shows impossible shapes; texture would hide them.
            mesh = _clay(hand.mesh)
            views = [view for _, view in turned_views(mesh, _SIDE * SUPERSAMPLING)]
            panels = [photo.image, skeleton_panel(photo, hand.projected), views[0], views[_TURNED]]
            lines.append(Line([reduced(panel) for panel in panels], label, heading))
    progress(len(rows), len(rows))
    columns = ("input", "projected keypoints", "mesh as seen", "mesh turned by 60°")
    return sheet(
        lines, columns=columns, title="Figure 1: average pose prior and joint limits", notes=_notes(truth, runs)
    )


def figure3(run: TrainedRun, truth: GroundTruth, rows: Sequence[int], progress: Progress = _silent) -> Image.Image:
    """One picture a line: input, projected joints, projected mesh, the mesh from seven sides (figures 3 to 5).

    Args:
        run: that predicts.
        truth: pictures and cameras.
        rows: of the pictures.
        progress: told rows done and in all.
    """
    lines, columns = [], ["input", "joints", "mesh"]
    for done, row in enumerate(rows):
        progress(done, len(rows))
        photo, hand = _predict_row(run, truth, row)
        views = turned_views(hand.mesh, _SIDE * SUPERSAMPLING)
        columns = columns[:3] + [label for label, _ in views]
        over = _over(hand, photo)
        panels = [photo.image, skeleton_panel(photo, hand.projected), over, *(view for _, view in views)]
        lines.append(Line([reduced(panel) for panel in panels]))
    progress(len(rows), len(rows))
    names = "Pictures: " + ", ".join(truth.names[row] for row in rows) + "."
    title = "Figures 3 to 5: joints and mesh in the picture, mesh from seven sides"
    return sheet(lines, columns=columns, title=title, notes=[*_notes(truth, {"": run}), names])


def figure6(run: TrainedRun, truth: GroundTruth, chosen: ChosenSequences, progress: Progress = _silent) -> Image.Image:
    """Sequences: input, projected joints and mesh of each frame.

    Args:
        run: that predicts.
        truth: pictures and cameras.
        chosen: of :func:`handsss.evaluation.paper.sequences.choose_sequences`.
        progress: told frames done and in all.
    """
    total = sum(len(sequence.rows) for sequence in chosen.sequences)
    lines, done = [], 0
    for sequence in chosen.sequences:
        inputs, joints, meshes = [], [], []
        for row in sequence.rows:
            progress(done, total)
            photo, hand = _predict_row(run, truth, row)
            inputs.append(reduced(photo.image))
            joints.append(reduced(skeleton_panel(photo, hand.projected)))
            meshes.append(reduced(_over(hand, photo)))
            done += 1
        lines += [Line(inputs, "input", sequence.name), Line(joints, "joints"), Line(meshes, "mesh")]
    progress(total, total)
    notes = [*_notes(truth, {"": run}), chosen.note]
    return sheet(lines, title="Figure 6: frames of sequences, each reconstructed on its own", notes=notes)


def _predict_row(run: TrainedRun, truth: GroundTruth, row: int) -> tuple[PhotoPanel, NetworkHand]:
    crop = truth.crop(row)
    detected = truth.detections(np.array([row]))
    return crop_panel(crop, _SIDE * SUPERSAMPLING), predict_hand(run.trained, crop, truth.K[row], detected)


def _over(hand: NetworkHand, photo: PhotoPanel) -> np.ndarray:
    return overlay_textured(hand.mesh, photo, pale=False) if hand.textured else overlay_clay(hand.mesh, photo)


def _clay(mesh: Mesh) -> Mesh:
    return clay_mesh(mesh.vertices, mesh.faces, mesh.intrinsics)


def _notes(truth: GroundTruth, runs: dict[str, TrainedRun]) -> list[str]:
    listed = "; ".join(f"{run.name} ({run.describe()})" for run in runs.values())
    return [f"Data: {truth.path} ({truth.dataset}, {truth.split}). Runs: {listed}."]
