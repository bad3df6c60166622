"""Checkpoints: read without executing anything in them, and turned into networks."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import TypeAdapter, ValidationError
from torch import nn

from handsss.errors import InputError
from handsss.hand.load import load_model
from handsss.io.content import parse_toml, why_unreadable
from handsss.network.input_view import InputView
from handsss.network.loaded import LoadedNetwork
from handsss.network.precision import FLOAT32, for_prediction
from handsss.network.s2hand import NetworkSettings, S2Hand
from handsss.network.setting_kinds import mistake
from handsss.network.setting_names import current_settings, current_weights
from handsss.network.weights import BUNDLED, REPLACED, SUFFIX, bundled, read_weights

FORMAT = "handsss-checkpoint"
FORMAT_VERSION = 1
FINAL, LATEST = "final.pt", "latest.pt"  # of a run's folder: the result's weights; the state to resume from
_LISTED = 8  # layers that a message names
_STATES = ("network", "averaged")  # entries with weights
_Kind = TypeVar("_Kind")


def checkpoint_file(path: Path) -> Path:
    """The file that a path means: itself, a run's result or else its latest state, or bundled weights by name.

    Raises:
        InputError: a folder without either, or weights that earlier versions bundled.
    """
    if str(path) in BUNDLED and not path.exists():
        return bundled(str(path))
    if str(path) in REPLACED and not path.exists():
        new = REPLACED[str(path)]
        raise InputError(f"{path}: came with handsss 0.1. Expected {new}, which has replaced it, or a file.")
    if not path.is_dir():
        return path
    for name in (FINAL, LATEST):
        if (path / name).exists():
            return path / name
    raise InputError(f"{path}: holds neither {FINAL} nor {LATEST}. Expected a folder that `handsss train` wrote.")


def non_finite_error(path: Path, where: str = "") -> InputError:
    """The error for predictions that are NaN or infinite.

    Args:
        path: of the checkpoint.
        where: continues the sentence, such as " for NAME".
    """
    return InputError(
        f"{path}: the network predicts numbers that are not finite{where}. The checkpoint is damaged, or its training "
        "had diverged."
    )


def load_network(path: Path, device: str | torch.device = "cpu", precision: str = FLOAT32) -> LoadedNetwork:
    """Read a checkpoint and build its network, with averaged weights (EMA) where it has them.

    Args:
        path: a checkpoint, a run's folder, a file of weights, or a name of :data:`handsss.network.weights.BUNDLED`.
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
    weights = content.get("averaged") or content["network"]
    if not isinstance(weights, dict):
        raise InputError(f"{file}: holds no weights by name. Expected a file that `handsss train` wrote.")
    load_weights(network, weights, file)
    about = {"program": content.get("program")} | dict(content.get("about", {}))
    _input_view(config, file)  # raises now rather than in the middle of the work
    network.precision = for_prediction(precision)
    network.to(device).eval()
    return LoadedNetwork(file, network, model, str(content["keypoint_set"]), config, about, content.get("facts", {}))


def is_weights(file: Path) -> bool:
    """Whether a file holds weights alone, by its name."""
    return file.suffix.lower() == SUFFIX


def input_view_of(loaded: LoadedNetwork) -> InputView:
    """How a network's input is rotated and cropped."""
    return _input_view(loaded.config, loaded.path)


def _input_view(config: str, file: Path) -> InputView:
    section = _section(config, "augmentation", file)
    return _checked({key: section[key] for key in InputView._fields if key in section}, "augmentation", InputView, file)


def _settings(config: str, file: Path) -> NetworkSettings:
    section = _section(config, "network", file)
    unknown = sorted(set(section) - {field.name for field in fields(NetworkSettings)})
    if unknown:
        raise InputError(f"{file}: its network has unknown settings: {', '.join(unknown)}. Update handsss.")
    return _checked(section, "network", NetworkSettings, file)


def _section(config: str, name: str, file: Path) -> dict[str, Any]:
    section = stored_settings(config, file).get(name, {})
    if not isinstance(section, dict):
        raise InputError(f"{file}: its setting {name} is {section!r}, expected a section.")
    return section


def stored_settings(config: str, file: Path) -> dict[str, Any]:
    """Sections of a checkpoint's settings; keys of earlier versions have today's names.

    Args:
        config: TOML.
        file: for messages.

    Raises:
        InputError: not TOML, or a setting is given by its old and its new name.
    """
    try:
        content = parse_toml(config)
    except ValueError as error:
        raise InputError(f"{file}: its settings are not TOML ({error}).") from error
    return current_settings(content, f"{file} (its settings)")[0]


def _checked(values: dict[str, Any], name: str, kind: type[_Kind], file: Path) -> _Kind:
    """The values of a section as a class that has them all."""
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        setting, words = mistake(error, kind)
        where = f"{name}.{setting}" if setting else name
        raise InputError(f"{file}: its setting {where}: {words}.") from error


def load_checkpoint(path: Path, device: str | torch.device = "cpu") -> dict[str, Any]:
    """Read a checkpoint; names of weights of earlier versions become today's.

    Raises:
        InputError: missing, damaged, of a newer format, or holding anything but weights and plain values.
    """
    try:
        content = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file. Expected a checkpoint of `handsss train`.") from None
    except Exception as error:  # damaged and hostile files raise nearly anything
        raise InputError(
            f"{path}: not a checkpoint that can be read ({why_unreadable(path, error)}). Nothing of it was run. "
            "Expected a file that `handsss train` wrote."
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InputError(f"{path}: holds no checkpoint of handsss. Expected a file that `handsss train` wrote.")
    if int(content.get("format_version", 0)) > FORMAT_VERSION:
        raise InputError(
            f"{path}: has format version {content['format_version']}, written by handsss {content.get('program')}; "
            f"this program reads versions up to {FORMAT_VERSION}. Update handsss."
        )
    states = {name: current_weights(content[name]) for name in _STATES if isinstance(content.get(name), dict)}
    return {**content, **states}


def load_weights(network: nn.Module, state: dict[str, torch.Tensor], path: Path) -> None:
    """Put weights into a network, all of them or none.

    Raises:
        InputError: layers are missing, left over or of other shapes; each is named with both shapes.
    """
    own = network.state_dict()
    wrong = [name for name, value in state.items() if not isinstance(value, torch.Tensor)]
    if wrong:
        raise InputError(f"{path}: {wrong[0]} is no tensor. Expected a file that `handsss train` wrote.")
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
