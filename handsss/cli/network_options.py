"""Options of commands that run a trained network."""

from __future__ import annotations

from enum import StrEnum


class Precision(StrEnum):
    """Values of --precision."""

    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"


DEVICE_HELP = "auto (a GPU where there is one), cpu, cuda or cuda:NUMBER."
PRECISION_HELP = "Of the network, never of the hand. bfloat16 is faster where the processor multiplies it."
