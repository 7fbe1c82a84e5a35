"""Multiply-adds of resizers, against sums that a person can do."""

import torch
from torch import nn

from mmdownsize.resizers import DownsizeNet, FixedResizer, ImportanceResizer, LearnedResizer
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


def test_an_importance_costs_the_same_at_every_source_pixel():
    # 30 x 40 to 6 x 10: a convolution of 16 channels over 3 colours, the score, and 3 products; then rows of 5, columns of 4
    # pixels of the 3 colours and the importance.
    sums = 4 * 6 * (5 * 40 + 4 * 10)
    assert multiply_adds(ImportanceResizer(), 3, (30, 40), (6, 10)) == 30 * 40 * (432 + 16 + 3) + sums
    two = ImportanceResizer(num_convs=2, dilation=2, channels=8)
    assert multiply_adds(two, 3, (30, 40), (6, 10)) == 30 * 40 * (9 * 3 * 8 + 9 * 8 * 8 + 8 + 3) + sums
    apart = ImportanceResizer(per_channel=True)
    assert multiply_adds(apart, 3, (30, 40), (6, 10)) == 30 * 40 * (432 + 3 * 16 + 3) + 6 * 6 * (5 * 40 + 4 * 10)
    # Around antialiased bicubic, which has 20 rows and 16 columns: it and the area kernel on the colours besides.
    around = ImportanceResizer(around='bicubic_antialias')
    besides = 3 * 6 * (20 * 40 + 16 * 10) + 3 * 6 * (5 * 40 + 4 * 10)
    assert multiply_adds(around, 3, (30, 40), (6, 10)) == 30 * 40 * 451 + sums + besides
    # At 30 to 7 rows the area kernel reaches over 6 of them.
    assert multiply_adds(ImportanceResizer(), 3, (30, 40), (7, 10)) == 30 * 40 * 451 + 4 * 7 * (6 * 40 + 4 * 10)


def test_a_rank_filter_multiplies_for_the_brightness_only():
    assert multiply_adds(FixedResizer(kernel='darkest'), 3, (30, 40), (6, 10)) == 3 * 30 * 40
    soft = FixedResizer(kernel='brightest', softness=9)
    assert multiply_adds(soft, 3, (30, 40), (6, 10)) == 3 * 30 * 40 + 4 * 6 * (5 * 40 + 4 * 10)


class Pool(nn.Module):
    def forward(self, images, dst_hw):
        return torch.nn.functional.adaptive_avg_pool2d(images, dst_hw)
