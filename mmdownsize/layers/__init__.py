"""Learned sampling inside a network: of feature maps and of regions of interest."""
