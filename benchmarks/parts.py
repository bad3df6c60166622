"""The parts that ``all.py`` times: layer, renderer, scaling, encoder, losses, training step."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import layer as layer_benchmark
import numpy as np
import render as render_benchmark
import torch
from baselines import PlainEncoder, PlainNetwork, TextbookLayer
from measuring import EFFORT, Pass, floor, measure, operations_of, rates, rows
from torch import Tensor, nn

from handsss.hand.layer import HandLayer
from handsss.hand.load import load_model
from handsss.hand.mano import load_file
from handsss.losses.e_c import e_c
from handsss.losses.e_loc import e_loc
from handsss.losses.e_ori import e_ori
from handsss.losses.e_pixel import e_pixel
from handsss.losses.e_ssim import e_ssim
from handsss.network.encoder import Encoder
from handsss.network.precision import for_prediction
from handsss.network.s2hand import S2Hand
from handsss.rendering.backends import available_backends
from handsss.training.objective import Batch, LossWeights, Objective
from handsss.training.schedule import Stage
from handsss.training.trainer import Trainer

Result = dict[str, Any]  # "rows": one for each contender, and what else a part has to say
PIXELS = 224 * 224


def _effort(quick: bool, repeats: int) -> dict[str, float]:
    return {"repeats": 1, "seconds": 1.0} if quick else {"repeats": repeats, "seconds": 30.0}


def batch_of(device: str, quick: bool) -> int:
    """Hands at once in the measurements that are compared with the paper's batch of 64."""
    return 2 if quick else 64 if device == "cuda" else 8


def layer(device: str, quick: bool) -> Result:
    """64 hands: vertices and joints from axis-angle pose, shape, rotation and translation."""
    batch = 4 if quick else 64
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "MANO_RIGHT.pkl"
        layer_benchmark.write_open_hand(path)
        forward, inputs = layer_benchmark.contenders(path, batch, device)
        textbook = TextbookLayer(HandLayer(load_file(path, "right"), flat_hand_mean=True, pivot="wrist")).to(device)
    pose, shape, rotation, translation = inputs

    def by_the_book() -> tuple[Tensor, Tensor]:
        output = textbook(axis_angle=pose, shape=shape, rotation=rotation, translation=translation)
        return output.vertices, output.joints

    assert float((by_the_book()[0] - forward["handsss"]()[0]).abs().max()) < 2e-6, "not the same hand"
    forward["textbook"] = by_the_book

    def inference(call: Callable[[], tuple[Tensor, Tensor]]) -> Pass:
        def run() -> None:
            with torch.no_grad():
                call()

        return run

    def training(call: Callable[[], tuple[Tensor, Tensor]]) -> Pass:
        def run() -> None:
            vertices, joints = call()
            torch.autograd.grad(vertices.sum() + joints.sum(), inputs)

        return run

    found = []
    machine_rates = rates(device)
    # One matrix product for the blend, one for the transforms of vertices, and the transforms themselves.
    operations = batch * 2 * (145 * 2334 + 778 * 16 * 12 + 778 * 12)
    size = 4.0 * (145 * 2334 + batch * (64 + 3 * 778 + 63))
    for what, kind, times in (("forward", inference, 1), ("forward and backward", training, 3)):
        timings = measure({name: kind(call) for name, call in forward.items()}, device, **_effort(quick, 60))
        least = floor(machine_rates, size=size * min(times, 2), operations=float(operations * times))
        found += rows(timings, what=what, count=batch, floor_ms=least["floor_ms"])
    return {"rows": found, "rates": machine_rates}


def renderer(device: str, quick: bool) -> Result:
    """Open hands of 15 % of 224 x 224 pixels; light, vertex colours, antialiasing."""
    batch = batch_of(device, quick)
    fast = "triton" if device == "cuda" else "numba"
    machine_rates = rates(device)
    scenes = {fast: render_benchmark.scene(batch, device), "torch": render_benchmark.scene(1, device)}
    if "pytorch3d" in available_backends():
        scenes["pytorch3d"] = render_benchmark.scene(batch if device == "cuda" else 1, device)
    found = []
    for backward in (False, True):

        def draw(name: str, backward: bool = backward) -> Pass:
            return lambda: render_benchmark.draw(scenes[name], name, backward)

        for name, parts in scenes.items():
            render_benchmark.check(*render_benchmark.draw(parts, name, backward), backward)
            timings = measure({name: draw(name)}, device, **_effort(quick, 40))
            # Colour, silhouette, depth and face number written; with gradients of the first three read as well.
            size = len(parts[0]) * PIXELS * 4.0 * (6 + (6 if backward else 0))
            what = "forward and backward" if backward else "forward"
            found += rows(timings, what=what, count=len(parts[0]), floor_ms=floor(machine_rates, size=size)["floor_ms"])
    return {"rows": found, "rates": machine_rates}


def ball(faces: int, count: int, device: str) -> tuple[Tensor, ...]:
    """Balls of about so many faces, as large as the hands of the renderer's scene."""
    rings = max(3, round((faces / 2) ** 0.5))
    polar, turn = np.meshgrid(np.linspace(0, np.pi, rings + 1), np.arange(rings) / rings * 2 * np.pi, indexing="ij")
    points = np.stack([np.sin(polar) * np.cos(turn), np.cos(polar), np.sin(polar) * np.sin(turn)], -1).reshape(-1, 3)
    grid = np.arange(len(points)).reshape(rings + 1, rings)
    after = np.roll(grid, -1, 1)
    a, b, c, d = (part.reshape(-1) for part in (grid[:-1], after[:-1], grid[1:], after[1:]))
    triangles = np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1)])
    vertices = torch.as_tensor(points * 0.065 + [0, 0, 0.55], dtype=torch.float32).repeat(count, 1, 1)
    colours = torch.rand(vertices.shape, generator=torch.Generator().manual_seed(0))
    light = torch.tensor([0.5, 0.5, 1, 1, 1, 1, 1, 1, 0.3, -0.5, -0.8]).repeat(count, 1)
    return tuple(part.to(device) for part in (vertices, torch.as_tensor(triangles), colours, light))


def growth(device: str, quick: bool) -> Result:
    """The renderer forward and backward with more pictures, faces and pixels; the layer with more hands."""
    largest = 8 if quick else 512
    batches = [n for n in (1, 2, 4, 8, 16, 32, 64, 128, 256, 512) if n <= largest]
    some = 2 if quick or device == "cpu" else 16
    faces = (1_500, 6_000) if quick else (1_500, 3_000, 6_000, 12_000, 25_000, 50_000)
    sizes = (64, 128) if quick else (64, 128, 224, 320, 512)
    if EFFORT.short and not quick:
        batches, faces, sizes = [n for n in batches if n in (1, 8, 64, 512)], (1_500, 12_000, 50_000), (64, 224, 512)
    cases: dict[str, dict[int, Pass]] = {"batch": {}, "faces": {}, "size": {}, "layer": {}}

    def draw(parts: tuple[Tensor, ...], size: int = 224) -> Pass:
        render_benchmark.check(*render_benchmark.draw(parts, "auto", True, size), True)
        return lambda: render_benchmark.draw(parts, "auto", True, size)

    def pose(count: int) -> Pass:
        inputs = [torch.randn(count, n, device=device).mul(0.3).requires_grad_() for n in (45, 10, 3)]
        return lambda: torch.autograd.grad(
            hand(axis_angle=inputs[0], shape=inputs[1], rotation=inputs[2]).vertices.sum(), inputs
        )

    hand = HandLayer(load_model("open")).to(device)
    found = []
    for name, values in (("batch", batches), ("faces", faces), ("size", sizes), ("layer", batches)):
        for value in values:
            if name == "batch":
                cases[name][value] = draw(render_benchmark.scene(value, device))
            elif name == "faces":
                cases[name][value] = draw(ball(value, some, device))
            elif name == "size":
                cases[name][value] = draw(render_benchmark.scene(some, device), value)
            else:
                cases[name][value] = pose(value)
            (timing,) = measure({"handsss": cases[name].pop(value)}, device, **_effort(quick, 12))
            count = value if name in ("batch", "layer") else some
            found += rows([timing], what=name, value=value, count=count)
    return {"rows": found}


def encoder(device: str, quick: bool) -> Result:
    """EfficientNet-b3 forward and backward, and -b0 forward on one picture."""
    machine_rates = rates(device)
    found = []
    batch = batch_of(device, quick)
    for name, count, backward in (("efficientnet-b3", batch, True), ("efficientnet-b0", 1, False)):
        ours = Encoder(name).to(device, memory_format=torch.channels_last)
        plain = PlainEncoder(ours, name).to(device)
        pictures = torch.rand(count, 3, 224, 224, device=device)
        passes = {
            "handsss": _encode(ours, pictures, backward),
            "efficientnet_pytorch": _encode(plain, pictures, backward),
        }
        if device == "cuda" or not backward:  # training on a CPU computes the encoder in float32
            passes["handsss, bfloat16"] = _encode(ours, pictures, backward, torch.bfloat16)
        if not backward:
            passes["handsss, float16"] = _encode(ours, pictures, backward, torch.float16)
        for module in (ours, plain):
            module.train(backward)
        what = f"{name}, {'forward and backward' if backward else 'forward'}"
        operations = operations_of(lambda: ours(pictures)) * (3 if backward else 1)  # noqa: B023
        for timing in measure(passes, device, **_effort(quick, 20)):
            least = floor(machine_rates, operations=operations, contender=timing.contender)["floor_ms"]
            found += rows([timing], what=what, count=count, floor_ms=least)
    return {"rows": found, "rates": machine_rates}


def _encode(module: nn.Module, pictures: Tensor, backward: bool, low: torch.dtype | None = None) -> Pass:
    def run() -> None:
        autocast = torch.autocast(pictures.device.type, low or torch.bfloat16, enabled=low is not None)
        with torch.set_grad_enabled(backward), autocast:
            vector = module(pictures).vector
        if backward:
            module.zero_grad(set_to_none=True)
            vector.float().sum().backward()

    return run


def losses(device: str, quick: bool) -> Result:
    """Photometric, geometric and texture terms forward and backward, beside SSIM with a two-dimensional window."""
    batch = batch_of(device, quick)
    generator = torch.Generator().manual_seed(0)

    def some(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator).to(device)

    image, silhouette, confidence = some(batch, 224, 224, 3), some(batch, 224, 224), some(batch, 21)
    detected = some(batch, 21, 2) * 224
    leaves = [some(batch, 224, 224, 3), some(batch, 21, 2) * 224, some(batch, 778, 3)]
    leaves = [leaf.requires_grad_() for leaf in leaves]
    assert (
        abs(float(_ssim_by_the_book(leaves[0], image) - e_ssim(leaves[0], image, torch.ones_like(silhouette)))) < 1e-4
    )

    def terms(ssim: Callable[[], Tensor]) -> Pass:
        def run() -> None:
            value = e_pixel(leaves[0], image, silhouette, confidence) + ssim()
            value = value + e_loc(leaves[1], detected, confidence)
            value = value + e_ori(leaves[1], detected, confidence) + e_c(leaves[2], confidence)
            torch.autograd.grad(value, leaves)

        return run

    machine_rates = rates(device)
    passes = {
        "handsss": terms(lambda: e_ssim(leaves[0], image, silhouette)),
        "textbook SSIM": terms(lambda: _ssim_by_the_book(leaves[0], image * silhouette[..., None])),
    }
    # Both pictures and the silhouette read, the gradient of one written.
    size = batch * PIXELS * 4.0 * (3 + 3 + 1 + 3)
    least = floor(machine_rates, size=size)["floor_ms"]
    timings = measure(passes, device, **_effort(quick, 20))
    return {"rows": rows(timings, what="forward and backward", count=batch, floor_ms=least), "rates": machine_rates}


def _ssim_by_the_book(rendered: Tensor, image: Tensor) -> Tensor:
    offset = torch.arange(11, device=image.device) - 5.0
    line = torch.exp(-(offset**2) / (2 * 1.5**2))
    window = (line[:, None] * line / line.sum() ** 2).expand(3, 1, 11, 11)
    a, b = image.permute(0, 3, 1, 2), rendered.permute(0, 3, 1, 2)

    def blurred(x: Tensor) -> Tensor:
        return torch.nn.functional.conv2d(x, window, padding=5, groups=3)

    mean_a, mean_b = blurred(a), blurred(b)
    variances = blurred(a * a) - mean_a**2 + blurred(b * b) - mean_b**2
    covariance = blurred(a * b) - mean_a * mean_b
    above = (2 * mean_a * mean_b + 0.01**2) * (2 * covariance + 0.03**2)
    return 1 - (above / ((mean_a**2 + mean_b**2 + 0.01**2) * (variances + 0.03**2))).mean()


def step(device: str, quick: bool) -> Result:
    """Whole training steps of the last stage: encoder b3, keypoint branch, hand, renderer, all losses, Adam."""
    machine_rates = rates(device)
    batch = batch_of(device, quick)
    # The reference renderer takes seconds a picture on a CPU.
    plain_batch = batch if device == "cuda" and not EFFORT.short else 2
    torch.manual_seed(0)
    network = S2Hand(load_model("open")).to(device)
    trainers = {"handsss": _trainer(network, batch)}
    backend = "pytorch3d" if "pytorch3d" in available_backends() else "torch"
    plain = PlainNetwork(network, backend)
    data = {"handsss": _pictures(batch, device), "plain assembly": _pictures(plain_batch, device)}
    trainers["plain assembly"] = _trainer(plain, plain_batch)
    with torch.no_grad():
        network.eval(), plain.eval()
        one = data["plain assembly"]
        difference = network(one.image, one.K).vertices - plain(one.image, one.K).vertices
    assert float(difference.abs().max()) < 1e-4, "the networks do not predict the same hand"
    if device == "cuda":
        low = S2Hand(load_model("open")).to(device)
        low.precision = for_prediction("bfloat16")
        trainers["handsss, bfloat16"], data["handsss, bfloat16"] = _trainer(low, batch), data["handsss"]
    found, operations = [], 0.0
    for name, trainer in trainers.items():

        def run(trainer: Trainer = trainer, rows_: Batch = data[name]) -> object:
            return trainer.one_step(rows_)

        if name == "handsss":
            forward = operations_of(lambda: trainer.objective(network, data["handsss"], "finetune"))  # noqa: B023
            operations = 3 * forward / trainer.batch
        timings = measure({name: run}, device, **_effort(quick, 12))
        least = floor(machine_rates, operations=operations * trainer.batch, contender=name)["floor_ms"]
        found += rows(timings, what="step", count=trainer.batch, floor_ms=least)
    return {"rows": found, "rates": machine_rates, "plain_renderer": backend}


def _trainer(network: S2Hand, batch: int) -> Trainer:
    # A rate of nearly nothing: the steps stay the same work.
    return Trainer(
        network, Objective(LossWeights(), "openpose", 0.0282), (Stage("finetune", 1_000_000, 1e-9),), batch=batch
    )


def _pictures(count: int, device: str) -> Batch:
    generator = torch.Generator().manual_seed(0)
    camera = torch.tensor([[480.0, 0, 112], [0, 480, 112], [0, 0, 1]]).repeat(count, 1, 1)
    keypoints = 112 + 40 * torch.randn(count, 21, 2, generator=generator)
    parts = torch.rand(count, 3, 224, 224, generator=generator), keypoints, torch.ones(count, 21), camera
    return Batch(*(part.to(device) for part in parts))
