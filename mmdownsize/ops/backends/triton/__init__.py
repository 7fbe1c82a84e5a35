"""The back end for NVIDIA GPUs. Triton is imported when a kernel runs, not before."""
