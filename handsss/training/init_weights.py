"""Initial weights of a run: random, an ImageNet encoder, or another run's network."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from handsss.errors import UserError
from handsss.hand.open_hand import pose_compatible
from handsss.network.checkpoint import load_network, load_weights
from handsss.network.s2hand import S2Hand
from handsss.training import imagenet
from handsss.training.config import DataSettings

# Optional parts of a network; those that the file lacks start from random weights.
_PARTS = {"appearance": "appearance.", "branch": "branch.", "auxiliary": "auxiliary.", "SimCC head": "auxiliary.simcc."}


def initialise_network(network: S2Hand, settings: DataSettings, model: str) -> str:
    """Initialise a network.

    Args:
        network: is changed; has random weights.
        settings: which weights.
        model: name of its hand model.

    Returns:
        What it starts from, for the user.

    Raises:
        InputError: a file that cannot be used, or whose layers are others (names them).
        UserError: two sources at once, another hand model, or another camera.
    """
    if not settings.weights:
        return imagenet.initialise(network.encoder, settings.imagenet)
    if settings.imagenet:
        raise UserError(
            "{weights} and {imagenet} were both given. The weights hold an encoder: leave {imagenet} out.",
            options=["weights", "imagenet"],
        )
    return _from_network(network, Path(settings.weights), model)


def _from_network(network: S2Hand, path: Path, model: str) -> str:
    loaded = load_network(path)
    if not pose_compatible(loaded.model, model):
        raise UserError(
            f"{path}: was trained with the hand model {loaded.model!r}, whose poses mean nothing to {model!r}. Give "
            f"{{model}} {loaded.model}.",
            options=["model"],
        )
    theirs, ours = loaded.network.settings, network.settings
    if theirs.encoder != ours.encoder:
        raise UserError(
            f"{path}: its encoder is {theirs.encoder}, this network's {ours.encoder}. Give the preset that it was "
            f"trained with ({{preset}} small has efficientnet-b0), or network.encoder={theirs.encoder}.",
            options=["preset"],
        )
    if theirs.focal != ours.focal:
        raise UserError(
            f"{path}: predicts translations before a camera of {theirs.focal:g} px, this network before one of "
            f"{ours.focal:g} px (0: the image's own). Give the preset that it was trained with, or "
            f"network.focal={theirs.focal:g}."
        )
    if (theirs.facing, theirs.rotation) != (ours.facing, ours.rotation):
        raise UserError(
            f"{path}: predicts rotations as network.rotation={theirs.rotation}, network.facing="
            f"{str(theirs.facing).lower()}, this network as {ours.rotation} and {str(ours.facing).lower()}. Give the "
            "preset that it was trained with, or these settings."
        )
    state, given = network.state_dict(), loaded.network.state_dict()
    absent = _lacking(given, state)
    left = _lacking(state, given)
    taken = {name: value for name, value in given.items() if not name.startswith(tuple(left.values()))}
    taken |= {name: value for name, value in state.items() if name.startswith(tuple(absent.values()))}
    load_weights(network, taken, loaded.path)
    kind, steps = loaded.about.get("supervision", "?"), loaded.about.get("step", "?")
    name = loaded.path.name if loaded.path.suffix != ".pt" else f"{loaded.path.parent.name}/{loaded.path.name}"
    words = [f"weights of {name} ({kind}, {steps} steps)"]
    words += [f"random {', '.join(absent)}"] if absent else []
    # Layers do not show these settings, which change the network's input or its features.
    words += [
        f"network.{name} {getattr(theirs, name)} there, {getattr(ours, name)} here"
        for name in ("pooling", "input_downsample")
        if getattr(theirs, name) != getattr(ours, name)
    ]
    return "; ".join(words)


def _lacking(one: dict[str, Tensor], other: dict[str, Tensor]) -> dict[str, str]:
    """Parts that only the other has -> prefix of their weights; without parts of a part that is listed."""

    def has(state: dict[str, Tensor], start: str) -> bool:
        return any(name.startswith(start) for name in state)

    lacking = {name: start for name, start in _PARTS.items() if has(other, start) and not has(one, start)}
    return {
        name: start
        for name, start in lacking.items()
        if not any(start != outer and start.startswith(outer) for outer in lacking.values())
    }
