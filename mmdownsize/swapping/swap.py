"""The edits that put a downsizer into a config of mmdet or mmsegmentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import Config

from mmdownsize.configs import channels_of, name_of, type_of
from mmdownsize.geometry import TargetSize
from mmdownsize.preprocessors.build import for_channels
from mmdownsize.refusal import Refusal
from mmdownsize.swapping.edits import KEPT, Edit
from mmdownsize.swapping.pipelines import crops_for_training, delivered_height, pipelines, take_resize

PREPROCESSOR = 'model.data_preprocessor'
# OpenMMLab's preprocessors, and those with a downsizer that take their place.
COUNTERPARTS = {
    'DetDataPreprocessor': 'mmdownsize.DetDownsizePreprocessor',
    'SegDataPreProcessor': 'mmdownsize.SegDownsizePreprocessor',
}


def swap_edits(
    cfg: Config,
    downsizer: Mapping[str, Any],
    target: Mapping[str, Any] | None,
    rates: Mapping[str, Any] | None = None,
) -> list[Edit]:
    """Return the edits that put a downsizer into a config.

    Args:
        cfg: The config.
        downsizer: Config of the downsizer.
        target: The preprocessor's target size: ``scale_factor``, or ``scale`` (w, h) in px and perhaps ``keep_ratio``. None: the
            last ``Resize`` of the pipelines is taken out, and its size is the target.
        rates: Multiples of the learning rate, as ``custom_keys`` of the optimizer's ``paramwise_cfg``.

    Raises:
        Refusal: If the config's preprocessor has no counterpart, if a pipeline normalises images, if ``target`` is None and
            a pipeline has no ``Resize`` to take, or if ``BatchSyncRandomResize`` draws sizes and no ``Resize`` says around which.
    """
    preprocessor = preprocessor_of(cfg)
    name = name_of(preprocessor)
    _check_swappable(cfg, preprocessor)
    target, taken = take_resize(cfg) if target is None else (target, [])
    downsizer = for_channels(downsizer, channels_of({**(cfg.get('model') or {}), 'data_preprocessor': preprocessor}))
    described = ', '.join(f'{key}={value}' for key, value in target.items())
    edits = [
        replace_preprocessor(cfg, COUNTERPARTS[name]),
        Edit(
            f'{PREPROCESSOR}.downsizer',
            dict(downsizer),
            f'downsizer={downsizer["type"]}, a part of the model and of its checkpoints; {described}',
        ),
        *(Edit(f'{PREPROCESSOR}.{key}', value) for key, value in target.items()),
        *taken,
        *_draw_in_the_downsizer(cfg, preprocessor, target),
    ]
    if rates:
        multiples = ', '.join(f'{key.rpartition(".")[2]} {rate["lr_mult"]:g}' for key, rate in rates.items())
        why = f'the downsizer learns at multiples of the learning rate: {multiples}'
        edits.append(Edit('optim_wrapper.paramwise_cfg.custom_keys', dict(rates), why))
    return [*edits, *_remarks(cfg, preprocessor, target)]


def preprocessor_of(cfg: Config) -> dict[str, Any]:
    """Return the config of a config's preprocessor.

    Raises:
        Refusal: If there is none.
    """
    model = cfg.get('model')
    preprocessor = (model.get('data_preprocessor') if isinstance(model, dict) else None) or cfg.get('data_preprocessor')
    if not isinstance(preprocessor, dict) or 'type' not in preprocessor:
        raise Refusal(
            'the config has no model.data_preprocessor: a config of mmdet 3.x or mmsegmentation 1.x is needed'
        )
    return preprocessor


def replace_preprocessor(cfg: Config, kind: str) -> Edit:
    """Return the edit that has a config use a preprocessor of ours in place of its own."""
    own = type_of(preprocessor_of(cfg))
    return Edit(f'{PREPROCESSOR}.type', kind, f'{PREPROCESSOR}.type: {own} -> {kind}; it keeps all its other settings')


def _check_swappable(cfg: Config, preprocessor: Mapping[str, Any]) -> None:
    kind, name = type_of(preprocessor) or '', name_of(preprocessor)
    if kind.startswith('mmdownsize.'):
        raise Refusal(f'the config has a downsizer already: {kind}')
    if name not in COUNTERPARTS:
        by_hand = '; semi-supervised configs are edited by hand, see docs/training.md' if 'MultiBranch' in name else ''
        raise Refusal(f'{kind} has no counterpart here; there is one for {" and ".join(COUNTERPARTS)}{by_hand}')
    for path, steps in pipelines(cfg):
        if any(type_of(step) == 'Normalize' for step in steps):
            raise Refusal(
                f'{".".join(path)} normalises images; a downsizer needs them in 0..255: leave that to the preprocessor'
            )


def _draw_in_the_downsizer(cfg: Config, preprocessor: Mapping[str, Any], target: Mapping[str, Any]) -> list[Edit]:
    """Have the downsizer draw the sizes that ``BatchSyncRandomResize`` drew after it."""
    augments = preprocessor.get('batch_augments')
    if not isinstance(augments, list | tuple):  # none, or something that mmseg calls
        return []
    drawing = [one for one in augments if isinstance(one, dict) and name_of(one) == 'BatchSyncRandomResize']
    if not drawing:
        return []
    height = delivered_height(cfg)
    if height is None:
        raise Refusal(
            'BatchSyncRandomResize in batch_augments draws sizes after the downsizer, and no Resize in the pipeline of '
            'train_dataloader tells what they are relative to: remove it by hand and give train_scale_factor=(lowest, highest)'
        )
    factor = TargetSize(**target).of((height, height))[0] / height
    low, high = (round(size / height * factor, 4) for size in drawing[-1]['random_size_range'])
    why = (
        f'BatchSyncRandomResize{tuple(drawing[-1]["random_size_range"])} is taken out of batch_augments: the downsizer draws a '
        f'factor for every batch instead, train_scale_factor=({low}, {high})'
    )
    return [
        Edit(f'{PREPROCESSOR}.batch_augments', [augment for augment in augments if augment not in drawing], why),
        Edit(f'{PREPROCESSOR}.train_scale_factor', (low, high)),
    ]


def _remarks(cfg: Config, preprocessor: Mapping[str, Any], target: Mapping[str, Any]) -> list[Edit]:
    """Return what to know of settings that stay as they are."""
    remarks = []
    if crops_for_training(cfg) and 'scale' in target:
        why = (
            f'RandomCrop in the training pipeline: its crops are resized to scale={target["scale"]} as whole images are, so by '
            'another factor; with --scale-factor the factor is the same for both'
        )
        remarks.append(Edit('train_dataloader.dataset', KEPT, why))
    divisor = preprocessor.get('pad_size_divisor') or 1
    if divisor > 1:
        why = f'pad_size_divisor={divisor} now pads the downsized image: lower it if that adds much padding'
        remarks.append(Edit(f'{PREPROCESSOR}.pad_size_divisor', KEPT, why))
    if isinstance(preprocessor.get('size'), Sequence):
        why = f'size={tuple(preprocessor["size"])} stays the size before downsizing, and is scaled with the image'
        remarks.append(Edit(f'{PREPROCESSOR}.size', KEPT, why))
    return remarks
