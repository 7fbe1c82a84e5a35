"""The edits that put a downsizer into a config of mmdet or mmsegmentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import Config

from mmdownsize.configs import channels_of, name_of, type_of
from mmdownsize.geometry import TargetSize
from mmdownsize.pipelines.sizes import named_size
from mmdownsize.pipelines.walk import Step, read_by
from mmdownsize.preprocessors.build import for_channels
from mmdownsize.refusal import Refusal
from mmdownsize.swapping.edits import Edit, edited, repeated
from mmdownsize.swapping.remarks import remarks, scale_windows
from mmdownsize.swapping.take import take_resize
from mmdownsize.swapping.variation import keep_drawn_sizes, sizes_of_augmentation

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
    *,
    own_images: bool = True,
) -> list[Edit]:
    """Return the edits that put a downsizer into a config.

    Args:
        cfg: The config.
        downsizer: Config of the downsizer.
        target: The preprocessor's target size: ``scale_factor``, or ``scale`` (w, h) in px and perhaps ``keep_ratio``. None: the
            last ``Resize`` of the pipelines is taken out, and its size is the target.
        rates: Multiples of the learning rate, as ``custom_keys`` of the optimizer's ``paramwise_cfg``.
        own_images: Whether training images come from the config's own training pipeline.

    Raises:
        Refusal: If the config's preprocessor has no counterpart, or a pipeline normalises images. If ``target`` is None and the
            ``Resize`` cannot be taken. If sizes of training images are drawn, and nothing says around which.
    """
    preprocessor = preprocessor_of(cfg)
    name = name_of(preprocessor)
    _check_swappable(cfg, preprocessor)
    varied: list[Edit] = []
    if target is None:
        target, changed = take_resize(cfg)
    else:
        varied = keep_drawn_sizes(cfg, target) if own_images else []
        changed = [*varied, *scale_windows(cfg, target)]
    trained = dict(scale_factor=varied[0].value[0]) if varied else target
    downsizer = for_channels(downsizer, channels_of({**(cfg.get('model') or {}), 'data_preprocessor': preprocessor}))
    described = ', '.join(f'{key}={value}' for key, value in target.items())
    edits = [
        *_own_settings(cfg, preprocessor),
        replace_preprocessor(cfg, COUNTERPARTS[name]),
        Edit(
            f'{PREPROCESSOR}.downsizer',
            dict(downsizer),
            f'downsizer={downsizer["type"]}, a part of the model and of its checkpoints; {described}',
        ),
        *(Edit(f'{PREPROCESSOR}.{key}', value) for key, value in target.items()),
        *changed,
        *_draw_in_the_downsizer(cfg, preprocessor, target),
    ]
    if rates:
        multiples = ', '.join(f'{key.rpartition(".")[2]} {rate["lr_mult"]:g}' for key, rate in rates.items())
        why = f'the downsizer learns at multiples of the learning rate: {multiples}'
        edits.append(Edit('optim_wrapper.paramwise_cfg.custom_keys', dict(rates), why))
    edits += [*sizes_of_augmentation(edited(cfg, changed), target), *remarks(cfg, preprocessor, trained)]
    return with_copy(cfg, edits)


def with_copy(cfg: Config, edits: Sequence[Edit]) -> list[Edit]:
    """Return edits together with those of the copy of the preprocessor at the top of a config, if there is one.

    mmengine gives that one to a model that has none of its own. A model under test-time augmentation has none: mmseg's ``--tta``
    would predict without the downsizer.
    """
    if not isinstance(cfg.get('data_preprocessor'), Mapping):
        return list(edits)
    why = 'data_preprocessor, the copy at the top of the config, is edited likewise: test-time augmentation reads it'
    return [*edits, *repeated(edits, PREPROCESSOR, 'data_preprocessor', why)]


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
    for pipeline in read_by(cfg):
        for step in pipeline.walk():
            if _normalises(step):
                raise Refusal(
                    f'{pipeline.where} normalises images; a downsizer needs them in 0..255: take {step} out, and leave that to '
                    'the preprocessor'
                )


def _normalises(step: Step) -> bool:
    if step.name == 'Rerange':  # mmseg's, which makes 0..255 unless told otherwise
        return (step.settings.get('min_value', 0), step.settings.get('max_value', 255)) != (0, 255)
    return step.name in ('Normalize', 'ToFloat')


def _own_settings(cfg: Config, preprocessor: Mapping[str, Any]) -> list[Edit]:
    """Give the model its preprocessor where the config has it at the top only, from where mmengine takes it."""
    own = cfg.model.get('data_preprocessor')
    return [] if own else [Edit(PREPROCESSOR, dict(preprocessor))]


def _draw_in_the_downsizer(cfg: Config, preprocessor: Mapping[str, Any], target: Mapping[str, Any]) -> list[Edit]:
    """Have the downsizer draw the sizes that ``BatchSyncRandomResize`` drew after it."""
    augments = preprocessor.get('batch_augments')
    if not isinstance(augments, list | tuple):  # none, or something that mmseg calls
        return []
    drawing = [one for one in augments if isinstance(one, dict) and name_of(one) == 'BatchSyncRandomResize']
    if not drawing:
        return []
    size = named_size(cfg, 'train')
    if size is None:
        raise Refusal(
            'BatchSyncRandomResize in batch_augments draws sizes after the downsizer, and no Resize in the pipeline of '
            'train_dataloader tells what they are relative to: remove it by hand and give train_scale_factor=(lowest, highest)'
        )
    height = size[0][1]
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
