"""Position-sensitive RoI align, one sample at a time."""

import math

import numpy as np


def bilinear(plane: np.ndarray, y: float, x: float) -> float:
    """Value of a plane (H, W) at a point in px, pixel (r, c) having its centre at (r + 1/2, c + 1/2).

    Beyond the outermost centres the plane goes on as its edge for half a pixel and then another; farther out it is 0.
    """
    height, width = plane.shape
    row, column = y - 0.5, x - 0.5
    if row < -1 or row > height or column < -1 or column > width:
        return 0.0
    row, column = min(max(row, 0.0), height - 1.0), min(max(column, 0.0), width - 1.0)
    top, left = math.floor(row), math.floor(column)
    value = 0.0
    for r, c in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
        weight = (1 - abs(row - r)) * (1 - abs(column - c))
        if weight > 0:
            value += weight * plane[r, c]
    return value


def ps_roi_align(feats: np.ndarray, rois: np.ndarray, p: int, spatial_scale: float, samples: int) -> np.ndarray:
    """Bin (i, j) of output channel c is the mean over samples of input channel (c * p + i) * p + j."""
    channels = feats.shape[1] // (p * p)
    out = np.zeros((len(rois), channels, p, p))
    for n, (image, x1, y1, x2, y2) in enumerate(rois):
        x1, y1, x2, y2 = (spatial_scale * side for side in (x1, y1, x2, y2))
        bin_h, bin_w = (y2 - y1) / p, (x2 - x1) / p
        for c in range(channels):
            for i in range(p):
                for j in range(p):
                    plane = feats[int(image), (c * p + i) * p + j]
                    for a in range(samples):
                        for b in range(samples):
                            y = y1 + (i + (a + 0.5) / samples) * bin_h
                            x = x1 + (j + (b + 0.5) / samples) * bin_w
                            out[n, c, i, j] += bilinear(plane, y, x) / samples**2
    return out
