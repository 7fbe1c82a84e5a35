"""Arrays and tensors to the batches that resizers take, and back to the dtype and the layout that came in."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmdownsize.refusal import Refusal, TypeRefusal
from mmdownsize.resizers import BaseResizer

COLOURS = ('rgb', 'bgr')
CHANNELS = (1, 3, 4)  # of grey, colour and colour with alpha
MANY = 32  # with more than this along the last axis, and CHANNELS along the first, the axes are in another order
# What values an integer image has if nobody says.
RANGES = {'uint8': (0.0, 255.0), 'uint16': (0.0, 65535.0)}


@dataclass(frozen=True)
class Resize:
    """How an image is resized, whatever it is kept in.

    Attributes:
        target: Returns the target size (h, w) of a source size (h, w), in px.
        resizer: Called as ``resizer(images, (h, w))``.
        colour: Order of the channels of images with three: ``'rgb'`` or ``'bgr'``.
        value_range: (lowest, highest) value of the images; None: see :data:`RANGES`. Those of floats are then the resizer's.
    """

    target: Callable[[Sequence[int]], tuple[Any, Any]]
    resizer: nn.Module
    colour: str = 'rgb'
    value_range: tuple[float, float] | None = None

    def of_array(self, image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return a resized array.

        Args:
            image: (H, W), (H, W, C) or (N, H, W, C), integers or floats.

        Returns:
            The same with (h, w) for (H, W), contiguous, of the same dtype. Integers are rounded, and limited to the values
            that they can have.

        Raises:
            ValueError: If it cannot be an image.
        """
        if image.dtype.kind not in 'uif':
            raise TypeRefusal(f'an image has integers or floats, got an array of {image.dtype}: image.astype("uint8")')
        _check_shape(image.shape, channels_at=-1)
        work = _work_dtype(image.dtype.name, image.dtype.kind == 'f', image.dtype.itemsize)
        # A copy where PyTorch cannot take the array: read-only, another byte order, or strides below 0.
        source = torch.from_numpy(np.require(image, work, ['C', 'W']))
        images = source[None, ..., None] if image.ndim == 2 else source[None] if image.ndim == 3 else source
        device = next((parameter.device for parameter in self.resizer.parameters()), None)
        with torch.no_grad():
            out = self._of_images(images.movedim(-1, 1).to(device), image.dtype.name).cpu()
            if image.dtype.kind != 'f':
                info = np.iinfo(image.dtype)
                out = self._whole(out, info.min, info.max)
        resized = out.movedim(1, -1).numpy().reshape(*image.shape[:-3], *out.shape[2:], *image.shape[2:][-1:])
        return np.ascontiguousarray(resized.astype(image.dtype))

    def of_tensor(self, image: Tensor) -> Tensor:
        """Return a resized tensor, on its device.

        Args:
            image: (H, W), (C, H, W) or (N, C, H, W), integers or floats.

        Returns:
            The same with (h, w) for (H, W), of the same dtype, integers as in :meth:`of_array`. Floats are differentiable.

        Raises:
            ValueError: If it cannot be an image.
        """
        if image.dtype == torch.bool or image.is_complex() or image.is_quantized:
            raise TypeRefusal(f'an image has integers or floats, got a tensor of {image.dtype}: image.to(torch.uint8)')
        _check_shape(image.shape, channels_at=-3)
        name = str(image.dtype).removeprefix('torch.')
        work = getattr(torch, _work_dtype(name, image.is_floating_point(), image.element_size()))
        images = image.to(work).reshape(*[1] * (4 - image.ndim), *image.shape)
        out = self._of_images(images, name)
        if not image.is_floating_point():
            info = torch.iinfo(image.dtype)
            out = self._whole(out, info.min, info.max)
        return out.to(image.dtype).reshape(*image.shape[:-2], *out.shape[2:])

    def _of_images(self, images: Tensor, dtype: str) -> Tensor:
        """Return resized images (N, C, h, w) of (N, C, H, W), uint8 or float."""
        channels = int(images.shape[1])
        taken = getattr(self.resizer, 'in_channels', channels)
        grey = channels == 1 and taken != 1
        if channels != taken and not grey:
            raise Refusal(
                f'this {type(self.resizer).__name__} takes images of {taken} channels, got {channels}: '
                "give it the colours alone, or take a fixed kernel such as resizer='lanczos_antialias'"
            )
        order = getattr(self.resizer, 'color_order', None)
        turned = channels == 3 and order is not None and order.lower() != self.colour
        source = images.flip(1) if turned else images.expand(-1, taken, -1, -1) if grey else images
        gain, offset = self._to_own_values(dtype)
        is_mapped = (gain, offset) != (1, 0)
        if is_mapped or not isinstance(self.resizer, BaseResizer):  # which takes bytes
            source = source.to(torch.promote_types(images.dtype, torch.float32)) * gain + offset
        dst_hw = self.target(tuple(images.shape[2:]))
        with _evaluating(self.resizer):
            out = self.resizer(source, dst_hw)
        if not isinstance(out, Tensor) or out.shape != (*source.shape[:2], *dst_hw):
            found = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
            raise Refusal(
                f'a resizer returns images (N, C, h, w), here {(*source.shape[:2], *dst_hw)}, and '
                f'{type(self.resizer).__name__} has returned {found}'
            )
        out = (out - offset) / gain if is_mapped else out
        return out.flip(1) if turned else out.mean(1, keepdim=True) if grey else out

    def _to_own_values(self, dtype: str) -> tuple[float, float]:
        """Return (gain, offset): ``gain * image + offset`` has the values that the resizer is made for."""
        own = getattr(self.resizer, 'value_range', None)
        given = self.value_range or RANGES.get(dtype)
        if own is None or (given is None and 'int' not in dtype):
            return 1, 0
        if given is None:
            raise Refusal(
                f'nobody can know the range of an image of {dtype}, and this {type(self.resizer).__name__} has to: '
                'say value_range=(lowest, highest)'
            )
        gain = (own[1] - own[0]) / (given[1] - given[0])
        return gain, own[0] - gain * given[0]

    def _whole(self, out: Tensor, lowest: float, highest: float) -> Tensor:
        if self.value_range is not None:
            lowest, highest = max(lowest, self.value_range[0]), min(highest, self.value_range[1])
        if int(float(highest)) > highest:  # of 64 bits, which are more than a float has
            highest = math.nextafter(float(highest), 0)
        return out.round().clamp(lowest, highest)


def _work_dtype(name: str, floating: bool, size: int) -> str:
    """Return the dtype that an image is resized in: float32 where it holds all its values."""
    if name == 'uint8':
        return name
    return 'float32' if size <= (4 if floating else 2) else 'float64'


def _check_shape(shape: Sequence[int], channels_at: int) -> None:
    wanted = {-1: '(H, W), (H, W, C) or (N, H, W, C)', -3: '(H, W), (C, H, W) or (N, C, H, W)'}[channels_at]
    if len(shape) not in (2, 3, 4) or 0 in shape[-3:]:
        raise Refusal(f'an image must be {wanted}, with at least one pixel, got {tuple(shape)}')
    if len(shape) > 2:
        channels, other = shape[channels_at], shape[-4 - channels_at]
        if channels > MANY and other in CHANNELS:
            way_out = 'np.moveaxis(image, -3, -1)' if channels_at == -1 else 'image.movedim(-1, -3)'
            raise Refusal(f'an image must be {wanted}, and {tuple(shape)} would have {channels} channels: {way_out}')


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Have all parts of a module in evaluation mode, and each in its own one afterwards."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode
