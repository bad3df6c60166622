"""What is fuzzed: how an input comes about, and what reads it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from numpy.random import Generator

Check = Callable[[], object]  # reads the input; raises nothing but errors for users
Draw = Callable[[Generator], Check]  # writes an input
Prepare = Callable[[Path], Draw]  # what all inputs share; the folder is empty


class Target(NamedTuple):
    """One kind of input."""

    prepare: Prepare
    count: int  # of inputs in the slow tests
    seconds: float = 5.0  # that one may take
    megabytes: float = 256.0  # that one may need, beyond what the process holds
