"""Regions of interest, and maps, that the tests of both RoI aligns share."""

import torch
from torch import Tensor

# Boxes (image, x1, y1, x2, y2) in px: inside, over every edge, far outside, thin, without area.
ROIS = torch.tensor(
    [
        [0, 4.0, 8.0, 40.0, 36.0],
        [1, -29.5, -26.0, 20.0, 70.0],
        [1, 30.0, 12.0, 90.0, 60.0],
        [0, 200.0, 200.0, 260.0, 230.0],
        [0, 10.25, 11.75, 10.5, 47.0],
        [1, 16.0, 16.0, 16.0, 16.0],
    ],
    dtype=torch.float64,
)


def feats(channels: int = 3, dtype: torch.dtype = torch.float64) -> Tensor:
    """Return random maps of two images, (2, channels, 6, 7)."""
    return torch.randn(2, channels, 6, 7, dtype=torch.float64).to(dtype)
