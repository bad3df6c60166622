"""Configuration of a run: a tree of dataclasses, filled by a preset, then a TOML file, then single settings."""

from __future__ import annotations

import difflib
import math
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_type_hints

import tomli_w
from pydantic import TypeAdapter, ValidationError

from handsss.data.augment import Augmentation
from handsss.errors import InputError, UserError
from handsss.io.content import parse_toml, read_text
from handsss.network.s2hand import NetworkSettings
from handsss.network.setting_kinds import expected
from handsss.network.setting_names import Renamed, contradiction, current_name, current_settings
from handsss.training.objective import STAGES, WARM_UP, LossWeights
from handsss.training.schedule import WHOLE, StageSettings
from handsss.training.setting_checks import out_of_bounds


@dataclass(frozen=True)
class ScheduleSettings:
    """Stages, steps, batch and optimisation."""

    stages: tuple[str, ...] = STAGES  # of warm-up, keypoints, shape, finetune, in order; or end-to-end alone
    steps: int = 0  # of the whole run, all stages together; 0: as many as the stages' epochs need
    batch: int = 64  # samples per step, over all processes
    grad_clip: float = 10.0  # largest L2 norm of the gradient; 0: no clipping
    ema_decay: float = 0.0  # of the weights' exponential moving average, per step, such as 0.999; 0: no average
    precision: str = "auto"  # of encoder and keypoint branch: float32, bfloat16; auto: bfloat16 where it is faster
    seed: int = 0  # of initial weights, order of samples and augmentations

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise ValueError(f"expected a batch of at least 1 sample, got {self.batch}")
        if self.steps < 0:
            raise ValueError(f"expected at least 1 step, or 0 for as many as the epochs need, got {self.steps}")


@dataclass(frozen=True)
class LoggingSettings:
    """What a run writes while it trains, and how often. 0: never."""

    log_every: int = 20  # steps between two lines of metrics.jsonl
    save_every: int = 500  # steps between two checkpoints
    validate_every: int = 500  # steps between two validations
    validate_rows: int = 200  # validation samples, chosen once; 0: all
    picture_every: int = 500  # steps between two preview sheets
    picture_rows: int = 8  # samples on a sheet
    collapse: bool = True  # stop when the hand collapses
    to: tuple[str, ...] = ()  # further loggers: tensorboard (by itself where it is installed), wandb, mlflow


@dataclass(frozen=True)
class DataSettings:
    """Data and initial weights."""

    # Where images are rotated and recoloured: in the workers that read them, or on the device that trains. auto: on a
    # GPU if there is one.
    augment_on: Literal["auto", "workers", "device"] = "auto"
    mean_bone: float = 0.0  # m, average length of bone 9-10 for E_s; 0: the data's own (0.0282 for FreiHAND and HO-3D)
    online_keypoints: Literal["truth", "detector"] = "truth"  # of online pictures; detector: with its measured errors
    online_truth: bool = False  # supervise online pictures by their true joints (E_3dj), beside self-supervised stores
    online_rows: int = 32768  # online pictures that count as an epoch
    imagenet: str = ""  # ImageNet weights of the encoder: file, "package", "download"; empty: random
    store_weights: tuple[float, ...] = ()  # how often rows of several stores are drawn, in the order of --data
    weights: str = ""  # checkpoint, run's folder or weights file to start from; empty: none


@dataclass(frozen=True)
class TrainConfig:
    """All settings of a run."""

    network: NetworkSettings = field(default_factory=NetworkSettings)
    losses: LossWeights = field(default_factory=LossWeights)
    data: DataSettings = field(default_factory=DataSettings)
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    warm_up: StageSettings = field(default_factory=StageSettings)
    keypoints: StageSettings = field(default_factory=StageSettings)
    shape: StageSettings = field(default_factory=StageSettings)
    finetune: StageSettings = field(default_factory=lambda: StageSettings(epochs=60, lr=2.5e-4, lr_steps=2))
    end_to_end: StageSettings = field(default_factory=lambda: StageSettings(epochs=180, lr_steps=5))
    augmentation: Augmentation = field(default_factory=Augmentation)
    logging: LoggingSettings = field(default_factory=LoggingSettings)

    def stage_settings(self) -> dict[str, StageSettings]:
        """The settings of this run's stages, in order.

        Raises:
            UserError: an unknown stage, or end-to-end beside others.
        """
        known = {name: getattr(self, name.replace("-", "_")) for name in (WARM_UP, *STAGES, WHOLE)}
        names = self.schedule.stages
        wrong = [name for name in names if name not in known]
        if wrong or not names or len(set(names)) < len(names):
            raise UserError(
                f"stages {', '.join(names) or '(none)'}: expected some of {', '.join((WARM_UP, *STAGES))}, each once."
            )
        if WHOLE in names and len(names) > 1:
            raise UserError(f"stages {', '.join(names)}: {WHOLE} is a whole run and stands alone.")
        if WARM_UP in names and not (self.network.auxiliary or self.network.keypoint_features):
            raise UserError(f"stage {WARM_UP}: trains the encoder with auxiliary heads. Add network.auxiliary=true.")
        return {name: known[name] for name in names}


# Of presets for short runs: hands are upright and fill the image, so that half the resolution suffices.
_UPRIGHT = Augmentation(upright=True, crop_fill=0.8, rotation_deg=20.0, zoom=0.1, detection_dropout=0.05, colour=0.3)
_SHORT_RUN = NetworkSettings(
    drop_connect=0.0, input_downsample=2, norm_momentum=0.1, auxiliary=True, keypoint_features=True, focal=600.0
)

PRESETS = {
    "full": TrainConfig(),
    # For an hour on two cores, from random weights. Hands are upright and fill the image, so that half the resolution
    # suffices; a warm-up trains the encoder on keypoints first; drop connect is off (with it, overfitting eight images
    # took four times the steps).
    "small": TrainConfig(
        network=replace(_SHORT_RUN, encoder="efficientnet-b0", stacks=1, features=128, modules=1),
        losses=LossWeights(w_auxiliary=0.02, w_lifted=2.0),
        schedule=ScheduleSettings(stages=(WARM_UP, *STAGES), steps=5100, batch=32, ema_decay=0.998),
        warm_up=StageSettings(epochs=15, lr_steps=0),
        keypoints=StageSettings(epochs=2, lr_steps=1),
        shape=StageSettings(epochs=67, decay="cosine"),
        finetune=StageSettings(epochs=1, lr=1e-4, lr_steps=0),
        augmentation=_UPRIGHT,
        logging=LoggingSettings(validate_every=260, save_every=260),
    ),
    # For photos without labels: from open ImageNet weights, online pictures with their truth and photos among them.
    "open": TrainConfig(
        network=replace(
            _SHORT_RUN,
            encoder="efficientnet-lite0",
            pooling="average",  # as its ImageNet weights were trained
            stacks=0,
            facing=True,
            rotation="6d",
        ),
        losses=LossWeights(
            w_auxiliary=0.02,
            w_3dj=5.0,
            relative_joints=True,
            squared_joints=False,
            w_root=0.25,
            w_depth=4.0,
            w_lifted=1.0,
        ),
        data=DataSettings(online_truth=True, imagenet="package"),
        schedule=ScheduleSettings(stages=("shape", "finetune"), steps=20000, batch=32, ema_decay=0.998),
        shape=StageSettings(epochs=85, decay="cosine"),
        finetune=StageSettings(epochs=15, lr=2e-4, decay="cosine"),
        augmentation=_UPRIGHT,
        logging=LoggingSettings(validate_every=500, save_every=250),
    ),
}


def warn_renamed(text: str) -> None:
    """Tells Python's warnings that a setting has a new name."""
    warnings.warn(text, FutureWarning, stacklevel=3)


def resolve(
    preset: str = "full",
    file: Path | None = None,
    settings: tuple[str, ...] = (),
    *,
    note: Callable[[str], None] = warn_renamed,
) -> TrainConfig:
    """Preset, overridden by a TOML file, overridden by ``a.b=c`` settings.

    Args:
        preset: "small" or "full".
        file: TOML with the sections of :class:`TrainConfig`.
        settings: ``section.key=value``, values as in TOML; plain words need no quotes.
        note: told once of every setting that is given by a name of earlier versions.

    Raises:
        UserError: an unknown preset, section or key (names the nearest known one), a value of a wrong kind, or a
            setting given by its old and its new name.
        InputError: the file cannot be read.
    """
    if preset not in PRESETS:
        raise UserError(f"preset {preset!r}: expected one of {', '.join(PRESETS)}.")
    config = PRESETS[preset]
    if file is not None:
        try:
            text = read_text(file)
        except OSError as error:
            raise InputError(f"{file}: cannot be read ({error.strerror or error}). Expected a TOML file.") from error
        except UnicodeDecodeError as error:
            raise InputError(f"{file}: not TOML ({error}).") from error
        config = from_toml(text, str(file), config, note=note)
    written: dict[tuple[str, str], str] = {}  # setting -> as it was written
    for setting in settings:
        name, equals, value = (part.strip() for part in setting.partition("="))
        section, dot, key = name.partition(".")
        if not equals or not dot:
            raise UserError(f"{setting}: expected section.key=value, for example losses.w_con=0.")
        current = current_name(section, key)
        earlier = written.setdefault(current, name)
        if earlier != name:
            raise contradiction(setting, earlier, name)
        config = _with(config, *current, _value(value), setting, named=name == ".".join(current))
    for current, name in written.items():
        if name != ".".join(current):
            note(Renamed(name, ".".join(current)).note)
    return config


def from_toml(
    text: str, where: str, base: TrainConfig | None = None, *, note: Callable[[str], None] = lambda text: None
) -> TrainConfig:
    """Settings from the text of a TOML file, over others or over the defaults.

    Args:
        text: sections of :class:`TrainConfig`.
        where: what messages call it.
        base: what is overridden.
        note: told of every setting that is given by a name of earlier versions; checkpoints are read without.

    Raises:
        InputError: not TOML, or a setting is given by its old and its new name.
        UserError: an unknown section or key, or a value of a wrong kind.
    """
    config = base or TrainConfig()
    try:
        content, renamed = current_settings(parse_toml(text), where)
    except ValueError as error:
        raise InputError(f"{where}: not TOML ({error}).") from error
    for section, values in content.items():
        if not isinstance(values, dict):
            raise UserError(f"{where}: {section} should be a section, [{section}], with keys below it.")
        for key, value in values.items():
            # A checkpoint is read whatever was allowed when it was written.
            config = _with(config, section, key, value, where, bounded=base is not None)
    for setting in renamed:
        note(f"{where}: {setting.note}")
    return config


def _value(text: str) -> Any:
    """A value as TOML has it; what is none of its values is a word, and words may stand in a list."""
    try:
        return parse_toml(f"value = {text}")["value"]
    except ValueError:
        if text.startswith("[") and text.endswith("]") and not text.startswith("[["):
            return [_value(item.strip()) for item in text[1:-1].split(",") if item.strip()]
        return text


def _with(
    config: TrainConfig, section: str, key: str, value: Any, where: str, *, bounded: bool = True, named: bool = False
) -> TrainConfig:
    """The settings with one changed.

    Args:
        where: what messages call it.
        bounded: refuse numbers out of bounds.
        named: whether ``where`` names the setting and its value.
    """
    sections = [f.name for f in fields(config)]
    if section not in sections:
        raise UserError(f"{where}: no section {section!r}.{_nearest(section, sections)}")
    part: Any = getattr(config, section)
    keys = [f.name for f in fields(part)]
    if key not in keys:
        known = [f"{name}.{f.name}" for name in sections for f in fields(getattr(config, name))]
        raise UserError(f"{where}: no setting {section}.{key}.{_nearest(f'{section}.{key}', known)}")
    kind = get_type_hints(type(part))[key]
    head, now = where if named else f"{where}: {section}.{key} = {value!r}", f"Now it is {getattr(part, key)!r}."
    try:
        checked = TypeAdapter(kind).validate_python(value, strict=kind is bool)
    except ValidationError as error:
        raise UserError(f"{head}: expected {expected(kind)}. {now}") from error
    if isinstance(checked, float) and not math.isfinite(checked):
        raise UserError(f"{head}: expected a finite number. {now}")
    if bounded and (words := out_of_bounds(section, key, checked)):
        raise UserError(f"{head}: {words}. {now}")
    try:
        changed: dict[str, Any] = {section: replace(part, **{key: checked})}
    except ValueError as error:  # a word that is none of those that the section knows
        raise UserError(f"{where}: {error}.") from error
    return replace(config, **changed)


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, 1, 0.5)
    return f" Did you mean {close[0]}?" if close else f" Known: {', '.join(known)}."


def to_toml(config: TrainConfig) -> str:
    """The settings as a TOML file that :func:`resolve` reads back."""
    return tomli_w.dumps(asdict(config))
