"""Contact sheets of the open hand: sampled poses, single degrees of freedom, shape components, the texture layout.

python -m tools.build_open_hand.sheets --out docs/images
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw

from handsss.hand.layer import HandLayer
from handsss.hand.limits import rotations_from_euler
from handsss.hand.load import load_model
from handsss.hand.sampling import sample_poses
from handsss.rendering import Texture, render

CELL = 220
LIGHT = (0.55, 0.55, 1, 1, 1, 1, 1, 1, -0.35, -0.6, -0.8)
SKIN, NAIL = (0.87, 0.66, 0.55), (0.95, 0.80, 0.76)

# Rows: where the hand's x, y, z axes go in the camera frame (x right, y down, z forward).
VIEWS = {
    "palm": np.array([[0, 0, 1.0], [1, 0, 0], [0, 1, 0]]),
    "back": np.array([[0, 0, -1.0], [1, 0, 0], [0, -1, 0]]),
    "thumb side": np.array([[0, 1.0, 0], [1, 0, 0], [0, 0, -1]]),
}


def _turned(name: str, degrees: float = 0.0, tilt: float = 0.0) -> np.ndarray:
    a, b = np.deg2rad(degrees), np.deg2rad(tilt)
    about_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    turned: np.ndarray = about_x @ about_y @ VIEWS[name]
    return turned


class Painter:
    """Renders one hand after another into cells."""

    def __init__(self, model: str = "open-detail") -> None:
        self.model = load_model(model)
        self.layer = HandLayer(self.model, flat_hand_mean=True)
        self.colours = np.tile(np.array(SKIN), (self.model.vertex_count, 1))
        if self.model.nail_faces is not None:
            self.colours[np.unique(self.model.faces[self.model.nail_faces])] = NAIL

    def cell(
        self,
        rotations: torch.Tensor,
        view: np.ndarray,
        label: str,
        *,
        shape: torch.Tensor | None = None,
        zoom: float = 1.0,
        centre: np.ndarray | None = None,
        texture: Texture | None = None,
    ) -> np.ndarray:
        """One picture [CELL, CELL, 3] of local rotations [15, 3, 3]."""
        with torch.no_grad():
            output = self.layer(matrices=rotations[None].float(), shape=shape)
            vertices = output.vertices[0] @ torch.as_tensor(view.T, dtype=torch.float32)
            middle = torch.as_tensor(view @ (np.array([-0.005, 0, 0.005]) if centre is None else centre))
            vertices = vertices - middle.float() + torch.tensor([0.0, 0.0, 0.6])
            focal = CELL * 2.7 * zoom
            camera = torch.tensor([[focal, 0, CELL / 2], [0, focal, CELL / 2], [0, 0, 1.0]])
            picture = render(
                vertices[None],
                self.layer.faces,
                colours=None if texture is not None else torch.as_tensor(self.colours, dtype=torch.float32),
                texture=texture,
                light=torch.tensor(LIGHT),
                intrinsics=camera,
                size=(CELL, CELL),
                background=1.0,
            ).colour[0]
        image = Image.fromarray((picture.clamp(0, 1).numpy() * 255).astype(np.uint8))
        ImageDraw.Draw(image).text((3, 2), label, fill=(40, 40, 40))
        return np.asarray(image)

    def rotations(self, degrees: dict[int, tuple[float, float, float]]) -> torch.Tensor:
        """Local rotations of joint (0-14) -> azimuth, pitch, roll in degrees; others straight."""
        angles = torch.zeros(15, 3, dtype=torch.float64)
        for joint, values in degrees.items():
            angles[joint] = torch.deg2rad(torch.tensor(values, dtype=torch.float64))
        return rotations_from_euler(angles, torch.as_tensor(self.model.bone_frames))


def _sheet(cells: list[np.ndarray], columns: int) -> Image.Image:
    while len(cells) % columns:
        cells.append(np.full((CELL, CELL, 3), 255, np.uint8))
    rows = [np.concatenate(cells[i : i + columns], 1) for i in range(0, len(cells), columns)]
    return Image.fromarray(np.concatenate(rows, 0))


def poses(painter: Painter, count: int = 12, seed: int = 4) -> Image.Image:
    """Random poses of the sampler in three views."""
    from handsss.geometry.rotations import axis_angle_to_matrix

    cells = []
    for number, pose in enumerate(sample_poses(painter.model, count, np.random.default_rng(seed))):
        rotations = axis_angle_to_matrix(torch.as_tensor(pose))
        cells.append(painter.cell(rotations, _turned("palm"), f"{number} palm"))
        cells.append(painter.cell(rotations, _turned("palm", 60, 15), f"{number} oblique"))
        cells.append(painter.cell(rotations, _turned("back"), f"{number} back"))
    return _sheet(cells, 9)


FIST = {
    **{3 * f: (0.0, 82.0, 0.0) for f in range(4)},
    **{3 * f + 1: (0.0, 100.0, 0.0) for f in range(4)},
    **{3 * f + 2: (0.0, 62.0, 0.0) for f in range(4)},
    12: (24.0, 28.0, -6.0),
    13: (0.0, 24.0, 0.0),
    14: (0.0, 58.0, 0.0),
}


def degrees_of_freedom(painter: Painter) -> Image.Image:
    """Single joints moved alone, a fist, and the thumb's web close up."""
    single = [
        ("flat", {}),
        ("index MCP 60", {0: (0, 60, 0)}),
        ("index PIP 90", {1: (0, 90, 0)}),
        ("index DIP 60", {2: (0, 60, 0)}),
        ("all PIP 90", dict.fromkeys((1, 4, 7, 10), (0, 90, 0))),
        ("index MCP azimuth 15", {0: (15, 0, 0)}),
        ("little MCP azimuth -20", {6: (-20, 0, 0)}),
        ("all MCP 80", dict.fromkeys((0, 3, 6, 9), (0, 80, 0))),
        ("thumb CMC pitch 30", {12: (0, 30, 0)}),
        ("thumb CMC pitch -20", {12: (0, -20, 0)}),
        ("thumb CMC azimuth 25", {12: (25, 0, 0)}),
        ("thumb CMC azimuth -25", {12: (-25, 0, 0)}),
        ("thumb CMC roll 30", {12: (0, 0, 30)}),
        ("thumb MCP 50", {13: (0, 50, 0)}),
        ("thumb IP 70", {14: (0, 70, 0)}),
        ("fist", FIST),
    ]
    cells = []
    for label, angles in single:
        rotations = painter.rotations(angles)
        cells.append(painter.cell(rotations, _turned("palm"), label))
        cells.append(painter.cell(rotations, _turned("thumb side"), "thumb side"))
        cells.append(painter.cell(rotations, _turned("back"), "back"))
    base = painter.layer.joint_template.reshape(16, 3)[13].numpy() + np.array([-0.015, 0, 0])
    for pitch in (-20, 0, 15, 30, 42):
        rotations = painter.rotations({12: (0, pitch, 0.6 * max(pitch, 0)), 13: (0, max(pitch, 0), 0)})
        cells.append(painter.cell(rotations, _turned("palm", -25), f"thumb web, CMC {pitch}", zoom=2.2, centre=base))
    return _sheet(cells, 9)


def shape_components(painter: Painter) -> Image.Image:
    """All shape components at -2.5 and +2.5 sd, the mean pose and the first pose components."""
    from handsss.geometry.rotations import axis_angle_to_matrix

    still = torch.eye(3).expand(15, 3, 3)
    cells = []
    for sign in (-2.5, 2.5):
        for component in range(10):
            shape = torch.zeros(1, 10)
            shape[0, component] = sign
            cells.append(
                painter.cell(still, _turned("back"), f"shape {component + 1} {sign:+.1f} sd", shape=shape, zoom=0.8)
            )
    model = painter.model
    for component in range(-1, 9):
        pose = model.hands_mean.copy()
        if component >= 0:
            pose = pose + 2 * model.hands_std[component] * model.hands_components[component]
        rotations = axis_angle_to_matrix(torch.as_tensor(pose).reshape(15, 3))
        name = "mean pose" if component < 0 else f"pose {component + 1} +2 sd"
        cells.append(painter.cell(rotations, _turned("palm", 35), name))
    return _sheet(cells, 10)


def texture_layout() -> Image.Image:
    """The 778 mesh's texture layout with nails, and a painted texture on the hand."""
    painter = Painter("open")
    model = painter.model
    assert model.uv is not None and model.uv_faces is not None
    size = 4 * CELL
    layout = Image.new("RGB", (size, size), tuple(int(255 * c) for c in SKIN))
    draw = ImageDraw.Draw(layout)
    nails = set() if model.nail_faces is None else set(model.nail_faces.tolist())
    for number, face in enumerate(model.uv_faces):
        points = [(float(u) * size, float(1 - v) * size) for u, v in model.uv[face]]
        draw.polygon(
            points, fill=tuple(int(255 * c) for c in (NAIL if number in nails else SKIN)), outline=(190, 140, 120)
        )
    texture = Texture(
        torch.as_tensor(np.asarray(layout).copy()).float() / 255,
        torch.as_tensor(model.uv).float(),
        torch.as_tensor(model.uv_faces.astype(np.int64)),
    )
    still = torch.eye(3).expand(15, 3, 3)
    right = [painter.cell(still, _turned(view), view, texture=texture) for view in ("palm", "back")]
    small = np.asarray(layout.resize((2 * CELL, 2 * CELL), Image.Resampling.LANCZOS))
    return Image.fromarray(np.concatenate([small, np.concatenate(right, 0)], 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    painter = Painter()
    for name, picture in {
        "poses": poses(painter),
        "dof": degrees_of_freedom(painter),
        "shapes": shape_components(painter),
        "uv": texture_layout(),
    }.items():
        path = options.out / f"open_hand_{name}.png"
        picture.quantize(128).save(path, optimize=True)
        print(path)


if __name__ == "__main__":
    main()
