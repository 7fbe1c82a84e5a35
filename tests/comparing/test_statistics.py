"""Paired differences against scipy's, and how often the interval covers the truth."""

import math

import numpy as np
import pytest
from scipy import stats

from mmdownsize.comparing.statistics import half_width, paired_difference


def test_paired_difference_is_scipys():
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(50, 1, 7), rng.normal(49, 1, 7)
    found = paired_difference(ours.tolist(), theirs.tolist())
    expected = stats.ttest_rel(ours, theirs).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.mean == pytest.approx((ours - theirs).mean())
    assert found.count == 7


@pytest.mark.parametrize('count', [3, 5, 10])
def test_the_interval_covers_the_true_difference_as_often_as_it_says(count):
    rng = np.random.default_rng(count)
    hits = 0
    for _ in range(2000):
        by_seed = rng.normal(0, 2, count)  # what a seed does to both arms
        ours, theirs = by_seed + rng.normal(0.4, 0.5, count), by_seed + rng.normal(0, 0.5, count)
        found = paired_difference(ours.tolist(), theirs.tolist())
        hits += found.low <= 0.4 <= found.high
    assert abs(hits / 2000 - 0.95) < 0.015  # three standard errors


def test_seeds_needed_make_the_interval_as_narrow_as_wanted():
    found = paired_difference([1.0, 2.0, 3.0], [0.4, 2.2, 2.9])
    needed = found.seeds_needed
    assert half_width(found.spread, needed) <= 0.3 < half_width(found.spread, needed - 1)
    assert paired_difference([1.0], [2.0]).seeds_needed is None
    assert math.isnan(paired_difference([1.0], [2.0]).low)


@pytest.mark.parametrize('numbers', [([], []), ([1.0], [1.0, 2.0])])
def test_unpaired_numbers_are_refused(numbers):
    with pytest.raises(ValueError, match='as many on both sides'):
        paired_difference(*numbers)
