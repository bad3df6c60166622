"""Checkpoints: read without running anything in them, and turned into networks."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from pydantic import TypeAdapter, ValidationError
from torch import nn

from handsss.errors import InputError
from handsss.hand.load import load_model
from handsss.network.loaded import LoadedNetwork
from handsss.network.precision import FLOAT32, for_prediction
from handsss.network.s2hand import NetworkSettings, S2Hand
from handsss.network.weights import SHIPPED, SUFFIX, read_weights, shipped

FORMAT = "handsss-checkpoint"
FORMAT_VERSION = 1
FINAL, LATEST = "final.pt", "latest.pt"  # of a run's folder: the result's weights; all that --resume needs
_LISTED = 8  # layers that a message names
_Kind = TypeVar("_Kind")


class View(NamedTuple):
    """How pictures are turned and cut before a network sees them: see :class:`handsss.data.augment.Augmentation`."""

    upright: bool = False
    close: float = 0.0


def checkpoint_file(path: Path) -> Path:
    """The checkpoint that a path means: the file itself, or of a run's folder its result, or else its latest state;
    or the weights that come with the program, by their name.

    Raises:
        InputError: a folder without either.
    """
    if str(path) in SHIPPED and not path.exists():
        return shipped(str(path))
    if not path.is_dir():
        return path
    for name in (FINAL, LATEST):
        if (path / name).exists():
            return path / name
    raise InputError(f"{path}: holds neither {FINAL} nor {LATEST}. Expected a folder that `handsss train` wrote.")


def no_numbers(path: Path, where: str = "") -> InputError:
    """The error for a network whose predictions are NaN or infinite.

    Args:
        path: of the checkpoint.
        where: for what, as the sentence goes on: " for NAME".
    """
    return InputError(
        f"{path}: the network predicts numbers that are not finite{where}. The checkpoint is damaged, or its training "
        "had diverged."
    )


def load_network(path: Path, device: str | torch.device = "cpu", precision: str = FLOAT32) -> LoadedNetwork:
    """Read a checkpoint and build its network; averaged weights are taken where there are some.

    Args:
        path: a checkpoint, a run's folder, a file of weights, or a name of :data:`handsss.network.weights.SHIPPED`.
        device: of the network.
        precision: that it predicts in: float32, bfloat16 or float16.

    Raises:
        UserError: an unknown precision.
        InputError: not readable as a checkpoint, or its weights do not fit its settings (names the layers), or its
            hand model is not here.
    """
    file = checkpoint_file(path)
    content = read_weights(file, device) if is_weights(file) else load_checkpoint(file, device)
    absent = [key for key in ("network", "config", "model", "keypoint_set") if key not in content]
    if absent:
        raise InputError(f"{file}: lacks {', '.join(absent)}. Expected a file that `handsss train` wrote.")
    config, model = str(content["config"]), str(content["model"])
    network = S2Hand(load_model(model), _settings(config, file))
    load_weights(network, content.get("averaged") or content["network"], file)
    about = {"program": content.get("program")} | dict(content.get("about", {}))
    _view(config, file)  # a mistake in it is told here, not in the middle of the work
    network.precision = for_prediction(precision)
    network.to(device).eval()
    return LoadedNetwork(file, network, model, str(content["keypoint_set"]), config, about, content.get("facts", {}))


def is_weights(file: Path) -> bool:
    """Whether a file's name says that it holds weights alone."""
    return file.suffix.lower() == SUFFIX


def view_of(loaded: LoadedNetwork) -> View:
    """How a network's pictures are turned and cut."""
    return _view(loaded.config, loaded.path)


def _view(config: str, file: Path) -> View:
    section = _section(config, "augmentation", file)
    return _checked({key: section[key] for key in View._fields if key in section}, "augmentation", View, file)


def _settings(config: str, file: Path) -> NetworkSettings:
    section = _section(config, "network", file)
    unknown = sorted(set(section) - {field.name for field in fields(NetworkSettings)})
    if unknown:
        raise InputError(f"{file}: its network has unknown settings: {', '.join(unknown)}. Update handsss.")
    return _checked(section, "network", NetworkSettings, file)


def _section(config: str, name: str, file: Path) -> dict[str, Any]:
    try:
        section = tomllib.loads(config).get(name, {})
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{file}: its settings are not TOML ({error}).") from error
    if not isinstance(section, dict):
        raise InputError(f"{file}: its setting {name} is {section!r}, expected a section.")
    return section


def _checked(values: dict[str, Any], name: str, kind: type[_Kind], file: Path) -> _Kind:
    """The values of a section as a class that has them all."""
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        wrong = error.errors()[0]
        where = ".".join((name, *(str(part) for part in wrong["loc"])))
        raise InputError(f"{file}: its setting {where}: {wrong['msg']}.") from error


def load_checkpoint(path: Path, device: str | torch.device = "cpu") -> dict[str, Any]:
    """Read a checkpoint.

    Raises:
        InputError: missing, damaged, of a newer format, or holding anything but weights and plain values.
    """
    try:
        content = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file. Expected a checkpoint of `handsss train`.") from None
    except Exception as error:  # damaged and hostile files raise nearly anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{path}: not a checkpoint that can be read ({reason}). Nothing of it was run. Expected a file that "
            "`handsss train` wrote."
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{path}: holds no checkpoint of handsss. Expected a file that `handsss train` wrote.")
    if int(content.get("format_version", 0)) > FORMAT_VERSION:
        raise InputError(
            f"{path}: has format version {content['format_version']}, written by handsss {content.get('program')}; "
            f"this program reads versions up to {FORMAT_VERSION}. Update handsss."
        )
    result: dict[str, Any] = content
    return result


def load_weights(network: nn.Module, state: dict[str, torch.Tensor], path: Path) -> None:
    """Put weights into a network, all of them or none.

    Raises:
        InputError: layers are missing, left over or of other shapes; each is named with both shapes.
    """
    own = network.state_dict()
    problems = [f"{name} is missing, {list(own[name].shape)} expected" for name in own if name not in state]
    problems += [f"{name} {list(state[name].shape)} is not part of this network" for name in state if name not in own]
    problems += [
        f"{name} is {list(state[name].shape)}, {list(own[name].shape)} expected"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    if problems:
        more = f"; and {len(problems) - _LISTED} more" if len(problems) > _LISTED else ""
        raise InputError(
            f"{path}: does not fit the network: {'; '.join(problems[:_LISTED])}{more}. Use the settings that the "
            "checkpoint was trained with (its config.toml)."
        )
    network.load_state_dict(state)
