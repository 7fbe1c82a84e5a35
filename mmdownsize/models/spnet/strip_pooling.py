"""Strip pooling, and the module that gates a feature map with it."""

from __future__ import annotations

from typing import Any

from mmcv.cnn import ConvModule
from torch import Tensor, nn

BN = dict(type='BN')


class StripPooling(nn.Module):
    """Pool whole rows and whole columns, convolve along them and add: every pixel gets context from its row and its column.

    ``out[c, i, j] = relu(rows[c, i] + columns[c, j])``, where ``rows`` is the mean over the width (Eq. 2) and ``columns``
    the mean over the height (Eq. 3). Each is followed by a convolution of 3 taps along the strip and by batch norm.

    Args:
        channels: Channels in and out.
        conv_cfg: Config of the convolution layer, as in mmcv. None: Conv2d.
        norm_cfg: Config of the norm layer, as in mmcv.

    Source: paper, section 3.1, Eq. 2 to 4. The equations have no norms and no ReLU. Both are from the authors' code, where
    convolutions before a norm have no bias either.
    """

    def __init__(
        self, channels: int, *, conv_cfg: dict[str, Any] | None = None, norm_cfg: dict[str, Any] | None = BN
    ) -> None:
        super().__init__()
        cfg = dict(conv_cfg=conv_cfg, norm_cfg=norm_cfg, act_cfg=None)
        self.along_height = ConvModule(channels, channels, (3, 1), padding=(1, 0), **cfg)
        self.along_width = ConvModule(channels, channels, (1, 3), padding=(0, 1), **cfg)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, ``channels``, H, W), non-negative, of a map (N, ``channels``, H, W) of any size."""
        rows = self.along_height(x.mean(3, keepdim=True))  # (N, C, H, 1)
        columns = self.along_width(x.mean(2, keepdim=True))  # (N, C, 1, W)
        return (rows + columns).relu()


class StripPoolingModule(nn.Module):
    """The strip pooling module (SPM): a gate from 0 to 1 for every channel and pixel, computed from its row and its column.

    ``z = x * sigmoid(conv1x1(strip_pooling(x)))``.

    Args:
        channels: Channels in and out.
        conv_cfg: Config of the convolution layer, as in mmcv. None: Conv2d.
        norm_cfg: Config of the norm layer, as in mmcv.

    Source: paper, section 3.1, Fig. 2 and Eq. 5.
    """

    def __init__(
        self, channels: int, *, conv_cfg: dict[str, Any] | None = None, norm_cfg: dict[str, Any] | None = BN
    ) -> None:
        super().__init__()
        self.strips = StripPooling(channels, conv_cfg=conv_cfg, norm_cfg=norm_cfg)
        self.gate = ConvModule(channels, channels, 1, conv_cfg=conv_cfg, act_cfg=dict(type='Sigmoid'))

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, ``channels``, H, W): the values of a map of that shape, each times its gate."""
        return x * self.gate(self.strips(x))
