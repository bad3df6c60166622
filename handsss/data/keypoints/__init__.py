"""Where 2D keypoints come from."""
