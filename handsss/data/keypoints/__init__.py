"""Sources of 2D keypoints."""
