"""The edits that fit a downsizer to a finished model: the model stays as it is, and only the downsizer is trained."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmdownsize.configs import name_of
from mmdownsize.fitting.recipe import BATCH, recipe, settings_without_labels
from mmdownsize.preprocessors.build import build_resizer
from mmdownsize.refusal import Refusal
from mmdownsize.swapping.edits import KEPT, Edit, edited
from mmdownsize.swapping.swap import PREPROCESSOR, replace_preprocessor

SEGMENTORS = 'mmdownsize.SegDownsizePreprocessor'
PAIRED = 'mmdownsize.SegPairDownsizePreprocessor'


def check_fit(checkpoint: str, downsizer: Mapping[str, Any]) -> None:
    """Check that there is a finished model and something to fit to it.

    Args:
        checkpoint: Address or file of the finished model's checkpoint. An address is not opened.
        downsizer: Config of the downsizer.

    Raises:
        Refusal: If the checkpoint is neither an address nor a file, or the downsizer has nothing to train.
    """
    if '://' not in checkpoint and not Path(checkpoint).is_file():
        raise Refusal(f'--fit: no such checkpoint: {checkpoint}')
    if not any(parameter.requires_grad for parameter in build_resizer(downsizer).parameters()):
        raise Refusal(f'--fit: {downsizer["type"]} has nothing to train: name another --downsizer, or leave out --fit')


def fit_edits(cfg: Config, swap: Sequence[Edit], checkpoint: str, rates: Mapping[str, Any]) -> list[Edit]:
    """Return the edits that follow those of a swap, so that nothing but the downsizer is trained.

    Args:
        cfg: The config without a downsizer.
        swap: The edits that put the downsizer in.
        checkpoint: Address or file of the finished model's checkpoint.
        rates: Multiples of the learning rate, as ``custom_keys`` of the optimizer's ``paramwise_cfg``.

    Raises:
        Refusal: If it is a segmentor that cannot learn from itself, or the config does not say how images are tested.
    """
    swapped = edited(cfg, swap)
    if swapped.model.data_preprocessor.type == SEGMENTORS:
        settings = recipe(with_labels=False, batch_size=1, accumulate=BATCH, rates=rates)
        learning, shown = _without_labels(cfg, swapped), f'one image a step, {BATCH} an update'
    else:
        batch_size = swapped.train_dataloader.get('batch_size', 1)
        settings = recipe(with_labels=True, batch_size=batch_size, rates=rates)
        why = f'{name_of(swapped.model)} learns with its own loss, with labels, on images as before'
        learning, shown = [Edit('model.type', KEPT, why)], f'{batch_size} images a step'
    steps = settings['train_cfg']['max_iters']
    hooks = ', '.join(name_of(hook) for hook in cfg.get('custom_hooks') or [])
    return [
        Edit(
            'load_from',
            checkpoint,
            f'load_from={checkpoint}: this finished model stays as it is, and only the downsizer is trained',
        ),
        *learning,
        Edit(
            'optim_wrapper',
            dict(_delete_=True, **settings['optim_wrapper']),
            f'optim_wrapper, param_scheduler and train_cfg: {steps} steps, {shown}, at a rate of their own',
        ),
        Edit('param_scheduler', settings['param_scheduler']),
        Edit('train_cfg', dict(_delete_=True, **settings['train_cfg'])),
        Edit(
            'custom_hooks',
            settings['custom_hooks'],
            f'custom_hooks{f" ({hooks}: left out)" if hooks else ""}: TrainOnlyHook, and an average of what is learned',
        ),
        Edit('default_hooks.logger', dict(interval=20, log_metric_by_epoch=False)),
        Edit('default_hooks.checkpoint', dict(by_epoch=False, interval=steps, max_keep_ckpts=1)),
        Edit('log_processor', dict(by_epoch=False)),
    ]


def _without_labels(cfg: Config, swapped: Config) -> list[Edit]:
    """Return the edits that have a segmentor learn from its own predictions at full resolution."""
    preprocessor, kind = swapped.model.data_preprocessor, name_of(swapped.model)
    if kind != 'EncoderDecoder':
        raise Refusal(
            f"--fit: {kind} does not learn from itself, as mmseg's EncoderDecoder does: leave out --fit, and add TrainOnlyHook "
            'and load_from by hand (docs/recipes.md)'
        )
    if preprocessor.get('test_cfg'):
        raise Refusal(
            f'--fit: model.data_preprocessor.test_cfg={preprocessor.test_cfg} pads at test time, and a segmentor that learns '
            'from itself compares images that are not padded: say test_cfg=None in the config'
        )
    if 'pipeline' not in swapped.get('val_dataloader', {}).get('dataset', {}):
        raise Refusal('--fit: val_dataloader.dataset.pipeline says how images are tested, and the config has none')
    steps = [dict(step) for step in swapped.val_dataloader.dataset.pipeline if name_of(step) != 'LoadAnnotations']
    model, positions = settings_without_labels()
    dataset = _with_pipeline(swapped.train_dataloader.dataset.to_dict(), steps)
    shifted = dict(_delete_=True, type='mmdownsize.ShiftedDataset', dataset=dataset, shifts=positions)
    learner = dict(model)
    why = (
        f'model.type: EncoderDecoder -> {name_of(learner)}, which reads no label: what the model says at full '
        f'resolution is the target; class_balance={learner["class_balance"]} has every class count alike'
    )
    return [
        replace_preprocessor(cfg, PAIRED),
        Edit(f'{PREPROCESSOR}.size', None),
        Edit(f'{PREPROCESSOR}.size_divisor', 1),
        Edit('model.type', learner.pop('type'), why),
        *(Edit(f'model.{key}', value) for key, value in learner.items()),
        # To a network whose strides do not divide it, a crop is another image than the whole, and so is a padded one.
        Edit(
            'train_dataloader.batch_size',
            1,
            f'train_dataloader: images are whole, by the pipeline of val_dataloader, one at a time, in {len(positions)} positions '
            'each: a downsizer that learns from images of another size than those it is tested with can do worse than bilinear',
        ),
        Edit('train_dataloader.dataset', shifted),
    ]


def _with_pipeline(dataset: dict[str, Any], steps: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a data set's config with another pipeline, inside its wrappers."""
    inner = 'dataset' in dataset or 'datasets' in dataset
    if inner and 'pipeline' in dataset:
        raise Refusal(f'--fit: {name_of(dataset)} mixes images: put the data set inside it into the config, without it')
    if 'datasets' in dataset:
        return dict(dataset, datasets=[_with_pipeline(one, steps) for one in dataset['datasets']])
    if 'dataset' in dataset:
        return dict(dataset, dataset=_with_pipeline(dataset['dataset'], steps))
    return dict(dataset, pipeline=copy.deepcopy(steps))
