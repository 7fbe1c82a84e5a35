"""Fit a downsizer to a finished model: only the downsizer is trained."""
