"""Data sets around those of OpenMMLab."""
