"""PIL images: which modes are resized as they are, which become another one, and how transparency is kept apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from mmdownsize.images.arrays import RANGES, Resize
from mmdownsize.refusal import Refusal
from mmdownsize.resizers import FixedResizer, TrainableResizer

AS_THEY_ARE = ('L', 'RGB', 'I', 'F', 'I;16', 'I;16L', 'I;16B', 'I;16N')
WITH_ALPHA = {'RGBA': 'RGB', 'LA': 'L'}
# Modes of few colours, or with one transparent colour, lack the colours between. (mode, has one): a mode that has them.
BECOME = {
    ('1', False): 'L',
    ('P', False): 'RGB',
    ('P', True): 'RGBA',
    ('PA', False): 'RGBA',
    ('PA', True): 'RGBA',
    ('L', True): 'LA',
    ('RGB', True): 'RGBA',
}


def resized(image: Image.Image, resize: Resize) -> Image.Image:
    """Return a resized PIL image, with what it knows of itself (``info``, such as a colour profile).

    Args:
        image: The image. One with a palette stays so with the kernel ``'nearest'``; with all others it becomes RGB, or RGBA.
            Colours are weighed by their alpha, so that those of transparent pixels do not bleed.
        resize: How.

    Raises:
        ValueError: If its mode is another one, such as CMYK; or if it has transparent pixels and the resizer is a learned one.
    """
    nearest = isinstance(resize.resizer, FixedResizer) and resize.resizer.kernel == 'nearest'
    if image.mode == 'P' and nearest:
        indices = resize.of_array(np.asarray(image))
        out = Image.frombytes('P', indices.shape[::-1], indices.tobytes())
        palette: Any = image.palette  # there is one: the mode is P
        colours: Any = image.getpalette(palette.mode)
        out.putpalette(colours, palette.mode)
        out.info = dict(image.info)
        return out
    mode = BECOME.get((image.mode, 'transparency' in image.info), image.mode)
    source = image if mode == image.mode else image.convert(mode)
    if mode in WITH_ALPHA:
        out = _with_alpha(source, resize)
    elif mode in AS_THEY_ARE:
        out = Image.fromarray(resize.of_array(np.asarray(source)))
    else:
        raise Refusal(f"an image of mode {mode} is not resized as it is: image.convert('RGB') makes one that is")
    out.info = dict(source.info)
    return out


def _with_alpha(image: Image.Image, resize: Resize) -> Image.Image:
    alpha = np.asarray(image.getchannel('A'))
    colours = np.asarray(image.convert(WITH_ALPHA[image.mode]))
    if alpha.min() == 255:
        small = resize.of_array(colours)
        return _stacked(small, np.full(small.shape[:2], 255, np.uint8), image.mode)
    if isinstance(resize.resizer, TrainableResizer):  # what it reads in the alpha is not what it reads in the colours
        kind = type(resize.resizer).__name__
        raise Refusal(
            f'a {kind} would not resize colours and alpha alike, and this {image.mode} image has transparent pixels: take a '
            "fixed kernel such as 'lanczos_antialias', or image.convert('RGB')"
        )
    resize = replace(resize, value_range=resize.value_range or RANGES['uint8'])  # also of floats
    opacity = resize.of_array(alpha.astype(np.float32)).clip(0, 255)
    weighed = colours * (alpha / np.float32(255)).reshape(*alpha.shape, *[1] * (colours.ndim - 2))
    by = np.maximum(opacity, 1) / 255  # what is less visible than one level is not visible
    small = resize.of_array(weighed.astype(np.float32)) / by.reshape(*by.shape, *[1] * (colours.ndim - 2))
    return _stacked(small.round().clip(0, 255).astype(np.uint8), opacity.round().astype(np.uint8), image.mode)


def _stacked(colours: np.ndarray[Any, Any], alpha: np.ndarray[Any, Any], mode: str) -> Image.Image:
    bands = [*np.moveaxis(colours.reshape(*alpha.shape, -1), -1, 0), alpha]
    return Image.merge(mode, [Image.fromarray(np.ascontiguousarray(band)) for band in bands])
