"""What a resizer computes, in multiply-adds."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mmdownsize.ops import get_kernel, project
from mmdownsize.resizers.downsize_net import DownsizeNet
from mmdownsize.resizers.fixed import FixedResizer
from mmdownsize.resizers.phases import auto_neighbors


def multiply_adds(resizer: nn.Module, channels: int, src_hw: tuple[int, int], dst_hw: tuple[int, int]) -> int:
    """Return the multiply-adds of resizing one image: of convolutions, matrix products and weighted sums of neighbours.

    For DownsizeNet they are those of its compiled back end: the last convolution at the selected pixels only, the
    convolutions before it at the pixels that it reads. (The banded and dense back ends convolve whole maps.) Normalising the
    coefficients does not count, nor does what depends on the sizes alone, since it is kept from image to image.

    Args:
        resizer: Any resizer. For other classes than DownsizeNet and FixedResizer PyTorch's own counter counts convolutions
            and matrix products.
        channels: C of the image.
        src_hw: Source size (h, w) in px.
        dst_hw: Target size (h, w) in px.
    """
    if isinstance(resizer, DownsizeNet):
        return _of_downsize_net(resizer, channels, src_hw, dst_hw)
    if isinstance(resizer, FixedResizer):
        return _of_fixed(resizer, channels, src_hw, dst_hw)
    device = next((parameter.device for parameter in resizer.parameters()), None)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        resizer(torch.zeros(1, channels, *src_hw, device=device), dst_hw)
    return int(counter.get_total_flops()) // 2


def _of_downsize_net(net: DownsizeNet, channels: int, src_hw: tuple[int, int], dst_hw: tuple[int, int]) -> int:
    sides = [torch.unique(project(src, dst)[0].clamp(min=0)) for src, dst in zip(src_hw, dst_hw)]
    total = 0
    for inputs, outputs in reversed(list(pairwise([channels] + [net.channels] * net.num_convs))):
        total += 9 * inputs * outputs * len(sides[0]) * len(sides[1])
        sides = [  # where the convolution before is read
            torch.unique((side[:, None] + torch.arange(-1, 2)).clamp(0, src - 1)) for side, src in zip(sides, src_hw)
        ]
    taps = 1
    for src, dst in zip(src_hw, dst_hw):
        taps *= net.neighbors if isinstance(net.neighbors, int) else auto_neighbors(net.start, src, dst)
    texture_channels = net.channels if net.num_convs else 0
    return total + taps * (texture_channels + channels) * dst_hw[0] * dst_hw[1]


def _of_fixed(resizer: FixedResizer, channels: int, src_hw: tuple[int, int], dst_hw: tuple[int, int]) -> int:
    if resizer.kernel == 'nearest':
        return 0
    names = {'bilinear': 'triangle', 'bicubic': 'bicubic_antialias', 'lanczos': 'lanczos_antialias'}
    kernel = get_kernel(names[resizer.kernel] if resizer.antialias else resizer.kernel)
    taps_y, taps_x = (kernel.neighbors(src, dst) for src, dst in zip(src_hw, dst_hw))
    (_, src_w), (h, w) = src_hw, dst_hw
    return channels * h * (taps_y * src_w + taps_x * w)  # along y, then along x
