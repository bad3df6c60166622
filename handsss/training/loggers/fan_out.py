"""All loggers of a run, of which one that fails is left out and told of once."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from handsss.errors import UserError
from handsss.training.loggers.base import RunFacts, RunLogger

LOGGERS = {  # name, which is its package's and its extra's too -> module and class
    "tensorboard": ("tensorboard_logger", "TensorBoardLogger"),
    "wandb": ("wandb_logger", "WandbLogger"),
    "mlflow": ("mlflow_logger", "MlflowLogger"),
}


def logger_names(asked: Sequence[str], tensorboard: bool | None, *, settings: Sequence[str] = ()) -> tuple[str, ...]:
    """The loggers of a run: those asked for, and TensorBoard if its package is there and nobody declined it.

    Args:
        asked: names; TensorBoard's may be among them.
        tensorboard: True or False; None: by the package.
        settings: further names, of the setting ``logging.to``.

    Raises:
        UserError: an unknown name, or the package of one asked for is missing; it names the extra.
    """
    wanted = list(dict.fromkeys((*settings, *asked)))
    for name in wanted:
        if name not in LOGGERS:
            raise UserError(f"{_where(name, asked, settings)}: expected {', '.join(LOGGERS)}.", options=["log"])
    if tensorboard and "tensorboard" not in wanted:
        wanted.append("tensorboard")
    for name in wanted:
        if not _is_installed(name):
            raise UserError(
                f"{_where(name, asked, settings)}: the package {name} is not installed. Install it: "
                f'pip install "handsss[{name}]", or leave it out.',
                options=["log", "tensorboard"],
            )
    if tensorboard is None and "tensorboard" not in wanted and _is_installed("tensorboard"):
        wanted.append("tensorboard")
    return tuple(wanted)


def _where(name: str, asked: Sequence[str], settings: Sequence[str]) -> str:
    """What named a logger: an option, or the setting."""
    if name in asked:
        return f"{{log}} {name}"
    return f"logging.to = {name}" if name in settings else "{tensorboard}"


class Loggers:
    """Several loggers.

    Args:
        names: of :data:`LOGGERS`.
        facts: of the run.
        note: told of a logger that failed, once; the run goes on without it.
    """

    def __init__(
        self, names: Sequence[str] = (), facts: RunFacts | None = None, note: Callable[[str], None] = lambda text: None
    ) -> None:
        self._note = note
        self._open: dict[str, RunLogger] = {}
        for name in names:
            self._try(name, lambda name=name: self._begin(name, facts))  # type: ignore[misc]

    def __bool__(self) -> bool:
        return bool(self._open)

    def values(self, kind: str, step: int, values: Mapping[str, Any]) -> None:
        """Figures of a step; what is no finite number is left out.

        Args:
            kind: "train" or "validation".
            step: of the run.
            values: by name.
        """
        numbers = {
            f"{kind}/{name}": float(value)
            for name, value in values.items()
            if isinstance(value, (int, float)) and math.isfinite(value)
        }
        for name in tuple(self._open):
            self._try(name, lambda name=name: self._open[name].values(step, numbers))  # type: ignore[misc]

    def picture(self, step: int, what: str, picture: np.ndarray) -> None:
        """A picture [H, W, 3] uint8 RGB of a step."""
        for name in tuple(self._open):
            self._try(name, lambda name=name: self._open[name].picture(step, what, picture))  # type: ignore[misc]

    def close(self) -> None:
        """Nothing comes after."""
        for name in tuple(self._open):
            self._try(name, lambda name=name: self._open[name].close())  # type: ignore[misc]
        self._open.clear()

    def _begin(self, name: str, facts: RunFacts | None) -> None:
        module, kind = LOGGERS[name]
        self._open[name] = getattr(import_module(f"handsss.training.loggers.{module}"), kind)(facts)

    def _try(self, name: str, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:  # other programs raise anything, and none of it is worth a run
            self._open.pop(name, None)
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            self._note(f"{name} failed ({reason}); the training goes on without it, metrics.jsonl has all figures")


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ValueError:  # set to None in sys.modules
        return False
