"""Paired differences with confidence intervals."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

from mmdownsize.refusal import Refusal

LEVEL = 0.95
WANTED = 0.3  # points: the difference that a comparison should be able to see
MOST_SEEDS = 10_000


@dataclass(frozen=True)
class Difference:
    """Paired differences to another arm, over the seeds that both have.

    Attributes:
        mean: Their mean.
        spread: Their standard deviation; NaN for one seed.
        low: Lower end of the confidence interval of the mean (paired t); NaN for one seed.
        high: Upper end.
        count: Number of seeds.
    """

    mean: float
    spread: float
    low: float
    high: float
    count: int

    @property
    def seeds_needed(self) -> int | None:
        """Seeds at which half the interval would be ``WANTED``, if the spread stays as it is; None: unknown."""
        if math.isnan(self.spread):
            return None
        needed = 2
        while needed < MOST_SEEDS and half_width(self.spread, needed) > WANTED:
            needed += 1
        return needed


def half_width(spread: float, count: int) -> float:
    """Return half the width of the confidence interval of a mean.

    Args:
        spread: Standard deviation of the numbers.
        count: How many numbers, at least 2.
    """
    return float(stats.t.ppf((1 + LEVEL) / 2, count - 1) * spread / math.sqrt(count))


def paired_difference(ours: Sequence[float], theirs: Sequence[float]) -> Difference:
    """Return the difference of paired numbers.

    Args:
        ours: One number a seed, at least one.
        theirs: Those of the same seeds, in the same order.

    Raises:
        Refusal: If there are none, or not as many.
    """
    if not ours or len(ours) != len(theirs):
        raise Refusal(f'paired numbers are as many on both sides and at least one, got {len(ours)} and {len(theirs)}')
    differences = [a - b for a, b in zip(ours, theirs)]
    mean = statistics.fmean(differences)
    if len(differences) == 1:
        return Difference(mean, math.nan, math.nan, math.nan, 1)
    spread = statistics.stdev(differences)
    half = half_width(spread, len(differences))
    return Difference(mean, spread, mean - half, mean + half, len(differences))
