"""What tools/swap_resizer.py --fit writes: a downsizer is fitted to a finished model, as the study does it."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmdownsize.configs import name_of, shipped
from mmdownsize.preprocessors.build import build_resizer
from mmdownsize.refusal import Refusal

RECIPE = shipped('_base_/fits/finished_model.py')
BATCH = 8  # of the recipe
SEGMENTORS = 'mmdownsize.SegDownsizePreprocessor'
PAIRED = 'mmdownsize.SegPairDownsizePreprocessor'


def check_fit(checkpoint: str, downsizer: Mapping[str, Any]) -> None:
    """Check that there is a finished model, as far as that can be known here, and something to fit.

    Raises:
        ValueError: If the checkpoint is neither an address nor a file, or the downsizer has nothing to train.
    """
    if '://' not in checkpoint and not Path(checkpoint).is_file():
        raise Refusal(f'--fit: no such checkpoint: {checkpoint}')
    if not any(parameter.requires_grad for parameter in build_resizer(downsizer).parameters()):
        raise Refusal(f'--fit: {downsizer["type"]} has nothing to train: name another --downsizer, or leave out --fit')


def fit_changes(cfg: Config, checkpoint: str, rates: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return what has nothing but the downsizer of a config trained, and why, a sentence an edit.

    Args:
        cfg: A config whose preprocessor has a downsizer already.
        checkpoint: The finished model's.
        rates: What the downsizer learns at, as ``custom_keys`` of the optimizer's ``paramwise_cfg``.

    Raises:
        ValueError: If it is a segmentor that cannot learn from itself, or whose data cannot be read as they are tested.
    """
    recipe = Config.fromfile(RECIPE).to_dict()
    fit = recipe['fit']
    fit['optim_wrapper']['paramwise_cfg']['custom_keys'] = dict(rates)
    if cfg.model.data_preprocessor.type == SEGMENTORS:
        changes, notes = _without_labels(cfg, recipe)
        steps, shown = recipe['fit_steps'] * BATCH, f'one image a step, {BATCH} an update'
        fit['optim_wrapper']['accumulative_counts'] = BATCH
        fit['param_scheduler'][0]['end'] *= BATCH
        fit['custom_hooks'][-1]['interval'] = BATCH
    else:
        batch = cfg.train_dataloader.get('batch_size', 1)
        changes, notes = {}, [f'{name_of(cfg.model)} learns with its own loss, with labels, on images as before']
        steps, shown = math.ceil(recipe['fit_steps_with_labels'] * BATCH / batch), f'{batch} images a step'
    fit['param_scheduler'][-1]['end'] = steps
    fit['train_cfg'].update(max_iters=steps, val_interval=steps)
    hooks = ', '.join(name_of(hook) for hook in cfg.get('custom_hooks') or [])
    changes.update(
        fit,
        optim_wrapper=dict(_delete_=True, **fit['optim_wrapper']),
        train_cfg=dict(_delete_=True, **fit['train_cfg']),
        default_hooks=dict(
            logger=dict(interval=20, log_metric_by_epoch=False),
            checkpoint=dict(by_epoch=False, interval=steps, max_keep_ckpts=1),
        ),
        log_processor=dict(by_epoch=False),
        load_from=checkpoint,
    )
    return changes, [
        f'load_from={checkpoint}: this finished model stays as it is, and only the downsizer is trained',
        *notes,
        f'optim_wrapper, param_scheduler and train_cfg: {steps} steps, {shown}, at a rate of their own',
        f'custom_hooks{f" ({hooks}: left out)" if hooks else ""}: TrainOnlyHook, and an average of what is learned',
    ]


def _without_labels(cfg: Config, recipe: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    preprocessor, kind = cfg.model.data_preprocessor, name_of(cfg.model)
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
    if 'pipeline' not in cfg.get('val_dataloader', {}).get('dataset', {}):
        raise Refusal('--fit: val_dataloader.dataset.pipeline says how images are tested, and the config has none')
    steps = [dict(step) for step in cfg.val_dataloader.dataset.pipeline if name_of(step) != 'LoadAnnotations']
    shifts = recipe['fit_positions']
    dataset = _with_pipeline(cfg.train_dataloader.dataset.to_dict(), steps)
    moved = dict(_delete_=True, type='mmdownsize.ShiftedDataset', dataset=dataset, shifts=shifts)
    changes = {
        'model': {
            **recipe['fit_without_labels'],
            'data_preprocessor': dict(type=PAIRED, size=None, size_divisor=1),
        },
        'train_dataloader': dict(batch_size=1, dataset=moved),
    }
    return changes, [
        'model.type: EncoderDecoder -> SelfDistilledEncoderDecoder, which reads no label: what the model says at full '
        'resolution is the target; class_balance=1.0 has every class count alike',
        # What is cut out is another image to a network whose strides do not divide it, and so is what is padded.
        f'train_dataloader: images are whole, by the pipeline of val_dataloader, one at a time, in {len(shifts)} positions each: '
        'a downsizer that learns from images of another size than those it is tested with can do worse than bilinear',
    ]


def _with_pipeline(dataset: dict[str, Any], steps: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a data set's config with another pipeline, below wrappers."""
    inner = 'dataset' in dataset or 'datasets' in dataset
    if inner and 'pipeline' in dataset:
        raise Refusal(f'--fit: {name_of(dataset)} mixes images: put the data set inside it into the config, without it')
    if 'datasets' in dataset:
        return dict(dataset, datasets=[_with_pipeline(one, steps) for one in dataset['datasets']])
    if 'dataset' in dataset:
        return dict(dataset, dataset=_with_pipeline(dataset['dataset'], steps))
    return dict(dataset, pipeline=copy.deepcopy(steps))
