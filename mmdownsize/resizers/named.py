"""Resizers by one name, as command lines and plain Python give it: a fixed kernel, trained weights, or a file of them."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from mmdownsize.ops.kernels import preferred_name
from mmdownsize.refusal import Refusal
from mmdownsize.resizers import io
from mmdownsize.resizers.base import BaseResizer
from mmdownsize.resizers.downsize_net import DownsizeNet
from mmdownsize.resizers.fixed import EXTREMES, NAMES, FixedResizer
from mmdownsize.resizers.importance import ImportanceResizer
from mmdownsize.resizers.learned_resizer import LearnedResizer
from mmdownsize.resizers.muller import MullerResizer
from mmdownsize.resizers.trainable import TrainableResizer

FIXED = {
    'nearest': 'the nearest source pixel: for label maps, and images of few colours',
    'bilinear': "what cv2 and mmcv's Resize do: no antialiasing",
    'triangle': "bilinear with antialiasing, PIL's BILINEAR",
    'area': "the mean over the area of each output pixel, cv2's INTER_AREA",
    'sharp_area': 'area less its blur: often the best at a third of the size',
    'bicubic': "cv2's INTER_CUBIC: no antialiasing",
    'bicubic_antialias': "bicubic with antialiasing, PIL's BICUBIC",
    'lanczos': "cv2's INTER_LANCZOS4: no antialiasing",
    'lanczos_antialias': "Lanczos with antialiasing, PIL's LANCZOS",
    'darkest': 'the darkest source pixel: keeps thin dark things',
    'brightest': 'the brightest source pixel: keeps thin bright things',
}
"""The name of each fixed kernel, and what it is in a few words."""

_SETTINGS = {name: (kernel, stretched) for (kernel, stretched), name in NAMES.items()}
_SETTINGS.update({name: (name, False) for name in EXTREMES})
_KINDS: dict[str, type[TrainableResizer]] = {
    kind.__name__: kind for kind in (DownsizeNet, ImportanceResizer, LearnedResizer, MullerResizer)
}


def resizer_named(name: str | Path) -> BaseResizer:
    """Return a resizer, frozen if it is a trained one.

    Args:
        name: A kernel of :data:`FIXED`, or the name of a fragment of ``configs/_base_/downsize`` that is one; a name of
            :func:`mmdownsize.list_pretrained`; or the path of a file that ``tools/extract_downsizer.py`` or ``save_pretrained``
            has written.

    Raises:
        ValueError: If there is none of that name: says which comes close, or else all; or if the file is not a trained resizer.
        FileNotFoundError: If it is a path, and there is no such file.
    """
    if not isinstance(name, str | Path) or not str(name):
        raise Refusal(f'a resizer is a name or a path, got {name!r}; known names: {", ".join(_known())}')
    kernel = preferred_name(str(name))
    if kernel in _SETTINGS:
        plain, stretched = _SETTINGS[kernel]
        return FixedResizer(plain, antialias=stretched)
    path = Path(name)
    if str(name) in io.list_pretrained() or path.suffix or len(path.parts) > 1 or path.is_file():
        kind = io.load(name).kind
        if kind not in _KINDS:
            raise Refusal(f'{name} holds a {kind}, which is not a resizer: those are {", ".join(_KINDS)}')
        return _KINDS[kind].from_pretrained(name, frozen=True)
    near = get_close_matches(str(name), _known(), n=1)
    way_out = f'did you mean {near[0]!r}?' if near else f'known are {", ".join(_known())}, or FILE.safetensors'
    raise Refusal(f'unknown resizer {str(name)!r}: {way_out}')


def _known() -> list[str]:
    return [*FIXED, *io.list_pretrained()]


def card(name: str) -> list[str]:
    """Return what is known of trained weights, in a few lines.

    Args:
        name: A name or path, as for :func:`resizer_named`.
    """
    saved = io.load(name)
    about = [saved.kind, f'{sum(weight.numel() for weight in saved.state.values()):,} parameters']
    if saved.scale_factors is not None:
        about.append('for a factor of ' + ' to '.join(f'{factor:.2g}' for factor in dict.fromkeys(saved.scale_factors)))
    about.append(f'trained on {saved.color_order} images' if saved.color_order else 'order of colours not known')
    told = [
        f'{key.replace("_", " ")}: {saved.provenance[key]}' for key in ('fitted_to', 'data') if key in saved.provenance
    ]
    return [', '.join(about), *told]
