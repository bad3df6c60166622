"""Datasets: readers, the HDF5 store, keypoint sources, the synthetic generator, and reading for training."""
