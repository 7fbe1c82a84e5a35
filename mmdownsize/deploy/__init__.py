"""Downsizers, and segmentors behind one, as graphs for other runtimes: recorded once, for images of any size."""
