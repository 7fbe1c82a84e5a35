"""Resizing with a fixed kernel, the baseline of every comparison."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mmdownsize import arguments
from mmdownsize.ops import axis_weights, get_kernel, neighbor_indices
from mmdownsize.ops.lengths import are_known
from mmdownsize.ops.shift import read_shifted
from mmdownsize.refusal import Refusal
from mmdownsize.resizers.base import BaseResizer

# (kernel, antialias): PyTorch's own mode where it has one, else the name of a kernel in mmdownsize.ops.
_TORCH = {
    ('nearest', False): 'nearest-exact',
    ('bilinear', False): 'bilinear',
    ('bilinear', True): 'bilinear',
    ('bicubic', False): 'bicubic',
    ('bicubic', True): 'bicubic',
}
_OURS = {
    ('bilinear', True): 'triangle',
    ('bicubic', True): 'bicubic_antialias',
    ('area', False): 'area',
    ('sharp_area', False): 'sharp_area',
    ('lanczos', False): 'lanczos',
    ('lanczos', True): 'lanczos_antialias',
}


def _resample(images: Tensor, dim: int, weights: Tensor, indices: Tensor) -> Tensor:
    if not are_known(weights.shape[0]):  # recorded for any number of neighbours: all of them at once
        sides = (*images.shape[:dim], *weights.shape, *images.shape[dim + 1 :])  # dim becomes (K, dst)
        by_tap = images.index_select(dim, indices.flatten()).view(sides)
        return (by_tap * weights.view(*weights.shape, *[1] * (images.ndim - dim - 1))).sum(dim)
    shape = [1] * images.ndim
    shape[dim] = -1
    out = images.index_select(dim, indices[0]) * weights[0].view(shape)
    for index, weight in zip(indices[1:], weights[1:]):
        out = torch.addcmul(out, images.index_select(dim, index), weight.view(shape))
    return out


class FixedResizer(BaseResizer):
    """Resize with a kernel that does not depend on the image.

    Each kernel equals its reference, up to rounding. Nearest, bilinear and bicubic equal
    ``torch.nn.functional.interpolate`` (nearest its ``nearest-exact``, the others with ``align_corners=False``), and with
    antialiasing also PIL. Area equals cv2's ``INTER_AREA`` when downsizing. Lanczos equals cv2's ``INTER_LANCZOS4``, with
    antialiasing PIL's ``LANCZOS``. The kernel sharp_area, area without its blur, is ours (:data:`mmdownsize.ops.KERNELS`).

    Args:
        kernel: ``'nearest'``, ``'bilinear'``, ``'bicubic'``, ``'area'``, ``'sharp_area'`` or ``'lanczos'``.
        antialias: Stretch the kernel by the scale when downsizing. Only for bilinear (this is the kernel ``'triangle'`` of
            :class:`DownsizeNet`), bicubic and lanczos: area and sharp_area cover the whole output pixel anyway.
        shift: (down, right) in source px, integers: every output pixel is read this much further down and right, so the
            content moves up and left. The edge is repeated. Boxes and labels stay where they are. A finished model whose
            strides do not divide its input may see objects some pixels off; a shift makes up for that.
            ``tools/rank_resizers.py`` finds how much without labels.
        init_cfg: Accepted for uniformity; there are no parameters.

    Raises:
        ValueError: If there is no such kernel, or none with antialiasing; ``antialias`` is not True or False; or ``shift`` is
            not a pair of integers. When an image is resized: if the shift is as long as the image.

    Attributes:
        read_offset_yx: ``shift``; see :func:`mmdownsize.ops.shift.read_shifted`.
    """

    def __init__(
        self,
        *,
        kernel: str = 'bilinear',
        antialias: bool = False,
        shift: Sequence[int] = (0, 0),
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        modes = {**_TORCH, **_OURS}
        arguments.choice('kernel', kernel, [name for name, stretched in modes if not stretched])
        if (kernel, arguments.flag('antialias', antialias)) not in modes:
            raise Refusal(f'antialias=True has no meaning for kernel={kernel!r}: leave it out')
        self.kernel = kernel
        self.antialias = antialias
        self.read_offset_yx = arguments.integers('shift', shift, '(down, right)')

    def resize(self, images: Tensor, dst_hw: tuple[int, int]) -> Tensor:
        """Resize checked images: see :meth:`forward`."""
        if any(are_known(side) and abs(by) >= side for by, side in zip(self.read_offset_yx, images.shape[2:])):
            raise Refusal(f'shift={self.read_offset_yx} leaves nothing of images of {tuple(images.shape[2:])}')
        images = read_shifted(images, self.read_offset_yx)
        # Half precision holds 0..255 in steps of 1: sums are made in float32.
        source = images.float() if images.element_size() < 4 else images
        key = (self.kernel, self.antialias)
        if len(images) == 0:
            out = source.new_empty((0, images.shape[1], *dst_hw))
        elif key in _TORCH and not torch.onnx.is_in_onnx_export() and not (self.antialias and dst_hw[1] == 1):
            # (PyTorch 2.13 repeats the first row in an antialiased resize to a width of 1. And runtimes differ in what
            # they make of ONNX's Resize, so that it is not exported as such.)
            out = F.interpolate(source, size=dst_hw, mode=_TORCH[key], antialias=self.antialias)
        else:
            kernel, out = get_kernel(_OURS.get(key, self.kernel)), source
            for dim, dst in zip((2, 3), dst_hw):
                weights = axis_weights(kernel, images.shape[dim], dst).to(source)
                indices = neighbor_indices(images.shape[dim], dst, weights.shape[0]).to(source.device)
                out = _resample(out, dim, weights, indices)
        return out.to(images.dtype)

    def extra_repr(self) -> str:
        """Return the settings for ``repr``."""
        return f'kernel={self.kernel!r}, antialias={self.antialias}' + (
            f', shift={self.read_offset_yx}' if any(self.read_offset_yx) else ''
        )
