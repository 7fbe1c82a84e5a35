"""Slow, obvious float64 versions, written from the definitions alone. Nothing here imports the package."""
