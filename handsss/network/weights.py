"""Weights for prediction: safetensors files in half precision, and the bundled one.

Such a file holds the weights that predictions need, the settings, and facts about the training. It leaves out the
optimiser, the averaged weights, auxiliary heads that only training uses and, unless asked for, the 2D keypoint branch.
``handsss export weights`` writes them; they are accepted wherever a checkpoint is.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli_w
import torch
from safetensors import SafetensorError

from handsss.errors import InputError
from handsss.io.content import why_unreadable
from handsss.network.setting_names import current_settings, current_weights
from handsss.network.tensor_file import halved, read_tensor_file, tensor_file

if TYPE_CHECKING:
    from handsss.network.loaded import LoadedNetwork

FORMAT, FORMAT_VERSION = "handsss-weights", 1
SUFFIX = ".safetensors"
OPEN = "handsss-open-lite0"
BUNDLED = {OPEN: Path(__file__).parent / "data" / f"{OPEN}{SUFFIX}"}
REPLACED = {"handsss-open-b0": OPEN}  # bundled with earlier versions
_BRANCH = "branch."
_FOLDERS = re.compile(r"(?:(?<=[\s\"'(])|(?<=\bonline:)|^)(?!online:)(?:[A-Za-z]:)?[^\s\"'(]*[\\/]")
_WANTED = ("config", "model", "keypoint_set")


def weights_bytes(loaded: LoadedNetwork, facts: dict[str, Any], *, branch: bool = False) -> bytes:
    """The content of a weights file.

    Args:
        loaded: a checkpoint.
        facts: kept beside the weights, as JSON: name, licence, note, figures.
        branch: keep the 2D keypoint branch, where there is one.

    Raises:
        InputError: weights that half precision cannot hold.
    """
    tensors = {}
    extra = loaded.network.settings.training_only
    left_out = (extra,) if branch else (extra, _BRANCH)
    for name, value in loaded.network.state_dict().items():
        if name.startswith(left_out):
            continue
        # Statistics and biases are small, and rounding a variance moves a hand by millimetres.
        small = halved(value) if value.dim() > 1 else value.detach().contiguous()
        if not bool(torch.isfinite(small).all()):
            raise InputError(f"{loaded.path}: {name} holds numbers that half precision cannot hold; diverged training?")
        tensors[name] = small
    settings = {"auxiliary": False} | ({} if branch else {"stacks": 0})
    content = {
        "format_version": FORMAT_VERSION,
        "model": loaded.model,
        "keypoint_set": loaded.keypoint_set,
        "config": with_network_settings(loaded.config, settings),
        "about": loaded.about,
        "facts": facts,
    }
    return tensor_file(tensors, FORMAT, content)


def with_network_settings(config: str, settings: dict[str, Any]) -> str:
    """Settings as TOML with other values in their section ``network``."""
    sections, _ = current_settings(tomllib.loads(config), "settings")
    sections["network"] = sections.get("network", {}) | settings
    return tomli_w.dumps(sections)


def without_folders(loaded: LoadedNetwork) -> LoadedNetwork:
    """The same with file names instead of paths in its settings and description: the folders of the machine that
    trained it are private."""
    sections, _ = current_settings(tomllib.loads(loaded.config), "settings")
    data = sections.get("data", {})
    data |= {key: _file_name(data[key]) for key in ("imagenet", "weights") if isinstance(data.get(key), str)}
    return loaded._replace(config=tomli_w.dumps(sections), about=_file_names(loaded.about))


def _file_names(value: Any) -> Any:
    """JSON's values, in whose texts paths lose their folders."""
    if isinstance(value, dict):
        return {key: _file_names(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_file_names(entry) for entry in value]
    return _file_name(value) if isinstance(value, str) else value


def _file_name(text: str) -> str:
    """A text in which paths lose their folders."""
    return _FOLDERS.sub("", text)


def read_weights(path: Path, device: str | torch.device = "cpu") -> dict[str, Any]:
    """Read a file; the format holds numbers and text only, nothing of it is executed.

    Returns:
        A checkpoint's entries that predictions need: "network" in float32, "config", "model", "keypoint_set",
        "about"; and "facts".

    Raises:
        InputError: missing, damaged, of a newer format, without its settings, or with numbers that are not finite.
    """
    try:
        tensors, content = read_tensor_file(path, FORMAT, str(device))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file. Expected weights as `handsss export weights` writes them.") from None
    except (OSError, SafetensorError) as error:
        raise InputError(
            f"{path}: not weights that can be read ({why_unreadable(path, error)}). Get the file again."
        ) from error
    if not all(isinstance(content.get(key), str) for key in _WANTED):
        raise InputError(
            f"{path}: holds no weights of handsss with their settings. Expected a file that `handsss export weights` "
            "wrote."
        )
    version = content.get("format_version")
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise InputError(
            f"{path}: has format version {version}; this program reads versions up to {FORMAT_VERSION}. Update handsss."
        )
    bad = [name for name, value in tensors.items() if not bool(torch.isfinite(value).all())]
    if bad:
        raise InputError(f"{path}: {bad[0]} holds numbers that are not finite. Get the file again.")
    about = content.get("about")
    facts = content.get("facts")
    return {
        "network": current_weights(tensors),
        **{key: content[key] for key in _WANTED},
        "about": about if isinstance(about, dict) else {},
        "facts": facts if isinstance(facts, dict) else {},
    }


def shown_name(path: Path) -> str:
    """A file as users name it: bundled weights by their name, others by their path."""
    return next((name for name, file in BUNDLED.items() if file == path), str(path))


def bundled(name: str) -> Path:
    """The file of bundled weights.

    Raises:
        InputError: they are not there.
    """
    path = BUNDLED[name]
    if not path.exists():
        raise InputError(f"{name}: its file {path} is missing. Install handsss again.")
    return path


def digest(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
