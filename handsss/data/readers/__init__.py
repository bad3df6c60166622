"""Datasets as they are published, and folders of photos."""
