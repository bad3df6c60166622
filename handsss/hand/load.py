"""Hand models by name or path."""

from __future__ import annotations

import os
from pathlib import Path

from handsss.errors import InputError
from handsss.hand import mano
from handsss.hand.model import HandModel, Side, mirrored, model_from_arrays, read_npz
from handsss.hand.open_hand import OPEN_MODELS, open_model


def load_model(name: str = "open", side: Side = "right") -> HandModel:
    """A hand model by name or path.

    Args:
        name: "open" (778 vertices), "open-detail" (1649), "mano" (found through ``HANDSSS_MANO``), or a path to an npz
            in this project's layout or to a MANO file (.pkl or converted .npz).
        side: which hand; models that exist for one side are mirrored.

    Raises:
        InputError: unknown name, missing or damaged file, wrong side.
    """
    if side not in ("right", "left"):
        raise ValueError(f"side is 'right' or 'left', got {side!r}")
    if name in OPEN_MODELS:
        return open_model(name, side)
    if name == "mano":
        return mano.find_model(side)
    path = Path(name)
    if path.suffix == ".npz":
        arrays = read_npz(path)
        if "tips" in arrays:
            model = model_from_arrays(arrays, name=name, side="right", source=name)
            return model if side == "right" else mirrored(model)
    if not os.path.isfile(name) and not os.path.isdir(name):  # Path's own raise for names that are too long
        known = ", ".join((*OPEN_MODELS, "mano"))
        raise InputError(f"no hand model {name!r}: neither a known name ({known}) nor a file.")
    return mano.load_file(path, side)
