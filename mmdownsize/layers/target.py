"""The target size of a layer: fixed, by a factor, or given by each call."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real

from torch import Tensor

from mmdownsize.refusal import Refusal


class Target:
    """The rule from the size of maps to their target size.

    Args:
        scale_factor: Factor for both sides, or for (h, w). Sizes are rounded down, as in ``nn.Upsample``.
        size: Target size in px, a side or (h, w), instead of ``scale_factor``. Without both, each call gives the size.

    Raises:
        ValueError: If one is not a number or a pair of numbers above 0, or both are given.
    """

    def __init__(self, scale_factor: float | Sequence[float] | None, size: int | Sequence[int] | None) -> None:
        if scale_factor is not None and size is not None:
            raise Refusal(f'give scale_factor or size, not both: got {scale_factor!r} and {size!r}')
        self.scale_factor = None if scale_factor is None else _pair('scale_factor', scale_factor)
        self.size = None if size is None else _pair('size', size)

    def of(self, maps: Tensor) -> Sequence[float]:
        """Return the target size (h, w) of maps (N, C, H, W).

        Raises:
            ValueError: If there is no rule.
        """
        if self.size is not None:
            return self.size
        if self.scale_factor is None:
            raise Refusal('no target size: call the layer as layer(maps, (h, w)), or set scale_factor or size')
        return [math.floor(side * factor) for side, factor in zip(maps.shape[-2:], self.scale_factor)]


def _pair(name: str, value: float | Sequence[float]) -> tuple[float, float]:
    pair = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value, value)
    if len(pair) != 2 or not all(isinstance(side, Real) and 0 < side < math.inf for side in pair):
        raise Refusal(f'{name} must be a number above 0 or a pair (h, w) of them, got {value!r}')
    return pair
