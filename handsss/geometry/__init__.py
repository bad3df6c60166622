"""Rotations, cameras and alignment: the ground that every other floor stands on."""
