"""Where the output pixels of one axis fall on its source pixels.

An axis is described by two integers, its source and its target length. All positions are ratios of integers and are computed as
such: an output pixel that falls exactly on a source pixel (300 -> 100) is found there on every machine and in every dtype.
While a graph is recorded a length may be left open (:mod:`mmdownsize.ops.lengths`); then nothing is checked.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mmdownsize.ops.lengths import Length, are_known
from mmdownsize.refusal import Refusal


def project(src: Length, dst: Length) -> tuple[Tensor, Tensor]:
    """Return the left neighbour of every output pixel's centre, and the distance from it.

    The centre of output pixel ``o`` is at ``c = (o + 1/2) * src / dst - 1/2`` when source centres are counted 0, 1, 2, ...;
    its left neighbour is ``P = floor(c)`` and its offset ``d = c - P``.

    Args:
        src: Source length in px.
        dst: Target length in px.

    Returns:
        ``P``, (dst,) int64, from -1 (left of the first centre, when upsizing) to ``src - 1``; and ``d``, (dst,) float64 in
        [0, 1), in source px.

    Raises:
        ValueError: If a length is below 1.

    Example:
        >>> project(4, 2)
        (tensor([0, 2]), tensor([0.5000, 0.5000], dtype=torch.float64))
    """
    if are_known(src, dst) and min(src, dst) < 1:
        raise Refusal(f'an axis needs at least 1 source and 1 target pixel, got {src} -> {dst}')
    numerator = (2 * torch.arange(dst) + 1) * src - dst
    left = numerator.div(2 * dst, rounding_mode='floor')
    offset = (numerator - left * (2 * dst)).double() / (2 * dst)
    return left, offset


def _tap_numbers(neighbors: Length) -> Tensor:
    if are_known(neighbors) and (neighbors < 2 or neighbors % 2):
        raise Refusal(f'neighbors must be an even number of at least 2, got {neighbors}')
    return torch.arange(1 - neighbors // 2, neighbors // 2 + 1)


def neighbor_indices(src: Length, dst: Length, neighbors: Length, *, clamp: bool = True) -> Tensor:
    """Return the source pixels around every output pixel.

    Args:
        src: Source length in px.
        dst: Target length in px.
        neighbors: Even number K of neighbours, half of them on either side of the output centre.
        clamp: Replace what falls outside the image by the edge pixel. Without it, indices run from ``-K/2`` to ``src + K/2 - 1``.

    Returns:
        (K, dst) int64, rising along the first axis.

    Raises:
        ValueError: If ``neighbors`` is odd or below 2, or a length below 1.
    """
    left, _ = project(src, dst)
    indices = _tap_numbers(neighbors)[:, None] + left  # (K, dst)
    return indices.clamp(0, src - 1) if clamp else indices


def relative_distances(src: Length, dst: Length, neighbors: Length) -> Tensor:
    """Return the signed distance from every output centre to each of its neighbours.

    Args:
        src: Source length in px.
        dst: Target length in px.
        neighbors: Even number K of neighbours.

    Returns:
        (K, dst) float64, in source px: ``neighbour - centre``, from ``-K/2`` to ``K/2``.

    Raises:
        ValueError: If ``neighbors`` is odd or below 2, or a length below 1.
    """
    _, offset = project(src, dst)
    return _tap_numbers(neighbors)[:, None].double() - offset  # (K, dst)
