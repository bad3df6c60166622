"""What numbers the settings of a run take."""

from __future__ import annotations

import math
from typing import Any

_NOT_NEGATIVE = (0.0, math.inf)
_SHARE = (0.0, 1.0)
_STAGES = ("warm_up", "keypoints", "shape", "finetune", "end_to_end")

# Least and most of every number. Those of a section apply to all of its numbers that are not listed by name.
BOUNDS: dict[tuple[str, str], tuple[float, float]] = {
    ("network", "stacks"): (0, 16),
    ("network", "features"): (2, 2048),
    ("network", "modules"): (1, 16),
    ("network", "drop_connect"): (0, 0.99),
    ("network", "input_downsample"): (1, 4),
    ("network", "norm_momentum"): _SHARE,
    ("network", "focal"): _NOT_NEGATIVE,
    ("losses", "*"): _NOT_NEGATIVE,
    ("data", "mean_bone"): (0, 1),
    ("data", "online_rows"): (2, 2**40),
    ("schedule", "steps"): _NOT_NEGATIVE,
    ("schedule", "batch"): (1, math.inf),
    ("schedule", "grad_clip"): _NOT_NEGATIVE,
    ("schedule", "ema_decay"): (0, 0.999999),
    ("schedule", "seed"): (0, 2**63 - 1),
    **{(stage, "epochs"): _NOT_NEGATIVE for stage in _STAGES},
    **{(stage, "lr"): (0, 10) for stage in _STAGES},
    **{(stage, "lr_steps"): (0, 1000) for stage in _STAGES},
    **{(stage, name): _SHARE for stage in _STAGES for name in ("quarter", "half")},
    ("augmentation", "crop_fill"): (0, 4),
    ("augmentation", "rotation_deg"): (0, 180),
    ("augmentation", "zoom"): (0, 2),
    ("augmentation", "detection_dropout"): _SHARE,
    ("augmentation", "colour"): _SHARE,
    ("augmentation", "occlusion"): _SHARE,
    ("logging", "picture_rows"): (1, 64),
    ("logging", "*"): _NOT_NEGATIVE,
}


def out_of_bounds(section: str, key: str, value: Any) -> str:
    """What was expected instead of a number; empty if it will do, or is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    least, most = bounds_of(section, key)
    if least <= value <= most:
        return ""
    if math.isinf(most):
        return f"expected {least:g} or more"
    return f"expected {least:g} to {most:g}"


def bounds_of(section: str, key: str) -> tuple[float, float]:
    """Least and most of a number."""
    return BOUNDS.get((section, key)) or BOUNDS.get((section, "*"), (-math.inf, math.inf))
