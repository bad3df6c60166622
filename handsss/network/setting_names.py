"""Names that settings had before: read from TOML files, ``section.key=value`` settings, checkpoints and weights."""

from __future__ import annotations

from typing import Any, NamedTuple

from handsss.errors import InputError

_STAGES = ("warm_up", "keypoints", "shape", "finetune", "end_to_end")
SECTIONS = {"watch": "logging"}  # old -> new
KEYS: dict[tuple[str, str], str] = {  # (section, old key) -> new key
    ("network", "reduction"): "input_downsample",
    ("network", "guided"): "keypoint_features",
    ("augmentation", "lost"): "detection_dropout",
    ("augmentation", "close"): "crop_fill",
    ("data", "pictures"): "augment_on",
    ("schedule", "clip"): "grad_clip",
    ("schedule", "averaging"): "ema_decay",
    ("losses", "w_texture"): "w_C",
    ("losses", "w_scale"): "w_s",
    ("losses", "w_pose"): "w_J",
    ("losses", "w_joints"): "w_3dj",
    ("losses", "w_places"): "w_simcc",
    **{(stage, "rate"): "lr" for stage in _STAGES},
    **{(stage, "halvings"): "lr_steps" for stage in _STAGES},
}
WEIGHTS = {"auxiliary.places.": "auxiliary.simcc."}  # beginnings of names in state dictionaries


class Renamed(NamedTuple):
    """A setting that was given by a name it had before."""

    old: str  # section.key
    new: str  # section.key

    @property
    def note(self) -> str:
        """For the user."""
        return f"{self.old} is now called {self.new}"


def current_name(section: str, key: str) -> tuple[str, str]:
    """Section and key as they are called today; unknown ones unchanged."""
    section = SECTIONS.get(section, section)
    return section, KEYS.get((section, key), key)


def current_settings(content: dict[str, Any], where: str) -> tuple[dict[str, Any], list[Renamed]]:
    """Sections of settings with the names of today, and which names were others.

    Args:
        content: section -> key -> value; anything that is no section stays as it is.
        where: what messages call it.

    Raises:
        InputError: a setting is given by its old and its new name.
    """
    result: dict[str, Any] = {}
    given: dict[str, str] = {}  # name of today -> as it is written
    for section, values in content.items():
        if not isinstance(values, dict):
            result[section] = values
            continue
        result.setdefault(SECTIONS.get(section, section), {})
        for key, value in values.items():
            new_section, new_key = current_name(section, key)
            written, name = f"{section}.{key}", f"{new_section}.{new_key}"
            if name in given:
                raise contradiction(where, given[name], written)
            given[name] = written
            result[new_section][new_key] = value
    return result, [Renamed(written, name) for name, written in given.items() if written != name]


def contradiction(where: str, one: str, other: str) -> InputError:
    """The error for a setting that is given by two names."""
    return InputError(f"{where}: {one} and {other} are the same setting, and both are given. Leave one of them out.")


def current_weights(state: dict[str, Any]) -> dict[str, Any]:
    """A state dictionary with the names of today."""
    return {_current_weight(name): value for name, value in state.items()}


def _current_weight(name: str) -> str:
    for old, new in WEIGHTS.items():
        if name.startswith(old):
            return new + name.removeprefix(old)
    return name
