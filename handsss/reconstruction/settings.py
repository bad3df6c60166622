"""Settings of the reconstruction."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from handsss.fitting.keypoint_fit import Start
from handsss.fitting.network_prediction import AUTO
from handsss.fitting.silhouette_fit import SilhouetteSettings


@dataclass(frozen=True)
class PipelineSettings:
    """Settings of the reconstruction."""

    hand: Literal["auto", "left", "right"] = "auto"  # keep hands of this side only
    side: Literal["auto", "left", "right"] = "auto"  # what every hand is, whatever the detector says
    all_hands: bool = False  # all hands of an image; otherwise the one with the highest score
    refine: bool = True  # fit to keypoints and silhouette; otherwise return the initial hand
    depth: bool = True  # the detector's 3D points are evidence of the fit
    appearance: bool = True  # silhouette refinement, light and texture
    checkpoint: str | None = AUTO  # the network that predicts the initial hand, see load_predictor
    device: str = "cpu"  # of that network; everything else runs on the CPU
    precision: str = "float32"  # of that network
    start: Start = "auto"  # initial hands beside the network's, see KeypointFitter
    texture_size: int = 512  # px
    silhouette: SilhouetteSettings = field(default_factory=SilhouetteSettings)
