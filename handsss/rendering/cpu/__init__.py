"""The renderer on the CPU, in numba."""
