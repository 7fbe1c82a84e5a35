"""One call that resizes an image, whatever it is kept in."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image
from torch import Tensor, nn

from mmdownsize import arguments
from mmdownsize.geometry.size import TargetSize, whole_wh
from mmdownsize.images import pil
from mmdownsize.images.arrays import COLOURS, Resize
from mmdownsize.refusal import Refusal, TypeRefusal
from mmdownsize.resizers.io import list_pretrained
from mmdownsize.resizers.named import resizer_named

AnImage = TypeVar('AnImage', Image.Image, 'np.ndarray[Any, Any]', Tensor)


def resize_image(
    image: AnImage,
    size: int | tuple[int, int] | None = None,
    *,
    scale_factor: float | tuple[float, float] | None = None,
    resizer: str | Path | nn.Module = 'area',
    colour: str = 'rgb',
    value_range: tuple[float, float] | None = None,
) -> AnImage:
    """Return a resized image, of the kind that is given.

    Args:
        image: A PIL image; an array (H, W), (H, W, C) or (N, H, W, C); or a tensor (H, W), (C, H, W) or (N, C, H, W).
            Integers are rounded and limited to what their dtype holds, floats stay as they come.
        size: (w, h) in px, or one integer for a square. Either this or ``scale_factor`` is given.
        scale_factor: Factor of both sides, or (w, h).
        resizer: Name of a fixed kernel or of trained weights (``mmdownsize list`` shows both), the path of a file of weights, or
            a module that is called as ``module(images, (h, w))``; it is in evaluation mode meanwhile.
        colour: Order of three channels, ``'rgb'`` or ``'bgr'`` (cv2's). Trained weights get the order that they were trained
            on; the result has this one.
        value_range: (lowest, highest) value of the image, for weights that were trained on another one. None: 0 to 255 of uint8,
            0 to 65535 of uint16, and what the resizer is made for of floats, 0 to 255 by default.

    Returns:
        The same kind, dtype and layout. Floats in a tensor are differentiable.

    Raises:
        ValueError: If an argument cannot work.

    Example:
        >>> resize_image(np.zeros((300, 400, 3), np.uint8), scale_factor=0.5).shape
        (150, 200, 3)
    """
    if not isinstance(image, Image.Image | np.ndarray | Tensor):
        raise TypeRefusal(
            f'an image is a PIL image, a NumPy array or a tensor, got {type(image).__name__}; of a file: PIL.Image.open'
        )
    resize = how(size, scale_factor, resizer, colour, value_range)
    if isinstance(image, Image.Image):
        if colour != 'rgb':
            raise Refusal(f'a PIL image is RGB, got colour={colour!r}: leave it out, or give the array')
        return pil.resized(image, resize)
    if isinstance(image, np.ndarray):
        return resize.of_array(image)
    if isinstance(resizer, str | Path):
        resize.resizer.to(image.device)
    return resize.of_tensor(image)


def how(
    size: int | tuple[int, int] | None,
    scale_factor: float | tuple[float, float] | None,
    resizer: str | Path | nn.Module,
    colour: str = 'rgb',
    value_range: tuple[float, float] | None = None,
) -> Resize:
    """Return how images are resized, with arguments as in :func:`resize_image`, all of them checked.

    Raises:
        ValueError: If one cannot work.
    """
    if (size is None) == (scale_factor is None):
        raise Refusal(
            'say size=(w, h) in px or scale_factor, one of the two, '
            f'got size={size!r} and scale_factor={scale_factor!r}'
        )
    target = TargetSize(scale_factor=scale_factor) if size is None else TargetSize(scale=whole_wh('size', size))
    arguments.choice('colour', colour, COLOURS)
    limits = None if value_range is None else arguments.value_range(value_range)
    if not isinstance(resizer, nn.Module):
        resizer = _shipped(resizer) if resizer in list_pretrained() else resizer_named(resizer)
    return Resize(target.of, resizer, colour, limits)


@cache
def _shipped(name: str) -> nn.Module:
    return resizer_named(name)
