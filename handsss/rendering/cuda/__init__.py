"""The renderer on CUDA, in Triton."""
