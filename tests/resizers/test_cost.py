"""Multiply-adds of resizers, against sums that a person can do."""

import torch
from torch import nn

from mmdownsize.resizers import DownsizeNet, FixedResizer, LearnedResizer
from mmdownsize.resizers.cost import multiply_adds


def test_dense_convolutions_where_every_pixel_is_selected():
    # 10 x 12 to the same size: both convolutions everywhere, 4 logits of 16 features, 4 neighbours of 3 channels.
    wanted = 10 * 12 * (9 * 3 * 16 + 9 * 16 * 16 + 4 * 16 + 4 * 3)
    assert multiply_adds(DownsizeNet(), 3, (10, 12), (10, 12)) == wanted


def test_the_last_convolution_is_counted_where_it_is_selected():
    # 40 to 8: every fifth pixel, so the convolution before is read at 3 x 3 pixels around each.
    selected, read = 8 * 8, (3 * 8) ** 2
    wanted = read * 9 * 3 * 16 + selected * (9 * 16 * 16 + 4 * 16 + 4 * 3)
    assert multiply_adds(DownsizeNet(), 3, (40, 40), (8, 8)) == wanted
    assert multiply_adds(DownsizeNet(texture=False), 3, (40, 40), (8, 8)) == selected * 4 * 3
    # Antialiasing reaches over 10 neighbours at a fifth of the size.
    auto = DownsizeNet(neighbors='auto', start='triangle')
    assert multiply_adds(auto, 3, (40, 40), (8, 8)) == wanted + selected * (100 - 4) * (16 + 3)


def test_fixed_kernels_and_the_others():
    assert multiply_adds(FixedResizer(kernel='nearest'), 3, (40, 30), (8, 10)) == 0
    assert multiply_adds(FixedResizer(), 3, (40, 30), (8, 10)) == 3 * 8 * (2 * 30 + 2 * 10)
    assert multiply_adds(FixedResizer(antialias=True), 3, (40, 30), (8, 10)) == 3 * 8 * (10 * 30 + 6 * 10)
    learned = LearnedResizer(num_blocks=0, channels=4)
    full, small = 40 * 30 * (49 * 3 * 4 + 4 * 4), 8 * 10 * (9 * 4 * 4 + 49 * 4 * 3)
    assert multiply_adds(learned, 3, (40, 30), (8, 10)) == full + small
    assert multiply_adds(Pool(), 3, (40, 30), (8, 10)) == 0


class Pool(nn.Module):
    def forward(self, images, dst_hw):
        return torch.nn.functional.adaptive_avg_pool2d(images, dst_hw)
