"""TensorBoard: event files in the run's folder."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import numpy as np

from handsss.training.loggers.base import RunFacts

_WRITER = "_AsyncWriterThread"


class TensorBoardLogger:
    """Writes RUN/tensorboard.

    Args:
        facts: of the run; what an interrupted run wrote after its step is hidden.
    """

    def __init__(self, facts: RunFacts) -> None:
        from torch.utils.tensorboard import SummaryWriter
        from torch.utils.tensorboard.summary import hparams

        _silence_writer()
        purged = facts.step + 1 if facts.step else None  # steps from here on were lost, and are made again
        self._writer = SummaryWriter(str(facts.folder / "tensorboard"), purge_step=purged)
        if facts.step == 0:
            self._writer.add_text("settings", "\n".join(f"    {line}" for line in facts.toml.splitlines()))
            plain = {
                key: value if isinstance(value, (bool, int, float, str)) else str(value)
                for key, value in facts.settings.items()
            }
            # add_hparams of the writer itself would begin a second run below this one.
            for summary in hparams(plain, {"validation/aligned_mpjpe_mm": 0.0}):
                self._writer._get_file_writer().add_summary(summary)

    def values(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def picture(self, step: int, name: str, picture: np.ndarray) -> None:
        self._writer.add_image(name, picture, step, dataformats="HWC")

    def close(self) -> None:
        self._writer.close()


def _silence_writer() -> None:
    """Let no traceback of TensorBoard's writing thread reach the screen: its error comes with the next event."""
    before = threading.excepthook

    def hook(arguments: threading.ExceptHookArgs) -> None:
        if type(arguments.thread).__name__ != _WRITER:
            before(arguments)

    if before.__module__ != __name__:
        threading.excepthook = hook
