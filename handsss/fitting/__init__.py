"""Fits of a hand model to keypoints and silhouettes."""
