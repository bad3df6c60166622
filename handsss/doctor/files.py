"""Checks of hand models, bundled weights and datasets."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from handsss.doctor.check import Check, note, ok, problem, reason
from handsss.errors import UserError

if TYPE_CHECKING:
    from handsss.hand.model import Side

_REINSTALL = "Reinstall handsss; in a clone, see that large files were fetched."


def hand_models() -> Iterator[Check]:
    """The open hand, which is bundled, and MANO, which users bring."""
    from handsss.hand.open_hand import OPEN_MODELS, open_model

    for name in OPEN_MODELS:
        try:
            yield ok(f"model {name}", f"{len(open_model(name, 'right').v_template)} vertices, bundled")
        except (UserError, OSError) as error:
            yield problem(f"model {name}", reason(error), _REINSTALL)
    yield from mano()


def mano() -> Iterator[Check]:
    """MANO's files by way of HANDSSS_MANO; they are read."""
    from handsss.hand.mano import ENVIRONMENT, find_model

    if not os.environ.get(ENVIRONMENT):
        advice = f"For MANO, set {ENVIRONMENT} to the folder of MANO_RIGHT.pkl and MANO_LEFT.pkl (mano.is.tue.mpg.de)."
        yield note("model mano", f"{ENVIRONMENT} is not set; the open hand needs no MANO", advice)
        return
    sides: tuple[Side, ...] = ("right", "left")
    for side in sides:
        try:
            model = find_model(side)
        except UserError as error:
            yield note(f"model mano {side}", reason(error), f"Set {ENVIRONMENT} to the folder of MANO's .pkl files.")
        else:
            yield ok(f"model mano {side}", f"{len(model.v_template)} vertices, from {os.environ[ENVIRONMENT]}")


def weights() -> Iterator[Check]:
    """The detector's networks, the network of the open hand, and the one that gives the fit its start."""
    from handsss.detect.networks import CHECKSUMS, Network

    for name in CHECKSUMS:
        try:
            Network(name)
        except (UserError, RuntimeError, ValueError, OSError) as error:
            yield problem("detector", f"{name}: {reason(error)}", _REINSTALL)
        else:
            yield ok("detector", f"{name}, bundled, checksum fits")
    from handsss.fitting.lifting_network import FILE as LIFTING
    from handsss.network.weights import BUNDLED

    for path in (*BUNDLED.values(), LIFTING):
        try:
            tensors = _tensors(path)
        except Exception as error:  # safetensors has an exception of its own
            yield problem("weights", f"{path.name}: {reason(error)}", _REINSTALL)
        else:
            yield ok("weights", f"{path.name}: {tensors} tensors, {path.stat().st_size / 1e6:.1f} MB")


def _tensors(path: Path) -> int:
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return len(list(file.keys()))


def datasets() -> Iterator[Check]:
    """FreiHAND and HO-3D where the commands look for them, and stores of ``handsss preprocess``."""
    from handsss.data.readers.locate import DATA_VARIABLE, find_dataset

    places = f"{DATA_VARIABLE}={os.environ[DATA_VARIABLE]}" if os.environ.get(DATA_VARIABLE) else f"no {DATA_VARIABLE}"
    advice = f"For evaluate and train: give a folder, or set {DATA_VARIABLE} to the folder that holds the dataset."
    for name, marks in (("freihand", ("training/rgb",)), ("freihand", ("evaluation/rgb",)), ("ho3d", ("train.txt",))):
        part = f"{name} {'evaluation' if 'evaluation' in marks[0] else 'training'}"
        try:
            yield ok(part, str(find_dataset(name, marks, "").resolve()))
        except UserError:
            yield note(part, f"not found in data/ ({places}); reconstruct needs none", advice)
    roots = [Path(), Path("data"), *([Path(os.environ[DATA_VARIABLE])] if os.environ.get(DATA_VARIABLE) else [])]
    stores = sorted({str(path) for root in roots if root.is_dir() for path in root.glob("*.h5")})
    if stores:
        yield ok("stores", ", ".join(stores))
