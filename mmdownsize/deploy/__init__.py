"""Export: downsizers and segmentors as graphs for other runtimes, a downsizer as a file, and what a model computes."""
