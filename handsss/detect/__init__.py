"""Finding hands and their 21 keypoints in photos, or reading them from OpenPose's files."""

from handsss.detect.types import Detection

__all__ = ["Detection"]
