"""The large separable convolution that makes the thin feature map of Light-Head R-CNN."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmdownsize.refusal import Refusal
from mmdownsize.registry import MODELS


@MODELS.register_module()
class LargeSeparableConv(BaseModule):
    """Sum of a k x 1 then 1 x k convolution and a 1 x k then k x 1 convolution, and a ReLU.

    Source: Li et al., "Light-Head R-CNN", 2017, section 3.2, figure 3: k = 15, 64 channels between the two convolutions
    of a branch in setting S and 256 in setting L, 10 * p * p out, p = 7. The paper does not say more. As in the authors' code
    nothing is between the two convolutions, the ReLU follows the sum, and weights start with a standard deviation of 0.01.

    Args:
        in_channels: Channels of the backbone's map.
        out_channels: Channels of the thin map.
        mid_channels: Channels between the two convolutions of a branch.
        kernel_size: k, odd.
        init_cfg: Initialisation, as in mmengine. Default: normal with a standard deviation of 0.01.

    Raises:
        ValueError: If a number of channels is below 1, or ``kernel_size`` is not odd.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int = 490,
        mid_channels: int = 256,
        kernel_size: int = 15,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> None:
        if min(in_channels, mid_channels, out_channels) < 1:
            raise Refusal(
                'in_channels, mid_channels and out_channels must be at least 1, '
                f'got {in_channels}, {mid_channels} and {out_channels}'
            )
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise Refusal(f'kernel_size must be odd, so that the map keeps its size, got {kernel_size}')
        super().__init__(init_cfg=init_cfg or dict(type='Normal', layer='Conv2d', std=0.01))
        self.in_channels = in_channels
        self.out_channels = out_channels
        column, row = (kernel_size, 1), (1, kernel_size)
        self.column_then_row = nn.Sequential(
            nn.Conv2d(in_channels, mid_channels, column, padding='same'),
            nn.Conv2d(mid_channels, out_channels, row, padding='same'),
        )
        self.row_then_column = nn.Sequential(
            nn.Conv2d(in_channels, mid_channels, row, padding='same'),
            nn.Conv2d(mid_channels, out_channels, column, padding='same'),
        )

    def forward(self, feats: Tensor) -> Tensor:
        """Return the thin map (N, ``out_channels``, H, W) of a map (N, ``in_channels``, H, W)."""
        return F.relu(self.column_then_row(feats) + self.row_then_column(feats))
