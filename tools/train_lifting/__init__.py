"""Trains the lifting network that starts the keypoint fit."""
