"""Configuration of a run: one tree of settings; a preset, then a TOML file, then single settings."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from handsss.data.augment import Augmentation
from handsss.errors import InputError, UserError
from handsss.network.s2hand import NetworkSettings
from handsss.training.objective import STAGES, LossWeights


@dataclass(frozen=True)
class ScheduleSettings:
    """How long, and in which stages."""

    steps: int = 300000  # of the whole run; shared out over the stages as the method shares its epochs
    stages: tuple[str, ...] = STAGES  # of keypoints, shape, finetune; ("finetune",) is end to end
    batch: int = 64  # rows a step
    clip: float = 10.0  # norm to which gradients are cut; 0: not
    seed: int = 0  # of weights, order of rows and augmentations


@dataclass(frozen=True)
class TrainConfig:
    """All settings of a run."""

    network: NetworkSettings = field(default_factory=NetworkSettings)
    losses: LossWeights = field(default_factory=LossWeights)
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    augmentation: Augmentation = field(default_factory=Augmentation)


PRESETS = {
    "full": TrainConfig(),
    "small": TrainConfig(
        network=NetworkSettings(encoder="efficientnet-b0", stacks=1, features=128, modules=1),
        schedule=ScheduleSettings(steps=3000, batch=16),
    ),
}


def resolve(preset: str = "full", file: Path | None = None, settings: tuple[str, ...] = ()) -> TrainConfig:
    """Preset, overridden by a TOML file, overridden by ``a.b=c`` settings.

    Args:
        preset: "small" or "full".
        file: TOML with the sections of :class:`TrainConfig`.
        settings: ``section.key=value``, values as in TOML; plain words need no quotes.

    Raises:
        UserError: an unknown preset, section or key (names the nearest known one), or a value of a wrong kind.
        InputError: the file cannot be read.
    """
    if preset not in PRESETS:
        raise UserError(f"--preset {preset}: expected one of {', '.join(PRESETS)}.")
    config = PRESETS[preset]
    if file is not None:
        try:
            text = file.read_text(encoding="utf-8")
        except OSError as error:
            raise InputError(f"{file}: cannot be read ({error.strerror or error}). Expected a TOML file.") from error
        except UnicodeDecodeError as error:
            raise InputError(f"{file}: not TOML ({error}).") from error
        config = from_toml(text, str(file), config)
    for setting in settings:
        name, equals, value = setting.partition("=")
        section, dot, key = name.strip().partition(".")
        if not equals or not dot:
            raise UserError(f"--set {setting}: expected section.key=value, for example losses.w_con=0.")
        config = _with(config, section, key, _value(value.strip()), f"--set {setting}")
    return config


def from_toml(text: str, where: str, base: TrainConfig | None = None) -> TrainConfig:
    """Settings from the text of a TOML file, over others or over the defaults.

    Args:
        text: sections of :class:`TrainConfig`.
        where: what messages call it.
        base: what is overridden.

    Raises:
        InputError: not TOML.
        UserError: an unknown section or key, or a value of a wrong kind.
    """
    config = base or TrainConfig()
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{where}: not TOML ({error}).") from error
    for section, values in content.items():
        if not isinstance(values, dict):
            raise UserError(f"{where}: {section} should be a section, [{section}], with keys below it.")
        for key, value in values.items():
            config = _with(config, section, key, value, where)
    return config


def _value(text: str) -> Any:
    """A value as TOML has it; what is none of its values is a word."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _with(config: TrainConfig, section: str, key: str, value: Any, where: str) -> TrainConfig:
    sections = [f.name for f in fields(config)]
    if section not in sections:
        raise UserError(f"{where}: no section {section!r}.{_nearest(section, sections)}")
    part: Any = getattr(config, section)
    keys = [f.name for f in fields(part)]
    if key not in keys:
        known = [f"{name}.{f.name}" for name in sections for f in fields(getattr(config, name))]
        raise UserError(f"{where}: no setting {section}.{key}.{_nearest(f'{section}.{key}', known)}")
    kind = get_type_hints(type(part))[key]
    try:
        checked = TypeAdapter(kind).validate_python(value, strict=kind is bool)
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise UserError(f"{where}: {section}.{key} = {value!r}: {reason}. Now it is {getattr(part, key)!r}.") from error
    changed: dict[str, Any] = {section: replace(part, **{key: checked})}
    return replace(config, **changed)


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, 1, 0.5)
    return f" Did you mean {close[0]}?" if close else f" Known: {', '.join(known)}."


def to_toml(config: TrainConfig) -> str:
    """The settings as a TOML file that :func:`resolve` reads back."""
    lines = []
    for section, values in asdict(config).items():
        lines.append(f"[{section}]")
        lines += [f"{key} = {_literal(value)}" for key, value in values.items()]
        lines.append("")
    return "\n".join(lines)


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_literal(item) for item in value) + "]"
    return repr(value)
