"""MediaPipe's two hand networks, run by LiteRT."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import numpy as np

from handsss.errors import MissingDependencyError, UserError

MODELS = Path(__file__).parent / "models"
CHECKSUMS = {
    "palm_detection_full.tflite": "1b14e9422c6ad006cde6581a46c8b90dd573c07ab7f3934b5589e7cea3f89a54",
    "hand_landmark_full.tflite": "11c272b891e1a99ab034208e23937a8008388cf11ed2a9d776ed3d01d0ba00e3",
}


class Network:
    """One model file, checked and loaded.

    Args:
        name: a key of ``CHECKSUMS``.
        threads: for the interpreter. Small models lose time with more than one.
        folder: where the file lies.

    Raises:
        UserError: the file is missing or damaged.
        MissingDependencyError: LiteRT is not installed.
    """

    def __init__(self, name: str, threads: int = 1, folder: Path = MODELS) -> None:
        path = folder / name
        try:
            content = path.read_bytes()
        except OSError as error:
            raise UserError(f"{path}: the detector's model cannot be read ({error}). Reinstall handsss.") from error
        found = hashlib.sha256(content).hexdigest()
        if found != CHECKSUMS[name]:
            raise UserError(
                f"{path}: the detector's model is damaged: expected sha256 {CHECKSUMS[name]}, found {found}. "
                "Reinstall handsss."
            )
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise MissingDependencyError(
                "ai-edge-litert", "the hand detector", "pip install 'ai-edge-litert>=2.0,<3'"
            ) from error
        with _silent_stderr():
            self._interpreter = Interpreter(model_content=content, num_threads=threads)
            self._interpreter.allocate_tensors()
        self._lock = Lock()  # an interpreter has one set of tensors
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._outputs = [detail["index"] for detail in self._interpreter.get_output_details()]

    def __call__(self, picture: np.ndarray) -> list[np.ndarray]:
        """Run on one picture [S, S, 3] float32 0..1; the outputs in the file's order, without their batch axis.

        Threads may share a network; they take turns.
        """
        with self._lock:
            self._interpreter.set_tensor(self._input, picture[None])
            self._interpreter.invoke()
            return [self._interpreter.get_tensor(index)[0] for index in self._outputs]


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """LiteRT's C++ side logs to file descriptor 2 when a model is loaded; no Python setting stops it."""
    try:
        kept = os.dup(2)
    except OSError:  # stderr is closed: nothing to keep quiet
        yield
        return
    silent = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(silent, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(silent)
