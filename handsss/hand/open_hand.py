"""The bundled open hand, in two resolutions."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from handsss.hand.model import HandModel, Side, mirrored, model_from_arrays, read_npz

DATA = Path(__file__).parent / "data"

OPEN_MODELS = {"open": DATA / "open_hand_778.npz", "open-detail": DATA / "open_hand_1649.npz"}


@lru_cache(maxsize=4)
def open_model(name: str, side: Side) -> HandModel:
    """The open hand, by its name in :data:`OPEN_MODELS`."""
    path = OPEN_MODELS[name]
    model = model_from_arrays(read_npz(path), name=name, side="right", source=str(path))
    return model if side == "right" else mirrored(model)


def pose_compatible(one: str, other: str) -> bool:
    """Whether pose parameters mean the same for two hand models, given by name or path: the same model, or two
    resolutions of the open hand."""
    return one == other or {one, other} <= OPEN_MODELS.keys()
