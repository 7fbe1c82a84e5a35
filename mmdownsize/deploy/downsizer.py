"""A resizer with its target, as a module that can be recorded."""

from __future__ import annotations

import copy

from torch import Tensor, nn

from mmdownsize.geometry import TargetSize
from mmdownsize.ops import is_tracing
from mmdownsize.refusal import TypeRefusal
from mmdownsize.resizers import BaseResizer, DownsizeNet, ImportanceResizer


class Downsizer(nn.Module):
    """Images in, downsized images out.

    ``torch.jit.trace``, ``torch.export`` and ONNX export record it for any batch and any source size (docs/deploy.md).

    Args:
        resizer: A resizer of mmdownsize. The module keeps a copy of it, in evaluation mode.
        target: The target size, or the rule from source size to target size.
        swap_colors: Whether images come in RGB and the resizer was trained on BGR, or the other way round. Results have the
            order of the images.

    Raises:
        TypeRefusal: If the resizer is not one of mmdownsize's.
    """

    outputs = ('downsized',)

    def __init__(self, resizer: nn.Module, target: TargetSize, *, swap_colors: bool = False) -> None:
        super().__init__()
        if not isinstance(resizer, BaseResizer):
            raise TypeRefusal(
                f'the downsizer is a {type(resizer).__name__}, which is none of mmdownsize: nobody knows whether it can be '
                'recorded for any size; export it with its own tools'
            )
        self.resizer = copy.deepcopy(resizer).eval().requires_grad_(False)
        if isinstance(self.resizer, DownsizeNet | ImportanceResizer) and self.resizer.backend == 'native':
            self.resizer.backend = 'auto'  # a compiled library cannot be recorded
        self.target = target
        self.swap_colors = swap_colors

    def forward(self, images: Tensor) -> Tensor:
        """Downsize a batch.

        Args:
            images: (N, C, H, W), uint8 or floating point in 0..255.

        Returns:
            (N, C, h, w), floating point in 0..255.
        """
        images = swapped(images) if self.swap_colors else images
        dst_hw = self.target.of((images.shape[2], images.shape[3]))
        if is_tracing():  # without the checks: values are not known yet
            small = self.resizer.resize(images if images.is_floating_point() else images.float(), dst_hw)
        else:
            small = self.resizer(images, dst_hw)
        return swapped(small) if self.swap_colors else small

    def reference(self, images: Tensor) -> Tensor:
        """Return the result that a recording of the module is compared with.

        A recording computes positions exactly. PyTorch's own resizing of float32 images rounds positions to float32, and values
        then differ by up to about 0.02. Resizers that use it are therefore compared in float64.

        Args:
            images: (N, C, H, W), uint8 or floating point in 0..255.

        Returns:
            (N, C, h, w), float32 in 0..255.
        """
        if isinstance(self.resizer, DownsizeNet | ImportanceResizer):
            return self(images)
        return copy.deepcopy(self).double()(images.double()).float()


def swapped(images: Tensor) -> Tensor:
    """Return images (N, 3, H, W) with their first and last channel exchanged."""
    return images[:, [2, 1, 0]]
