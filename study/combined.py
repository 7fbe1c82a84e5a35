"""Forms that join an importance with learned coefficients: is one of them worth having?

They are written with the product's own modules, not for speed. `study/configs/_arms_combined.py` compares them.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mmdownsize.ops import interpolate
from mmdownsize.registry import MODELS
from mmdownsize.resizers import DownsizeNet, FixedResizer, ImportanceResizer
from mmdownsize.resizers.base import BaseResizer


class Joined(BaseResizer):
    """Base of forms with a part that gives an importance.

    Args:
        importance: Settings of the :class:`~mmdownsize.resizers.ImportanceResizer`.
        net: Settings of the :class:`~mmdownsize.resizers.DownsizeNet`.
    """

    def __init__(self, importance: dict[str, Any], net: dict[str, Any]) -> None:
        super().__init__()
        self.importance = ImportanceResizer(**importance)
        self.net = DownsizeNet(**net)

    def reset_parameters(self) -> None:
        """Set all parameters to their state before training."""
        self.importance.reset_parameters()
        self.net.reset_parameters()


@MODELS.register_module()
class ImportantNeighbors(Joined):
    """DownsizeNet whose neighbour i has the importance of its source pixel added to its logit.

    ``out = sum a_i w_i x_i / sum a_i w_i``: the coefficients ``a`` of softmax or sigmoid, and the importance ``w``.
    """

    def resize(self, images: Tensor, dst_hw: tuple[int, int]) -> Tensor:
        """Resize checked images."""
        coefficients = self.net.coefficients(images, dst_hw)
        around = self.net._phases(images, dst_hw).around
        weights = self.importance.importance(images)
        sums = interpolate(torch.cat([weights * images, weights], 1), coefficients, around.rows, around.cols)
        return sums[:, :-1] / sums[:, -1:]


@MODELS.register_module()
class ImportancePlus(Joined):
    """What an importance adds to area, added to a DownsizeNet, whose coefficients may be negative.

    ``out = net + (A(w x) / A(w) - A(x))``, with A the area kernel. The sum of an output pixel's coefficients stays 1.

    Args:
        importance: Settings of the :class:`~mmdownsize.resizers.ImportanceResizer`, with the area kernel.
        net: Settings of the :class:`~mmdownsize.resizers.DownsizeNet`.
    """

    def __init__(self, importance: dict[str, Any], net: dict[str, Any]) -> None:
        super().__init__(importance, net)
        self.area = FixedResizer(kernel='area')

    def resize(self, images: Tensor, dst_hw: tuple[int, int]) -> Tensor:
        """Resize checked images."""
        return self.net(images, dst_hw) + self.importance(images, dst_hw) - self.area(images, dst_hw)
