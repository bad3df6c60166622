"""Weights alone, for prediction: safetensors files in half precision, and the one that comes with the program.

Such a file holds what a picture's hand is predicted with, the settings, and what is known of its making; nothing of
the training (optimiser, averages, heads that only teach), and without the 2D keypoint branch unless that is asked for.
``handsss export weights`` writes them; wherever a checkpoint is expected they will do.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError

from handsss.errors import InputError
from handsss.network.tensor_file import halved, read_tensor_file, tensor_file

if TYPE_CHECKING:
    from handsss.network.loaded import LoadedNetwork

FORMAT, FORMAT_VERSION = "handsss-weights", 1
SUFFIX = ".safetensors"
OPEN = "handsss-open-b0"
SHIPPED = {OPEN: Path(__file__).parent / "data" / f"{OPEN}{SUFFIX}"}
_BRANCH = "branch."
_PLACE = re.compile(r"\s*(imagenet|weights)\s*=")
_FOLDERS = re.compile(r"(?:(?<=[\s\"'(])|^)(?:[A-Za-z]:)?[^\s\"'(]*[\\/]")
_WANTED = ("config", "model", "keypoint_set")


def weights_bytes(loaded: LoadedNetwork, facts: dict[str, Any], *, branch: bool = False) -> bytes:
    """The file of a network.

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
        small = halved(value)
        if not bool(torch.isfinite(small).all()):
            raise InputError(f"{loaded.path}: {name} holds numbers that half precision cannot hold; diverged training?")
        tensors[name] = small
    settings = {"auxiliary": "false"} | ({} if branch else {"stacks": "0"})
    content = {
        "format_version": FORMAT_VERSION,
        "model": loaded.model,
        "keypoint_set": loaded.keypoint_set,
        "config": with_network(loaded.config, settings),
        "about": loaded.about,
        "facts": facts,
    }
    return tensor_file(tensors, FORMAT, content)


def with_network(config: str, settings: dict[str, str]) -> str:
    """Settings as TOML with other values, as TOML, in their section ``network``."""
    lines, section, done = [], "", False
    for line in config.splitlines():
        if line.strip().startswith("["):
            section = line.strip()
        if section == "[network]" and line.partition("=")[0].strip() in settings:
            continue
        lines.append(line)
        if line.strip() == "[network]":
            lines += [f"{name} = {value}" for name, value in settings.items()]
            done = True
    if not done:
        lines += ["[network]", *(f"{name} = {value}" for name, value in settings.items())]
    return "\n".join(lines) + "\n"


def without_folders(loaded: LoadedNetwork) -> LoadedNetwork:
    """The same with file names only in the settings and in what it says of itself: the folders of the machine that it
    was trained on are nobody's business."""
    config = "\n".join(
        f"{line.partition('=')[0]}= {_named(line.partition('=')[2].strip())}" if _PLACE.match(line) else line
        for line in loaded.config.splitlines()
    )
    about = {key: _named(value) if isinstance(value, str) else value for key, value in loaded.about.items()}
    return loaded._replace(config=config + "\n", about=about)


def _named(text: str) -> str:
    """A text without the folders of the paths in it."""
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
        raise InputError(f"{path}: not weights that can be read ({error}). Get the file again.") from error
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
        "network": tensors,
        **{key: content[key] for key in _WANTED},
        "about": about if isinstance(about, dict) else {},
        "facts": facts if isinstance(facts, dict) else {},
    }


def shipped(name: str) -> Path:
    """Where the weights of a name lie.

    Raises:
        InputError: they are not there.
    """
    path = SHIPPED[name]
    if not path.exists():
        raise InputError(f"{name}: its file {path} is missing. Install handsss again.")
    return path


def digest(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
