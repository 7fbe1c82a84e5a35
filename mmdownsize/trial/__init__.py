"""A trial of a downsizer before a finished model: it is fitted, tested beside fixed kernels, and judged in one table."""
