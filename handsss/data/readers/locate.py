"""Where a dataset lies when no folder is given."""

from __future__ import annotations

import os
from pathlib import Path

from handsss.errors import InputError

DATA_VARIABLE = "HANDSSS_DATA"
_NAMES = {
    "freihand": ("freihand", "FreiHAND", "FreiHAND_pub_v2", "freihand_pub_v2", "FreiHand"),
    "ho3d": ("ho3d", "HO3D", "HO-3D", "HO3D_v2", "HO3D_v3", "ho3d_v2", "ho3d_v3"),
}


def find_dataset(dataset: str, marks: tuple[str, ...], origin: str, names: tuple[str, ...] = ()) -> Path:
    """The folder of a dataset: HANDSSS_DATA, ``data/``, and folders of its usual names in them.

    Args:
        dataset: "freihand" or "ho3d".
        marks: folders or files that the right folder has, all of them.
        origin: where the dataset comes from, for the message.
        names: only folders of these names (of one version); HANDSSS_DATA and data/ themselves stay candidates.

    Raises:
        InputError: found nowhere; the message lists the places.
    """
    bases = [Path(text) for text in (os.environ.get(DATA_VARIABLE), "data") if text]
    places = [place for base in bases for place in (base, *(base / name for name in names or _NAMES[dataset]))]
    for place in places:
        if all((place / mark).exists() for mark in marks):
            return place
    looked = ", ".join(str(place) for place in places)
    wanted = " and ".join(marks)
    raise InputError(
        f"{dataset} was not found: no folder was given, and none of {looked} holds {wanted}. It comes from {origin}. "
        f"Give its folder, or set {DATA_VARIABLE} to the folder that holds it."
    )
