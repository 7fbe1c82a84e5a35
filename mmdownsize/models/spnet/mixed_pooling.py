"""The mixed pooling module: square bins for what is near, strips for what is far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from torch import Tensor, nn

from mmdownsize.models.spnet.strip_pooling import BN, StripPooling
from mmdownsize.refusal import Refusal

REDUCTION = 4  # section 3.3: 256 channels inside for 1024 outside


class MixedPoolingModule(nn.Module):
    """The mixed pooling module (MPM), a residual bottleneck of two branches on a quarter of the channels.

    - Short range (Fig. 3a): a small pyramid. The map and its means over ``pool_sizes`` bins each go through a 3x3
      convolution. They are resized to the size of the map (bilinear) and added. A ReLU and another 3x3 convolution follow.
    - Long range (Fig. 3b): :class:`StripPooling` and a 3x3 convolution.

    Both are concatenated, a 1x1 convolution restores the number of channels, and the input is added.

    Args:
        channels: Channels in and out, a multiple of 4.
        pool_sizes: Bins a side of each level of the pyramid. A trained module works with other sizes: they have no weights.
        conv_cfg: Config of the convolution layer, as in mmcv. None: Conv2d.
        norm_cfg: Config of the norm layer, as in mmcv.
        align_corners: As in PyTorch's ``interpolate``, for the pooled maps. The authors' code has True.

    Raises:
        ValueError: If ``channels`` is not a positive multiple of 4, or ``pool_sizes`` are not positive integers.

    Source: paper, section 3.2, Fig. 3; norms and activations as in the authors' code.
    """

    def __init__(
        self,
        channels: int,
        *,
        pool_sizes: Sequence[int] = (20, 12),
        conv_cfg: dict[str, Any] | None = None,
        norm_cfg: dict[str, Any] | None = BN,
        align_corners: bool = False,
    ) -> None:
        if channels < 1 or channels % REDUCTION:
            raise Refusal(f'channels of a mixed pooling module must be a multiple of {REDUCTION}, got {channels}')
        if not pool_sizes or not all(type(size) is int and size > 0 for size in pool_sizes):
            raise Refusal(f'pool_sizes must be bins a side, integers above 0, got {pool_sizes}')
        super().__init__()
        self.pool_sizes = tuple(pool_sizes)
        self.align_corners = align_corners

        inner = channels // REDUCTION
        cfg = dict(conv_cfg=conv_cfg, norm_cfg=norm_cfg)
        self.reduce_short = ConvModule(channels, inner, 1, **cfg)
        self.reduce_long = ConvModule(channels, inner, 1, **cfg)
        self.local = ConvModule(inner, inner, 3, padding=1, act_cfg=None, **cfg)
        self.pyramid = nn.ModuleList(
            ConvModule(inner, inner, 3, padding=1, act_cfg=None, **cfg) for _ in self.pool_sizes
        )
        self.strips = StripPooling(inner, **cfg)
        self.fuse_short = ConvModule(inner, inner, 3, padding=1, **cfg)
        self.fuse_long = ConvModule(inner, inner, 3, padding=1, **cfg)
        self.expand = ConvModule(2 * inner, channels, 1, act_cfg=None, **cfg)

    def forward(self, x: Tensor) -> Tensor:
        """Add context from the surroundings to each pixel.

        Args:
            x: (N, ``channels``, H, W), H and W at least the largest of ``pool_sizes``.

        Returns:
            (N, ``channels``, H, W), non-negative.

        Raises:
            ValueError: If the map has fewer pixels a side than bins.
        """
        height, width = x.shape[-2:]
        bins = max(self.pool_sizes)
        if min(height, width) < bins:
            raise Refusal(
                f'a feature map of {height} x {width} px (h x w) cannot be pooled into {bins} x {bins} bins: '
                f'feed larger images, or set pool_sizes, now {self.pool_sizes}, to at most {min(height, width)}'
            )
        short = self.fuse_short(self._pyramid(self.reduce_short(x)))
        long = self.fuse_long(self.strips(self.reduce_long(x)))
        return (x + self.expand(torch.cat([short, long], 1))).relu()

    def _pyramid(self, x: Tensor) -> Tensor:
        out = self.local(x)
        for size, conv in zip(self.pool_sizes, self.pyramid):
            pooled = conv(F.adaptive_avg_pool2d(x, size))
            out = out + F.interpolate(pooled, x.shape[-2:], mode='bilinear', align_corners=self.align_corners)
        return out.relu()
