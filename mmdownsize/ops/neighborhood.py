"""What makes an output pixel: its neighbours, and the texture around it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Neighborhood:
    """Where every output pixel's neighbours are. The grid is separable, so there are tensors for each axis.

    Attributes:
        top: (h,) int64 in [0, H), source row at which an output row's texture is selected; never falling.
        left: (w,) int64 in [0, W), the same for columns.
        rows: (Ky, h) int64 in [0, H), source rows of the neighbours; from one to the next rising
            by 1, or by 0 at the image's edge.
        cols: (Kx, w) int64 in [0, W), source columns of the neighbours.
        weights_y: (Ky, h), the kernel's weights along y, sum 1 along Ky; uniform without a kernel.
        weights_x: (Kx, w), the same along x.
        kernel: Whether zero logits give a kernel's weights.
    """

    top: Tensor
    left: Tensor
    rows: Tensor
    cols: Tensor
    weights_y: Tensor
    weights_x: Tensor
    kernel: bool

    @property
    def weights(self) -> Tensor:
        """(1, Ky * Kx, h, w), the kernel's coefficients, neighbours in row-major order."""
        return (self.weights_y[:, None, :, None] * self.weights_x[None, :, None, :]).flatten(0, 1)[None]


@dataclass(frozen=True)
class Texture:
    """Convolutions 3x3 with zero padding of 1 and a ReLU after each, and the map from their features to logits.

    Attributes:
        weights: Of each convolution in turn, (C_out, C_in, 3, 3).
        biases: Of each convolution, (C_out,).
        to_logits: (Ky * Kx, C_out of the last).
        shift: Subtracted from the images first.
        gain: Multiplied with the images after that.
        dtype: Type in which PyTorch's operators compute the features. None: that of the weights.
    """

    weights: list[Tensor]
    biases: list[Tensor]
    to_logits: Tensor
    shift: float = 0.0
    gain: float = 1.0
    dtype: torch.dtype | None = None
