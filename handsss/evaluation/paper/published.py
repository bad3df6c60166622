"""Figures published in the supplement of S2HAND (Chen et al., CVPR 2021)."""

from __future__ import annotations

from types import MappingProxyType

TEST_SET = "FreiHAND's test set"
TRAINING_SET = "FreiHAND's training images"

# Table 4: unaligned MPJPE and MPVPE, cm, by method and supervision.
TABLE4_CM = MappingProxyType(
    {
        ("mano-cnn", "fsl"): (8.72, 8.84),
        ("mano-cnn", "ssl"): (12.75, 12.81),
        ("ours", "fsl"): (8.66, 8.77),
        ("ours", "ssl"): (10.57, 10.60),
    }
)

# Section 3: by how much MPJPE grows from full to self-supervision, %.
DEGRADATION_PERCENT = MappingProxyType({"ours": 22.1, "mano-cnn": 46.2})

# Table 5: area under the curve, 0 to 50 px, by metric and column.
COLUMNS = ("detector", "predicted_without", "predicted_with", "projected_without", "projected_with")
TABLE5_AUC = MappingProxyType(
    {
        "per_joint": dict(zip(COLUMNS, (0.807, 0.820, 0.828, 0.808, 0.825), strict=True)),
        "frame_mean": dict(zip(COLUMNS, (0.799, 0.815, 0.825, 0.805, 0.823), strict=True)),
        "frame_max": dict(zip(COLUMNS, (0.466, 0.517, 0.545, 0.543, 0.577), strict=True)),
    }
)
