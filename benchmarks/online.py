"""Pictures painted while a network trains: milliseconds a picture, and a sheet of both painters side by side.

    python benchmarks/online.py [--backgrounds DIR] [--device cpu] [--sheet FILE.png] [--json FILE]

On a CPU: the process' own time, one thread. Beside it the renderer's time for one plain hand of 1,538 faces, which
tells how busy the machine is: ratios compare, milliseconds do not.
"""

from __future__ import annotations

import argparse
import io
import json
from pathlib import Path

import numpy as np
import torch
from measuring import Pass, machine, measure, rows
from PIL import Image
from torch import Tensor

from handsss.data.online.dataset import OnlineHands
from handsss.data.online.painter import OnlineSettings
from handsss.data.synthetic.background import list_backgrounds
from handsss.data.synthetic.scene import SceneSettings, make_scene
from handsss.hand.load import load_model
from handsss.rendering.pipeline import render
from handsss.training.memory import keep_memory


def batch_of(data: OnlineHands, first: int, count: int) -> dict[str, Tensor]:
    """Rows stacked, as a loader does."""
    read = [data[row] for row in range(first, first + count)]
    return {name: torch.stack([row[name] for row in read]) for name in read[0]}


def one_hand(device: torch.device) -> Pass:
    """The renderer alone, on a hand of 1,538 faces that fills two fifths of the picture."""
    model = load_model("open")
    turn = torch.tensor([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])
    points = torch.as_tensor(model.v_template, dtype=torch.float32) @ turn.T
    points = (points - points.mean(0) + torch.tensor([0.0, 0.0, 0.42]))[None].to(device)
    faces = torch.as_tensor(model.faces.astype(np.int64), device=device)
    colours = torch.full_like(points, 0.5)
    K = torch.tensor([[480.0, 0, 112], [0, 480, 112], [0, 0, 1]], device=device)
    return lambda: render(points, faces, colours=colours, intrinsics=K, size=(224, 224))


def sheet(path: Path, backgrounds: Path | None, seed: int = 3, count: int = 5) -> None:
    """``synthesize`` on the left, online pictures on the right."""
    paths = () if backgrounds is None else tuple(list_backgrounds(backgrounds))
    careful = [make_scene(k, "training", SceneSettings(seed=seed, backgrounds=paths)).picture for k in range(count**2)]
    left = np.stack([np.asarray(Image.open(io.BytesIO(picture))) for picture in careful])
    data = OnlineHands(OnlineSettings(backgrounds, seed=seed), 1000)
    image = data.paint(batch_of(data, 0, count**2), torch.device("cpu"))["image"]
    right = (255 * image.permute(0, 2, 3, 1)).round().byte().numpy()
    shape = count, count, 224, 224, 3
    halves = [half.reshape(shape).swapaxes(1, 2).reshape(count * 224, -1, 3) for half in (left, right)]
    gap = np.full((count * 224, 16, 3), 255, np.uint8)
    Image.fromarray(np.concatenate([halves[0], gap, halves[1]], 1)).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backgrounds", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.sheet:
        sheet(options.sheet, options.backgrounds)
        print(options.sheet)
        return
    torch.set_num_threads(1)
    keep_memory()
    device = torch.device(options.device)
    passes: dict[str, Pass] = {"renderer alone, one hand": one_hand(device)}
    data = OnlineHands(OnlineSettings(options.backgrounds), 32768)
    for reduction in (1, 2):
        some = data.reduced(reduction)
        batch = batch_of(some, 0, options.batch)
        passes[f"online, {224 // reduction} px"] = lambda some=some, batch=batch: some.paint(batch, device)
    passes["random numbers"] = lambda: [data[row] for row in range(options.batch)]
    timings = measure(passes, options.device, repeats=15)
    pictures = {name: 1 if name.startswith("renderer") else options.batch for name in passes}
    for timing in timings:
        each = pictures[timing.contender]
        print(f"{timing.contender:28} {timing.median_ms / each:7.3f} ms a picture, least {timing.least_ms / each:.3f}")
    if options.json:
        facts = {"machine": machine(options.device), "batch": options.batch, "calls": rows(timings)}
        options.json.write_text(json.dumps(facts, indent=1))


if __name__ == "__main__":
    main()
