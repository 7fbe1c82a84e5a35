"""The target size as part of a graph that is recorded for any source size."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from mmdownsize.geometry import TargetSize
from mmdownsize.ops.lengths import Length, Ratio, larger, ratio_of, smaller


def target_hw(target: TargetSize, src_hw: tuple[Length, Length]) -> tuple[Length, Length]:
    """Return the target size of an image, in the very floating-point steps of :meth:`TargetSize.of`.

    Args:
        target: The rule.
        src_hw: Source size (h, w) in px, each an integer or left open.

    Returns:
        Target size (h, w) in px. A graph cannot refuse a size: sides that round to 0 px are not caught where a side is open.

    Raises:
        ValueError: If the source size is known and a side rounds to 0 px.
    """
    h, w = src_hw
    if isinstance(h, int) and isinstance(w, int):
        return target.of((h, w))
    if target.scale is not None:
        dst_w, dst_h = _pair(target.scale)
    else:
        factor_w, factor_h = _pair(target.scale_factor)
        dst_h, dst_w = _scaled(h, factor_h), _scaled(w, factor_w)
    if target.keep_ratio:
        ratio = smaller(
            ratio_of(larger(dst_w, dst_h), larger(h, w)),
            ratio_of(smaller(dst_w, dst_h), smaller(h, w)),
        )
        dst_h, dst_w = _scaled(h, ratio), _scaled(w, ratio)
    return dst_h, dst_w


def _pair(value):
    return tuple(value) if isinstance(value, Sequence) else (value, value)


def _scaled(length: Length, factor: Ratio) -> Length:
    if isinstance(length, Tensor):
        return (length.double() * factor + 0.5).floor().long()
    return math.floor(length * factor + 0.5)
