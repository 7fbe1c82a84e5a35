"""Data sets and metrics that a comparison needs."""
