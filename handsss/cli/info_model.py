"""The table of ``handsss info model``."""

from __future__ import annotations

import time

import torch

from handsss.cli.console import output_console, show_note
from handsss.cli.tables import show_table
from handsss.hand.load import load_model
from handsss.network.device import choose_device
from handsss.network.s2hand import S2Hand, parameter_counts
from handsss.training.config import TrainConfig, resolve
from handsss.training.objective import STAGES, WARM_UP, Batch, Objective


def show_model(preset: str, settings: tuple[str, ...], batch: int, device: str) -> None:
    """Print parameters, shapes and passes.

    Raises:
        UserError: an unknown preset, setting or device.
    """
    config = resolve(preset, None, settings, note=show_note)
    where = choose_device(device)
    torch.manual_seed(0)
    network = S2Hand(load_model("open"), config.network).to(where)
    console = output_console()
    shapes = _shapes(network, where)
    counts = parameter_counts(network)
    parts = [[name, f"{count:,}", shapes.get(name, "")] for name, count in counts.items()]
    parts.append(["total", f"{sum(counts.values()):,}", ""])
    console.print(f"{config.network.encoder}, preset {preset}, random weights")
    show_table(console, ["part", "parameters", "output per image"], parts, right=(1,), text=(2,))
    passes = []
    for stage in (WARM_UP, *STAGES) if network.auxiliary is not None else STAGES:
        if stage == "keypoints" and network.branch is None:
            continue
        passes.append([stage, *_passes(network, config, stage, batch, where)])
    console.print(f"one pass over {batch} random images on {where}, {torch.get_num_threads()} threads")
    show_table(console, ["stage", "forward", "backward", "parameters with a gradient", "E"], passes)


def _shapes(network: S2Hand, device: torch.device) -> dict[str, str]:
    image = torch.rand(2, 3, 224, 224, device=device)
    K = _camera(2, device)
    network.eval()
    with torch.no_grad():
        features = network.encoder(image)
        output = network(image, K)
    network.train()
    shapes = {
        "encoder": f"m_h {_of(features.high)}, m_l {_of(features.low)}",
        "f_base": "512",
        "f_pose": _of(output.hand.pose),
        "f_shape": _of(output.hand.shape),
        "f_trans": _of(output.hand.translation),
        "f_rot": _of(output.hand.rotation),
        "f_scale": "1",
    }
    if output.texture is not None and output.light is not None:
        shapes |= {"f_conv": "256", "f_tex": _of(output.texture), "f_light": _of(output.light)}
    if output.keypoints is not None:
        shapes["keypoint branch"] = f"keypoints {_of(output.keypoints)}"
    return shapes


def _of(value: torch.Tensor) -> str:
    return " x ".join(str(size) for size in value.shape[1:])


def _camera(count: int, device: torch.device) -> torch.Tensor:
    K = torch.tensor([[480.0, 0, 112], [0, 480, 112], [0, 0, 1]], device=device)
    return K.expand(count, 3, 3)


def _passes(network: S2Hand, config: TrainConfig, stage: str, count: int, device: torch.device) -> tuple[str, ...]:
    generator = torch.Generator().manual_seed(0)
    batch = Batch(
        torch.rand(count, 3, 224, 224, generator=generator).to(device),
        (60 + 100 * torch.rand(count, 21, 2, generator=generator)).to(device),
        torch.ones(count, 21, device=device),
        _camera(count, device),
    )
    objective = Objective(config.losses, "openpose", 0.03)
    network.zero_grad(set_to_none=True)
    objective(network, batch, stage).total.backward()  # type: ignore[no-untyped-call]  # compiles and warms up
    network.zero_grad(set_to_none=True)
    begin = _now(device)
    terms = objective(network, batch, stage)
    middle = _now(device)
    terms.total.backward()  # type: ignore[no-untyped-call]
    end = _now(device)
    reached = sum(p.numel() for p in network.parameters() if p.grad is not None)
    value = float(terms.total.detach())
    return f"{1000 * (middle - begin):.0f} ms", f"{1000 * (end - middle):.0f} ms", f"{reached:,}", f"{value:.4g}"


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
