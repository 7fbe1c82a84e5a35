"""Base class of all resizers: one call that checks its arguments."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from mmdownsize.arguments import check_keywords
from mmdownsize.refusal import Refusal, TypeRefusal

Resizer = TypeVar('Resizer', bound='BaseResizer')


class BaseResizer(nn.Module):
    """Base of all resizers; a subclass writes :meth:`resize`.

    Args:
        init_cfg: Initialisation in mmengine's form, applied by the data preprocessor after :meth:`reset_parameters`. A
            resizer that is used alone ignores it.

    Attributes:
        reads_bytes: Whether :meth:`resize` takes uint8 images as they are. If not, they are converted to float32 before.
    """

    reads_bytes = False

    def __new__(cls: type[Resizer], *args: Any, **settings: Any) -> Resizer:
        """Check the names of the settings: Python's own message does not name the one that comes close.

        Raises:
            TypeError: If a setting has no taker.
        """
        check_keywords(cls.__name__, settings, cls.__init__)
        return super().__new__(cls)

    def __init__(self, init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None) -> None:
        super().__init__()
        self.init_cfg = init_cfg

    def forward(self, images: Tensor, dst_hw: int | Sequence[int]) -> Tensor:
        """Resize a batch of images.

        Args:
            images: (N, C, H, W), floating point or uint8, in the value range that the resizer was made for (0..255 by
                default). N may be 0.
            dst_hw: Target size (h, w) in px, smaller or larger than (H, W), each at least 1; one number for a square.

        Returns:
            (N, C, h, w), dtype of ``images``; float32 for uint8.

        Raises:
            TypeError: If ``images`` is not a floating-point or uint8 tensor.
            ValueError: If ``images`` is not 4-dimensional or has no pixels, or ``dst_hw`` is not two integers of at
                least 1.
        """
        if not isinstance(images, Tensor) or not (images.is_floating_point() or images.dtype == torch.uint8):
            found = images.dtype if isinstance(images, Tensor) else type(images).__name__
            raise TypeRefusal(
                f'images must be a floating-point or uint8 tensor, got {found}; call images.float() first'
            )
        if images.ndim != 4 or 0 in images.shape[1:]:
            raise Refusal(f'images must be (N, C, H, W) with at least one channel and pixel, got {tuple(images.shape)}')
        h, w = _whole(dst_hw)
        if images.dtype == torch.uint8 and not self.reads_bytes:
            images = images.float()
        return self.resize(images, (h, w))

    def resize(self, images: Tensor, dst_hw: tuple[int, int]) -> Tensor:
        """Resize checked images: see :meth:`forward`. They are uint8 only with :attr:`reads_bytes`."""
        raise NotImplementedError

    def __prepare_scriptable__(self) -> BaseResizer:
        """Raise an error for ``torch.jit.script``, which calls this. It would fail later with a message about types.

        Raises:
            TypeError: Always.
        """
        raise TypeRefusal(
            f'{type(self).__name__} cannot be compiled by torch.jit.script; torch.jit.trace records it for images of any '
            'size (docs/deploy.md)'
        )

    def reset_parameters(self) -> None:
        """Set all parameters to their state before training."""


def _whole(dst_hw: Any) -> tuple[int, int]:
    if isinstance(dst_hw, Integral) and not isinstance(dst_hw, bool):
        dst_hw = (dst_hw, dst_hw)
    if isinstance(dst_hw, str) or not hasattr(dst_hw, '__len__'):
        raise Refusal(f'the target size must be (h, w), or one integer for a square, got {dst_hw!r}')
    if len(dst_hw) != 2 or any(int(side) != side or side < 1 for side in dst_hw):
        raise Refusal(f'the target size must be (h, w), two integers of at least 1, got {tuple(dst_hw)}')
    h, w = dst_hw
    return int(h), int(w)
