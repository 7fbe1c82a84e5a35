"""What a resizer computes, in multiply-adds."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mmdownsize.ops import get_kernel, project
from mmdownsize.ops.separable import axis_of
from mmdownsize.resizers.downsize_net import DownsizeNet
from mmdownsize.resizers.fixed import EXTREMES, NAMES, FixedResizer
from mmdownsize.resizers.importance import ImportanceResizer
from mmdownsize.resizers.phases import auto_neighbors


def multiply_adds(resizer: nn.Module, channels: int, src_hw: tuple[int, int], dst_hw: tuple[int, int]) -> int:
    """Return the multiply-adds of resizing one image: of convolutions, matrix products and weighted sums of neighbours.

    For DownsizeNet they are those of its compiled back end: the last convolution at the selected pixels only, the
    convolutions before it at the pixels that it reads. (The banded and dense back ends convolve whole maps.) Normalising the
    coefficients does not count, nor does what depends on the sizes alone, since it is kept from image to image.

    For ImportanceResizer they are the convolutions and the score at every source pixel, the products of pixels and
    importances, and the kernel on both of them; with ``around`` both kernels on the pixels. A rank filter compares; it
    multiplies only for the mean of the channels.

    Args:
        resizer: Any resizer. For classes that are not named here PyTorch's own counter counts convolutions and matrix
            products.
        channels: C of the image.
        src_hw: Source size (h, w) in px.
        dst_hw: Target size (h, w) in px.
    """
    if isinstance(resizer, DownsizeNet):
        return _of_downsize_net(resizer, channels, src_hw, dst_hw)
    if isinstance(resizer, FixedResizer):
        return _of_fixed(resizer, channels, src_hw, dst_hw)
    if isinstance(resizer, ImportanceResizer):
        return _of_importance(resizer, channels, src_hw, dst_hw)
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
    if resizer.kernel in EXTREMES:
        brightness = channels * src_hw[0] * src_hw[1]
        return brightness + (_of_sums('area', channels + 1, src_hw, dst_hw) if resizer.softness else 0)
    return _of_sums(NAMES[resizer.kernel, resizer.antialias], channels, src_hw, dst_hw)


def _of_importance(net: ImportanceResizer, channels: int, src_hw: tuple[int, int], dst_hw: tuple[int, int]) -> int:
    scores = channels if net.per_channel else 1
    by_convolutions = sum(9 * i * o for i, o in pairwise([channels] + [net.channels] * net.num_convs))
    by_pixel = by_convolutions + scores * net.channels + channels
    kernels = [] if net.around is None else [net.kernel, net.around]  # what is added: K(image) - R(image)
    by_kernels = sum(_of_sums(kernel, channels, src_hw, dst_hw) for kernel in kernels)
    return by_pixel * src_hw[0] * src_hw[1] + _of_sums(net.kernel, channels + scores, src_hw, dst_hw) + by_kernels


def _of_sums(kernel: str, channels: int, src_hw: tuple[int, int], dst_hw: tuple[int, int]) -> int:
    """Return the multiply-adds of a kernel, along y, then along x."""
    axes = [axis_of(get_kernel(kernel), src, dst, torch.empty(0)) for src, dst in zip(src_hw, dst_hw)]
    taps_y, taps_x = (len(axis.indices) for axis in axes)
    return channels * dst_hw[0] * (taps_y * src_hw[1] + taps_x * dst_hw[1])
