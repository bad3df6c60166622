"""Mixed precision: which parts of the network use it, and where it is faster."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch

from handsss.errors import UserError

FLOAT32, AUTO = "float32", "auto"
_TYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}
PRECISIONS = (FLOAT32, *_TYPES)  # of predictions


class Precision(NamedTuple):
    """Which parts of :class:`handsss.network.s2hand.S2Hand` compute in a lower precision. The hand never does."""

    parts: Literal["none", "branch", "all"] = "none"  # "branch": the 2D branch alone
    dtype: torch.dtype = torch.bfloat16

    @property
    def name(self) -> str:
        """Of the type that most of the network computes in."""
        return str(self.dtype).removeprefix("torch.") if self.parts == "all" else FLOAT32

    def of(self, part: str) -> bool:
        """Whether a part does."""
        return self.parts in (part, "all")


def for_prediction(name: str) -> Precision:
    """The precision of predictions, by name.

    Raises:
        UserError: an unknown name.
    """
    if name == FLOAT32:
        return Precision()
    if name not in _TYPES:
        raise UserError(f"precision {name!r}: expected one of {', '.join(PRECISIONS)}.")
    return Precision("all", _TYPES[name])


def for_training(name: str, device: torch.device) -> Precision:
    """The precision of training, by the setting ``schedule.precision``.

    "auto" is bfloat16 where it is faster: for all of the network on GPUs that compute with it; for the keypoint branch,
    which is large convolutions, on CPUs that multiply it (AMX, AVX512-BF16); nowhere else. The encoder's many thin
    convolutions are slower in bfloat16 on a CPU. float16 is none of them: gradients of small terms would vanish.

    Raises:
        UserError: an unknown name.
    """
    if name in (FLOAT32, "bfloat16"):
        return for_prediction(name)
    if name != AUTO:
        raise UserError(f"schedule.precision {name!r}: expected auto, float32 or bfloat16.")
    if device.type == "cuda":
        return Precision("all" if torch.cuda.is_bf16_supported() else "none")
    multiplies = [getattr(torch.cpu, f"_is_{kind}_supported", bool) for kind in ("amx_tile", "avx512_bf16")]
    return Precision("branch" if any(known() for known in multiplies) else "none")
