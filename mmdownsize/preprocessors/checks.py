"""Checks of what a preprocessor is given (batches, images, samples, weights) and of what its downsizer returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.runner import CheckpointLoader
from mmengine.structures import BaseDataElement
from torch import Tensor, nn

from mmdownsize.checkpoints import CheckpointError, below, places_of_downsizers, read_checkpoint, weights_of
from mmdownsize.notices import warn
from mmdownsize.refusal import Refusal, TypeRefusal
from mmdownsize.resizers.io import differences
from mmdownsize.resizers.settings import differences_of_settings


def check_batch(data: Any) -> None:
    """Check that a batch has images.

    Raises:
        TypeError: If it is not a dict with ``inputs``.
    """
    if not isinstance(data, Mapping) or 'inputs' not in data:
        found = f'a dict of {sorted(data)}' if isinstance(data, Mapping) else type(data).__name__
        raise TypeRefusal(f"a batch must be a dict with 'inputs' and 'data_samples', got {found}")


def check_images(images: Any, mean: Tensor | None = None) -> None:
    """Check images by their shapes and dtypes.

    Args:
        images: The batch's ``inputs``.
        mean: The parent's mean, one value a channel or a single one; None if the parent does not normalise.

    Raises:
        TypeError: If they are not tensors, or their dtype is neither uint8 nor floating point.
        ValueError: If there are none, or their rank or channels are wrong, or one has no pixels.
    """
    stacked = isinstance(images, Tensor)
    if not stacked and not (isinstance(images, Sequence) and all(isinstance(image, Tensor) for image in images)):
        raise TypeRefusal(f'inputs must be a tensor or a list of tensors, got {type(images).__name__}')
    for image in [images] if stacked else images:
        if image.ndim != (4 if stacked else 3):
            wanted = '(N, C, H, W)' if stacked else '(C, H, W) each'
            raise Refusal(f'images must be {wanted}, got {tuple(image.shape)}')
        if image.dtype != torch.uint8 and not image.is_floating_point():
            raise TypeRefusal(f'images must be uint8 or floating point in 0..255, got {image.dtype}')
        if 0 in image.shape[-3:]:
            raise Refusal(f'images must have channels and pixels, got {tuple(image.shape)}')
    if len(images) == 0:
        raise Refusal(f'a batch must have at least one image, got inputs={images!r}')
    channels = sorted({image.shape[-3] for image in images})
    if len(channels) > 1:
        raise Refusal(f'images of a batch must have the same number of channels, got {channels}')
    if mean is not None and len(mean) > 1 and channels[0] not in (1, len(mean)):
        raise Refusal(f'images have {channels[0]} channels, mean and std have {len(mean)}: give as many')


def check_samples(samples: Any, count: int, training: bool) -> None:
    """Check that there is one data sample for each image. Only training needs samples.

    Raises:
        TypeError: If one is not a data sample.
        ValueError: If there are none in training, or too few or too many.
    """
    if samples is None:
        if training:
            raise Refusal('training needs data_samples, one an image, got None')
        return
    if not isinstance(samples, Sequence):
        raise TypeRefusal(f'data_samples must be a list of data samples, got {type(samples).__name__}')
    for sample in samples:
        if not isinstance(sample, BaseDataElement):
            raise TypeRefusal(f'data_samples must be data samples, such as PackDetInputs makes, got {sample!r}')
    if len(samples) != count:
        raise Refusal(f'one data sample an image is needed, got {len(samples)} for {count} images')


def check_resized(images: Tensor, out: Any, dst_hw: tuple[int, int], name: str) -> None:
    """Check what a downsizer has made of images.

    This is where NaN and infinite pixels are found: a small image costs next to nothing to look at. uint8 cannot hold them and
    is not looked at. A pixel that no output depends on is not found, and does no harm.

    Args:
        images: (N, C, H, W), what the downsizer was given.
        out: What it returned.
        dst_hw: Size (h, w) in px that it was asked for.
        name: Name of the downsizer, for the message.

    Raises:
        ValueError: If ``out`` is not (N, C, h, w), or not finite because ``images`` are not.
    """
    wanted = (*images.shape[:2], *dst_hw)
    if not isinstance(out, Tensor) or tuple(out.shape) != wanted:
        found = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
        raise Refusal(f'{name} must make {wanted} (N, C, h, w) of the images, got {found}')
    if images.is_floating_point() and not out.isfinite().all() and not images.isfinite().all():
        where = (~images.isfinite()).nonzero()
        value = images[tuple(where[0])].item()
        raise Refusal(
            f'images must be finite, in 0..255, got {value} at (n, c, y, x) = {tuple(where[0].tolist())}, and {len(where)} '
            'such values in all: look for a division or a logarithm in the pipeline'
        )


def check_colors(downsizer: nn.Module, settings: Mapping[str, Any]) -> None:
    """Compare the order of colours that a downsizer was trained on with that of the pipeline, as far as both are known.

    Args:
        downsizer: The downsizer.
        settings: The parent's arguments. ``bgr_to_rgb`` (mmpretrain: ``to_rgb``) says that images come as BGR, ``rgb_to_bgr``
            as RGB. Without them nobody knows.

    Warns:
        UserWarning: If the two differ.
    """
    learned = getattr(downsizer, 'color_order', None)
    came_as = {'bgr_to_rgb': 'BGR', 'to_rgb': 'BGR', 'rgb_to_bgr': 'RGB'}
    for name, order in came_as.items():
        if settings.get(name) is True and learned is not None and learned != order:
            warn(
                f'this {type(downsizer).__name__} was trained on {learned} images, and {name}=True says that they come as '
                f'{order}: it is off by some grey levels. Have the pipeline deliver {learned}, or train it on'
            )


def check_fits(given: Mapping[str, Any], downsizer: nn.Module, source: str) -> None:
    """Check the weights of a downsizer before they are loaded: mmengine only logs what does not fit.

    Args:
        given: The checkpoint's part for the downsizer: a dict of its weights and settings.
        downsizer: The downsizer.
        source: Where they come from, for the message.

    Raises:
        CheckpointError: If one is missing, unknown, of another shape, or not finite, or if settings differ.
    """
    wrong = differences(given, downsizer.state_dict()) + differences_of_settings(given, downsizer)
    if wrong:
        more = f' and {len(wrong) - 3} more' if len(wrong) > 3 else ''
        raise CheckpointError(
            f'{source} does not fit the downsizer: {"; ".join(wrong[:3])}{more}. '
            'Give the downsizer the settings that it was trained with'
        )


def check_pretrained(init_cfg: Any, module: nn.Module) -> None:
    """Check the checkpoints that an ``init_cfg`` names.

    Args:
        init_cfg: A config of mmengine's initialisation, or a list of them.
        module: The module that it initialises.

    Raises:
        CheckpointError: If one does not hold such a module.
    """
    for config in init_cfg if isinstance(init_cfg, list) else [init_cfg]:
        if isinstance(config, Mapping) and config.get('type') == 'Pretrained':
            path = str(config.get('checkpoint'))
            local = '://' not in path
            checkpoint = read_checkpoint(path) if local else CheckpointLoader.load_checkpoint(path, map_location='cpu')
            prefix = f'{config["prefix"].rstrip(".")}.' if config.get('prefix') else ''
            weights = weights_of(checkpoint)
            given, elsewhere = below(weights, prefix), places_of_downsizers(weights)
            if not given and elsewhere:
                raise CheckpointError(
                    f'{path} has no weights below prefix={config.get("prefix")!r}: its downsizer is at '
                    f'prefix={elsewhere[0].rstrip(".")!r}'
                )
            check_fits(given, module, f'{path} (prefix={config.get("prefix")!r})')
