"""The size that an image is resized to, given as in mmcv's ``Resize``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from torch import Tensor

from mmdownsize import arguments
from mmdownsize.ops.lengths import Length, Ratio, are_known, larger, ratio_of, smaller
from mmdownsize.ops.recording import is_tracing
from mmdownsize.refusal import Refusal


def _pair(name: str, value: Any) -> tuple[float, float]:
    sides: Sequence[Any] = value if isinstance(value, Sequence) and not isinstance(value, str) else (value, value)
    if len(sides) != 2 or not all(isinstance(side, Real) and not isinstance(side, bool) for side in sides):
        raise Refusal(f'{name} must be a number or a pair (w, h), got {value!r}')
    w, h = (float(side) for side in sides)
    if not (0 < w < math.inf and 0 < h < math.inf):
        raise Refusal(f'{name} must be above 0 and finite, got {value!r}')
    return w, h


def whole_wh(name: str, value: Any) -> tuple[int, int]:
    """Return a target size in whole pixels.

    Args:
        name: What it is called, for the message.
        value: (w, h) in px, or one number for a square.

    Raises:
        ValueError: If it is not whole pixels, at least 1.
    """
    w, h = _pair(name, value)
    if w != int(w) or h != int(h):
        raise Refusal(f'{name} must be whole pixels (w, h), got {value!r}; a ratio is given as scale_factor')
    return int(w), int(h)


def whole_hw(name: str, size: Any) -> tuple[int, int]:
    """Return a size in whole pixels.

    Args:
        name: What has this size, for the message.
        size: (h, w) in px.

    Raises:
        ValueError: If it is not a pair of whole numbers of at least 1.
    """
    pair = isinstance(size, Sequence) and len(size) == 2 and all(isinstance(side, Integral) for side in size)
    if not pair or min(size) < 1:
        raise Refusal(f'the size of {name} must be (h, w), two whole numbers of at least 1, got {size!r}')
    return int(size[0]), int(size[1])


@dataclass(frozen=True)
class TargetSize:
    """A rule from source size to target size, with the arguments and meanings of mmcv's ``Resize``.

    Exactly one of ``scale_factor`` and ``scale`` is given. ``scale_factor`` multiplies the sides, rounded half up; ``scale`` is
    the size itself or, with ``keep_ratio``, the box (long side, short side) in any order that the image is fitted into.

    Args:
        scale_factor: A number, or a pair (w, h); above 0.
        scale: A size in px: an integer for a square, or a pair (w, h); above 0.
        keep_ratio: Keep the aspect ratio, as exactly as whole pixels allow.

    Raises:
        ValueError: If both or none of the two are given, a value is not above 0 or not a number or pair, or ``keep_ratio`` is
            not True or False.

    Example:
        >>> TargetSize(scale=(160, 120), keep_ratio=True).of((300, 400))
        (120, 160)
    """

    scale_factor: float | tuple[float, float] | None = None
    scale: int | tuple[int, int] | None = None
    keep_ratio: bool = False

    def __post_init__(self) -> None:
        arguments.flag('keep_ratio', self.keep_ratio)
        if (self.scale_factor is None) == (self.scale is None):
            raise Refusal(
                'give exactly one target: scale_factor (a number or a (w, h) pair) or scale ((w, h) in px), '
                f'got scale_factor={self.scale_factor!r} and scale={self.scale!r}'
                + (
                    ''
                    if self.scale is None
                    else '; a config that inherits one of them says scale_factor=None, or scale=None'
                )
            )
        if self.scale_factor is not None:
            _pair('scale_factor', self.scale_factor)
        else:
            whole_wh('scale', self.scale)

    def of(self, src_hw: Sequence[Length]) -> tuple[Length, Length]:
        """Return the target size of an image.

        Args:
            src_hw: Source size (h, w) in px. While a graph is recorded, a side may be open: a 0-dimensional tensor or a symbol.

        Returns:
            Target size (h, w) in px; open where the source size is. A graph cannot raise an error for a size: a side that
            rounds to 0 px is not found where the source size is open.

        Raises:
            ValueError: If a side rounds to 0 px, or the source size is not two whole numbers of at least 1.
        """
        is_open = is_tracing() and not are_known(*src_hw)
        h, w = src_hw if is_open else whole_hw('an image', src_hw)
        dst_w: Length
        dst_h: Length
        if self.scale is not None:
            dst_w, dst_h = whole_wh('scale', self.scale)
        else:
            factor_w, factor_h = _pair('scale_factor', self.scale_factor)
            dst_w, dst_h = _scaled(w, factor_w), _scaled(h, factor_h)
        if self.keep_ratio and (is_open or min(dst_w, dst_h) > 0):
            # mmcv's rescale_size, in its own floating-point steps so that roundings agree.
            ratio = smaller(
                ratio_of(larger(dst_w, dst_h), larger(h, w)), ratio_of(smaller(dst_w, dst_h), smaller(h, w))
            )
            dst_w, dst_h = _scaled(w, ratio), _scaled(h, ratio)
        if not is_open and min(dst_w, dst_h) < 1:
            raise Refusal(
                f'{self} makes {dst_w} x {dst_h} px (w x h) of an image of {w} x {h} px: ask for a larger target'
            )
        return dst_h, dst_w

    def __str__(self) -> str:
        target = f'scale={self.scale}' if self.scale_factor is None else f'scale_factor={self.scale_factor}'
        return f'{target}, keep_ratio={self.keep_ratio}'


def _scaled(length: Length, factor: Ratio) -> Length:
    if isinstance(length, Tensor):
        return (length.double() * factor + 0.5).floor().long()
    return math.floor(length * factor + 0.5)
