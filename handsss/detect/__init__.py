"""Hand detection with 21 keypoints, and reading keypoints from OpenPose's files."""

from handsss.detect.types import Detection

__all__ = ["Detection"]
