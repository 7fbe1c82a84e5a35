"""The pipelines of a config's loaders: what they do to the size of an image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mmengine.config import Config

from mmdownsize.configs import name_of
from mmdownsize.refusal import Refusal
from mmdownsize.swapping.edits import Edit

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
# Steps that draw the size of an image at random.
DRAWING = ('RandomResize', 'RandomChoiceResize', 'ResizeShortestEdge')
# Steps with a size of their own, in px of the image that they get.
SIZED = (
    'RandomCrop',
    'Pad',
    'RandomCenterCropPad',
    'Expand',
    'CachedMosaic',
    'Mosaic',
    'RandomAffine',
)


def pipelines(cfg: Config) -> Iterator[tuple[list[str], list[dict[str, Any]]]]:
    """Yield the path of every loader's pipeline in the config, and a copy of the pipeline.

    Raises:
        Refusal: If a step of a pipeline is not a dict.
    """
    for loader in LOADERS:
        node, path = cfg.get(loader), [loader]
        while isinstance(node, dict) and 'dataset' in node:
            node, path = node['dataset'], [*path, 'dataset']
        if isinstance(node, dict) and node.get('pipeline'):
            path.append('pipeline')
            for step in node['pipeline']:
                if not isinstance(step, dict):
                    raise Refusal(f'{".".join(path)}: a step must be dict(type=...), got {step!r}')
            yield path, [dict(step) for step in node['pipeline']]


def take_resize(cfg: Config) -> tuple[dict[str, Any], list[Edit]]:
    """Take the last ``Resize`` out of every pipeline.

    Returns:
        The target size that it had, as the preprocessor's settings, and one edit for each pipeline.

    Raises:
        Refusal: If a pipeline has no ``Resize`` or draws a size at random, if a later step has a size of its own, or if the
            pipelines resize to different sizes.
    """
    targets, edits = {}, []
    for path, steps in pipelines(cfg):
        where = '.'.join(path)
        names = [name_of(step) for step in steps]
        drawing = [name for name in names if name in DRAWING]
        if drawing:
            raise Refusal(
                f'{where} has {drawing[0]}, which draws a size: keep it and give --scale-factor '
                '(with train_scale_factor in the preprocessor the downsizer draws)'
            )
        if 'Resize' not in names:
            raise Refusal(f'{where} has no Resize to take: give --scale-factor or --scale')
        last = len(names) - 1 - names[::-1].index('Resize')
        sized = [name for name in names[last + 1 :] if name in SIZED]
        if sized:
            raise Refusal(
                f'{where}: {sized[0]} after Resize works with pixels of the small image: move it before, or give --scale-factor'
            )
        resize = steps.pop(last)
        targets[where] = {key: resize[key] for key in ('scale', 'scale_factor', 'keep_ratio') if resize.get(key)}
        why = f'{where}: Resize({targets[where]}) is taken out: the downsizer gets the image at full resolution'
        edits.append(Edit(where, steps, why))
    if not targets:
        raise Refusal('the config has no pipelines to take a Resize from')
    first = next(iter(targets.values()))
    if any(target != first for target in targets.values()):
        raise Refusal(f'the pipelines resize to different sizes, {targets}: give --scale-factor or --scale')
    return first, edits


def delivered_height(cfg: Config) -> int | None:
    """Return the height in px of the training images, as the outermost ``Resize`` sets it; None if there is none."""
    node = cfg.get('train_dataloader') or {}
    while isinstance(node, dict):
        for step in reversed(node.get('pipeline') or []):
            if name_of(step) == 'Resize' and isinstance(step.get('scale'), Sequence):
                return int(step['scale'][1])
        node = node.get('dataset')
    return None


def crops_for_training(cfg: Config) -> bool:
    """Return whether the training pipeline cuts crops out of its images."""
    training = (steps for path, steps in pipelines(cfg) if path[0] == 'train_dataloader')
    return any(name_of(step) == 'RandomCrop' for steps in training for step in steps)
