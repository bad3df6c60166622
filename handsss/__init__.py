"""One photo to a textured 3D hand mesh, and self-supervised training of such reconstructors (S2HAND).

Importing this loads neither torch nor numpy; a name loads what it needs when it is first used.
"""

from typing import TYPE_CHECKING

from handsss.version import __version__

if TYPE_CHECKING:
    from handsss.api import evaluate, reconstruct, train
    from handsss.evaluation.evaluate import EvaluationResult
    from handsss.hand.layer import HandLayer
    from handsss.hand.load import load_model as load_hand_model
    from handsss.reconstruction.film.track import TrackedFrame, TrackedHand, track
    from handsss.reconstruction.hand import Hand
    from handsss.reconstruction.reconstructor import Reconstructor
    from handsss.rendering.pipeline import render
    from handsss.training.launch import TrainResult

__all__ = [
    "EvaluationResult",
    "Hand",
    "HandLayer",
    "Reconstructor",
    "TrackedFrame",
    "TrackedHand",
    "TrainResult",
    "__version__",
    "evaluate",
    "load_hand_model",
    "reconstruct",
    "render",
    "track",
    "train",
]

_PLACES = {
    "EvaluationResult": "handsss.evaluation.evaluate:EvaluationResult",
    "Hand": "handsss.reconstruction.hand:Hand",
    "HandLayer": "handsss.hand.layer:HandLayer",
    "Reconstructor": "handsss.reconstruction.reconstructor:Reconstructor",
    "TrackedFrame": "handsss.reconstruction.film.track:TrackedFrame",
    "TrackedHand": "handsss.reconstruction.film.track:TrackedHand",
    "TrainResult": "handsss.training.launch:TrainResult",
    "evaluate": "handsss.api:evaluate",
    "load_hand_model": "handsss.hand.load:load_model",
    "reconstruct": "handsss.api:reconstruct",
    "render": "handsss.rendering.pipeline:render",
    "track": "handsss.reconstruction.film.track:track",
    "train": "handsss.api:train",
}


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module 'handsss' has no attribute {name!r}")
    from importlib import import_module

    module, _, attribute = _PLACES[name].partition(":")
    globals()[name] = value = getattr(import_module(module), attribute)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
