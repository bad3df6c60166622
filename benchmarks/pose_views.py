"""From where online pictures show hands, and a sheet of recorded poses beside their nearest samples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from handsss.data.online.draws import Draws, draw
from handsss.data.online.placement import place
from handsss.data.online.poses import PoseBank, shapes
from handsss.data.online.view import views
from handsss.data.synthetic.poses import sample_placement
from handsss.geometry.cameras import project
from handsss.geometry.rotations import axis_angle_to_matrix
from handsss.hand.layer import HandLayer
from handsss.hand.load import load_model
from handsss.hand.sampling import euler_matrices
from handsss.rendering.pipeline import render
from handsss.training.config import PRESETS

if TYPE_CHECKING:
    from benchmarks.pose_coverage import Recorded

# Directions from the hand to the camera, in the model's frame.
SIDES = {
    "palm": (0, -1, 0), "back": (0, 1, 0), "thumb side": (0, 0, 1), "little finger's side": (0, 0, -1),
    "fingertips": (-1, 0, 0), "forearm": (1, 0, 0),
}  # fmt: skip
_CELL = 176
_BATCH = 2000


def numbers(seed: int, first: int, end: int) -> Draws:
    """Random numbers of online pictures of the first epoch."""
    rows = [draw(seed, 0, row) for row in range(first, end)]
    return Draws(torch.cat([row.uniform for row in rows]), torch.cat([row.normal for row in rows]))


def view_shares(count: int) -> dict[str, Any]:
    """Percent of pictures that show each side of the hand, as ``synthesize`` and online pictures have them.

    ``nearest``: the side that the camera is nearest to, of six; ``within 30 degrees`` of looking straight at it (6.7
    for hands turned at random). ``upright``: degrees that the hand's middle, from wrist to knuckle, is off the vertical
    in the window that the network sees, in the preset ``small``; turning that window leaves the sides as they are.
    """
    rng = np.random.default_rng(0)
    painted = np.stack([sample_placement(rng).rotation for _ in range(count)])
    result = {"synthesize": _shares(painted[painted[:, 2, 0] >= -0.5])}
    layer = HandLayer(load_model("open"), flat_hand_mean=True)
    bank = PoseBank(512, 0, torch.device("cpu"))
    how = PRESETS["small"].augmentation
    rotations, off = [], []
    for first in range(0, count, _BATCH):
        draws = numbers(0, first, min(first + _BATCH, count))
        with torch.no_grad():
            hands = layer(axis_angle=bank.poses(draws), shape=shapes(draws))
            joints = layer.keypoints(hands, "mediapipe")
            placed = place(joints, draws)
            camera = joints @ placed.rotation.transpose(1, 2) + placed.translation[:, None]
            keypoints = project(camera, placed.K)
            view = views(keypoints, torch.ones_like(keypoints[..., 0]), how, draws)
            x, y = (view.pixels(keypoints)[:, 9] - view.pixels(keypoints)[:, 0]).unbind(1)
        rotations.append(placed.rotation.numpy())
        off.append(torch.rad2deg(torch.atan2(x, -y)).abs().numpy())
    result["online"] = _shares(np.concatenate(rotations))
    degrees = np.concatenate(off)
    result["online"]["upright"] = {f"p{p}_deg": round(float(np.percentile(degrees, p)), 1) for p in (50, 90, 95, 99)}
    return result


def _shares(rotations: np.ndarray) -> dict[str, Any]:
    towards = -rotations[:, 2] @ np.array(list(SIDES.values()), dtype=np.float64).T  # cosines
    nearest, within = towards.argmax(1), towards > np.cos(np.pi / 6)
    return {
        "nearest, %": {name: round(100 * float((nearest == k).mean()), 1) for k, name in enumerate(SIDES)},
        "within 30 degrees, %": {name: round(100 * float(within[:, k].mean()), 1) for k, name in enumerate(SIDES)},
    }


def sheet(path: Path, real: np.ndarray, sampled: np.ndarray, apart: np.ndarray, recorded: Recorded) -> None:
    """A recorded pose of every recording, and right of it its nearest sample; five pairs a row.

    Args:
        path: of the picture.
        real, sampled: [N, 15, 3] angles in degrees of recorded hands and of their nearest samples.
        apart: [N] mm between them; of each recording the hand is drawn that lies at its 80th percentile.
        recorded: the hands.
    """
    cells = []
    for name in np.unique(recorded.recording):
        rows = np.flatnonzero(recorded.recording == name)
        row = rows[np.argsort(apart[rows])[int(0.8 * len(rows))]]
        labels = (f"{str(name)[:22]}", f"{apart[row]:.1f} mm")
        cells.append(
            np.concatenate([_drawn(a[row], label) for a, label in zip((real, sampled), labels, strict=True)], 1)
        )
    cells += [np.full_like(cells[0], 255)] * (-len(cells) % 5)
    lines = [np.concatenate(cells[first : first + 5], 1) for first in range(0, len(cells), 5)]
    Image.fromarray(np.concatenate(lines, 0)).save(path, quality=88)


def _drawn(angles: np.ndarray, label: str) -> np.ndarray:
    model = load_model("open")
    layer = HandLayer(model, flat_hand_mean=True)
    upright = torch.tensor([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])  # fingers up, palm to the camera
    turn = axis_angle_to_matrix(torch.tensor([[0.25, 0.0, 0.0], [0.0, 0.55, 0.0]]))
    rotations = torch.as_tensor(euler_matrices(np.deg2rad(angles)[None], model.bone_frames), dtype=torch.float32)
    with torch.no_grad():
        hand = layer(matrices=rotations).vertices
        points = hand @ (turn[0] @ turn[1] @ upright).T
        points = points - (points.amax(1, keepdim=True) + points.amin(1, keepdim=True)) / 2 + torch.tensor([0, 0, 1.0])
        K = torch.tensor([[860.0, 0, _CELL / 2], [0, 860, _CELL / 2 + 6], [0, 0, 1]])
        light = torch.tensor([0.45, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, -0.5, -0.6, -1.0])
        faces = torch.as_tensor(model.faces.astype(np.int64))
        colours = torch.tensor([0.85, 0.68, 0.58]).expand(1, len(model.v_template), 3)
        image = render(
            points, faces, colours=colours, light=light, intrinsics=K, size=(_CELL, _CELL), background=1.0
        ).colour
    picture = Image.fromarray((255 * image[0].clamp(0, 1)).byte().numpy())
    ImageDraw.Draw(picture).text((4, 2), label, fill=(0, 0, 0))
    return np.asarray(picture)
