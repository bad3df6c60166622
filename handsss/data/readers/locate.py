"""Locates a dataset if the user gives no folder."""

from __future__ import annotations

import os
from pathlib import Path

from handsss.errors import InputError

DATA_VARIABLE = "HANDSSS_DATA"
_NAMES = {
    "freihand": ("freihand", "FreiHAND", "FreiHAND_pub_v2", "freihand_pub_v2", "FreiHand"),
    "ho3d": ("ho3d", "HO3D", "HO-3D", "HO3D_v2", "HO3D_v3", "ho3d_v2", "ho3d_v3"),
}


def find_dataset(dataset: str, required: tuple[str, ...], origin: str, names: tuple[str, ...] = ()) -> Path:
    """The folder of a dataset: HANDSSS_DATA, ``data/``, and folders of its usual names in them.

    Args:
        dataset: "freihand" or "ho3d".
        required: folders or files that the dataset's folder contains.
        origin: where the dataset comes from, for the message.
        names: only folders of these names (of one version); HANDSSS_DATA and data/ themselves stay candidates.

    Raises:
        InputError: not found; the message lists the folders that were searched.
    """
    roots = [Path(text) for text in (os.environ.get(DATA_VARIABLE), "data") if text]
    usual = names or _NAMES[dataset]
    candidates = [folder for root in roots for folder in (root, *(root / name for name in usual))]
    for candidate in candidates:
        if all((candidate / mark).exists() for mark in required):
            return candidate
    listed = ", ".join(str(candidate) for candidate in candidates)
    wanted = " and ".join(required)
    raise InputError(
        f"{dataset} was not found: no folder was given, and none of {listed} holds {wanted}. It comes from {origin}. "
        f"Give its folder, or set {DATA_VARIABLE} to the folder that holds it."
    )
