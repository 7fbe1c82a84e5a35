"""Fit a downsizer to a finished model: nothing else is trained."""
