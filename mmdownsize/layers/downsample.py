"""ImportanceResizer as a layer: pools feature maps of any number of channels, to any size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from mmdownsize.layers.sealed import Sealed
from mmdownsize.layers.target import Target
from mmdownsize.registry import MODELS
from mmdownsize.resizers import ImportanceResizer


@MODELS.register_module()
class ImportanceDownsample(Sealed, ImportanceResizer):
    """Pool feature maps with an importance that a small CNN computes from them, one for every position.

    The mathematics is that of :class:`~mmdownsize.resizers.ImportanceResizer`. Before training the layer equals
    ``F.avg_pool2d`` at whole ratios, up to rounding, and the area kernel at others. Every output is a weighted mean of the
    positions that it covers, so a channel stays inside its range. The backward pass keeps the maps and nothing else of their
    size.

    Args:
        in_channels: Channels C of the maps.
        scale_factor: Factor for both sides, or for (h, w): 0.5 is a stride of 2. Sizes are rounded down.
        size: Target size in px, a side or (h, w), instead of ``scale_factor``. Without both, each call gives the size.
        settings: Other arguments of ImportanceResizer: ``num_convs``, ``channels``, ``dilation``, ``kernel``, ``limit``,
            ``per_channel``, ``frozen``, ``backend``.

    Raises:
        ValueError: If an argument is out of its range, or both ``scale_factor`` and ``size`` are given.

    Source: Gao et al., "LIP: Local Importance-based Pooling", 2019. The kernel, the exact start and any ratio are ours.
    """

    CHECKS_RANGE = False  # maps have none

    def __init__(
        self,
        *,
        in_channels: int,
        scale_factor: float | Sequence[float] | None = None,
        size: int | Sequence[int] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__(in_channels=in_channels, value_range=(-1.0, 1.0), **settings)  # maps are not normalised
        self.target = Target(scale_factor, size)

    def forward(self, maps: Tensor, dst_hw: Sequence[int] | None = None) -> Tensor:
        """Pool maps (N, C, H, W) to (N, C, h, w). Without ``dst_hw`` = (h, w) to ``size``, or by ``scale_factor``."""
        return super().forward(maps, self.target.of(maps) if dst_hw is None else dst_hw)

    def extra_repr(self) -> str:
        """Return the settings for ``repr``."""
        return f'in_channels={self.in_channels}, scale_factor={self.target.scale_factor}, {super().extra_repr()}'
