"""What to do where a model cannot take the images that a downsizer makes: the model's own error says it.

Strides that do not divide a size, a position embedding of a fixed size and feature maps that vanish all end in an error about
tensors somewhere inside a network. Which it was is found out by asking the network about other sizes, after it has failed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from mmdownsize.refusal import Refusal

DIVISORS = (2, 4, 8, 16, 32, 64, 128)
LARGER = (128, 256)
# What backbones with a position embedding, or attention of a fixed size, call the size that they are made for.
FIXED = ('img_size', 'image_size', 'input_size', 'pretrain_img_size')


def explain_misfits(model: nn.Module) -> None:
    """Have a model whose forward fails on downsized images say in its error which sizes it takes.

    Args:
        model: A model that holds a preprocessor with a downsizer. A second call adds nothing.
    """
    if _explain not in model._forward_hooks.values():
        model.register_forward_hook(_explain, with_kwargs=True, always_call=True)


def way_out(model: nn.Module, images: Tensor, padding: Callable[[int], str]) -> str | None:
    """Return which sizes a model takes, if it does not take that of some images.

    Args:
        model: A model of mmdet or mmseg.
        images: (N, C, h, w), what the preprocessor has made.
        padding: Gives the preprocessor's settings that pad to multiples of a number.

    Returns:
        A sentence without a full stop; None if the model takes the size, or none is found that it takes.
    """
    h, w = images.shape[-2:]
    with _asking(model):

        def takes(hw: tuple[int, int]) -> bool:
            try:
                _features(model, images.new_zeros((1, images.shape[1], *hw)))
            except Exception:  # a model may fail in any way
                return False
            return True

        if not hasattr(model, 'extract_feat') or takes((h, w)):
            return None
        said = f'the network takes no images of {h}x{w} px (h x w), which the downsizer makes'
        for more in LARGER:  # with the same remainder by every divisor
            if takes((h + more, w + more)):
                return f'{said}, it takes {h + more}x{w + more}: ask for a larger target'
        for divisor in DIVISORS:
            up = (-(-h // divisor) * divisor, -(-w // divisor) * divisor)
            # The next size as well: 217 px padded to a multiple of 8 are one of 32 by chance.
            if takes(up) and takes((up[0] + divisor, up[1] + divisor)):
                return (
                    f'{said}, it takes {up[0]}x{up[1]}: say {padding(divisor)} in data_preprocessor, or choose a target '
                    f'whose sides are multiples of {divisor}'
                )
        for kind, hw in _fixed_sizes(model):
            if takes(hw):
                return (
                    f'{said}: {kind} is made for {hw[0]}x{hw[1]}. Have the downsizer make that: say scale=({hw[1]}, {hw[0]}) '
                    'in place of the target, and have the pipeline deliver larger images'
                )
    return None


def _explain(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
    """A forward hook: PyTorch calls it while it handles the error of a forward that failed."""
    error = sys.exc_info()[1]
    images = kwargs.get('inputs', args[0] if args else None)
    if output is not None or not isinstance(error, Exception) or not isinstance(images, Tensor) or images.ndim != 4:
        return
    if isinstance(error, (Refusal, torch.cuda.OutOfMemoryError)):
        return
    preprocessor = getattr(model, 'data_preprocessor', nn.Module())
    padding = next((one.padding_to for one in preprocessor.modules() if hasattr(one, 'padding_to')), None)
    said = way_out(model, images, padding) if padding else None
    if said:
        # PyTorch would drop an error that a hook raises: the one that it handles is told more instead.
        error.args = (f'{str(error).rstrip(".")}: {said}',)


def _features(model: nn.Module, images: Tensor) -> None:
    features = model.extract_feat(images)
    if hasattr(model, 'decode_head') and not isinstance(model.decode_head, nn.ModuleList):
        model.decode_head(features)


@contextmanager
def _asking(model: nn.Module) -> Iterator[None]:
    """Let a model be asked without a change to its statistics."""
    was_training = [module for module in model.modules() if module.training]
    for module in was_training:
        module.training = False
    try:
        with torch.no_grad():
            yield
    finally:
        for module in was_training:
            module.training = True


def _fixed_sizes(model: nn.Module) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield the sizes (h, w) in px that parts of a model say that they are made for, and the names of their classes."""
    seen = set()
    for module in model.modules():
        for name in FIXED:
            size = getattr(module, name, None)
            hw = (size, size) if isinstance(size, int) else size
            if isinstance(hw, tuple | list) and len(hw) == 2 and tuple(hw) not in seen and all(hw):
                seen.add(tuple(hw))
                yield type(module).__name__, (int(hw[0]), int(hw[1]))
