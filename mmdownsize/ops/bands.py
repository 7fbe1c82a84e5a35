"""Bands of source rows that fit a core's cache, for work on maps of full resolution that are never held as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

BAND_BYTES = 2**22  # of one feature map of a band: measured on 2 cores, flat between 2 and 16 MB
DEVICE_BAND_BYTES = 2**28  # the same where launching an operation costs more than a cache miss; not measured


@dataclass(frozen=True)
class Band:
    """Some images' source rows, and the output rows that are made from them."""

    images: slice
    source: slice
    target: slice


def cut(images: Tensor, first: Tensor, last: Tensor, halo: int, row_bytes: int) -> Iterator[Band]:
    """Cut a batch of images into bands, from the first to the last.

    Args:
        images: (N, C, H, W).
        first: (h,) int64 in [0, H), never falling: the first source row that an output row needs.
        last: (h,) int64 in [0, H), never falling: the last one.
        halo: How many rows beyond these the convolutions see.
        row_bytes: Bytes of one row of a feature map.
    """
    n, _, height, _ = images.shape
    limit = BAND_BYTES if images.device.type == 'cpu' else DEVICE_BAND_BYTES
    source_rows = max(4 * halo, limit // max(1, row_bytes))
    together = max(1, source_rows // height)  # small images share a band
    target_rows = max(1, source_rows * len(first) // height)
    for image in range(0, n, together):
        for begin in range(0, len(first), target_rows):
            end = min(begin + target_rows, len(first))
            low = max(0, int(first[begin]) - halo)
            source = slice(low, min(height, int(last[end - 1]) + halo + 1))
            yield Band(slice(image, min(image + together, n)), source, slice(begin, end))
