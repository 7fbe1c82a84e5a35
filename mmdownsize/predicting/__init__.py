"""Predict on image files with a config and a checkpoint: pictures, label maps, and one JSON file of all that was found."""
