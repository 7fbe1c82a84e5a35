"""What tools/swap_resizer.py --fit writes: a downsizer is fitted to a finished model, as the study does it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmdownsize.preprocessors.resizers import build_resizer
from tools.command_line import name_of

RECIPE = Path(__file__).resolve().parents[1] / 'configs/_base_/fits/finished_model.py'
BATCH = 8  # of the recipe
PAIRED = 'mmdownsize.SegPairDownsizePreprocessor'


def check_fit(checkpoint: str, downsizer: Mapping[str, Any]) -> None:
    """Check that there is a finished model, as far as that can be known here, and something to fit.

    Raises:
        ValueError: If the checkpoint is neither an address nor a file, or the downsizer has nothing to train.
    """
    if '://' not in checkpoint and not Path(checkpoint).is_file():
        raise ValueError(f'--fit: no such checkpoint: {checkpoint}')
    if not any(parameter.requires_grad for parameter in build_resizer(downsizer).parameters()):
        raise ValueError(
            f'--fit: {downsizer["type"]} has nothing to train: name another --downsizer, or leave out --fit'
        )


def fit_changes(cfg: Config, checkpoint: str, rates: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return what has nothing but the downsizer of a config trained, and why, a sentence an edit.

    Args:
        cfg: A config whose preprocessor has a downsizer already.
        checkpoint: The finished model's.
        rates: What the downsizer learns at, as ``custom_keys`` of the optimizer's ``paramwise_cfg``.

    Raises:
        ValueError: If the preprocessor pads at test time what a segmentor that learns from itself does not pad in training.
    """
    recipe = Config.fromfile(RECIPE).to_dict()
    alone = name_of(cfg.model) == 'EncoderDecoder'
    batch = cfg.train_dataloader.get('batch_size', 1)
    steps = math.ceil(recipe['fit_steps' if alone else 'fit_steps_with_labels'] * BATCH / batch)
    fit = recipe['fit']
    fit['optim_wrapper']['paramwise_cfg']['custom_keys'] = dict(rates)
    fit['param_scheduler'][-1]['end'] = steps
    fit['train_cfg'].update(max_iters=steps, val_interval=steps)
    hooks = ', '.join(name_of(hook) for hook in cfg.get('custom_hooks') or [])
    changes: dict[str, Any] = {
        **fit,
        'optim_wrapper': dict(_delete_=True, **fit['optim_wrapper']),
        'train_cfg': dict(_delete_=True, **fit['train_cfg']),
        'default_hooks': dict(
            logger=dict(interval=20, log_metric_by_epoch=False),
            checkpoint=dict(by_epoch=False, interval=steps, max_keep_ckpts=1),
        ),
        'log_processor': dict(by_epoch=False),
        'load_from': checkpoint,
    }
    notes = [
        f'load_from={checkpoint}: this finished model stays as it is, and only the downsizer is trained',
        f'optim_wrapper, param_scheduler and train_cfg: {steps} steps of {batch} images at a rate of their own',
        f'custom_hooks{f" ({hooks}: left out)" if hooks else ""}: TrainOnlyHook, and an average of what is learned',
    ]
    if not alone:
        notes.append(
            f"{name_of(cfg.model)} learns with its own loss, with labels; without them only mmseg's EncoderDecoder does"
        )
        return changes, notes
    if cfg.model.data_preprocessor.get('test_cfg'):
        raise ValueError(
            f'--fit: model.data_preprocessor.test_cfg={cfg.model.data_preprocessor.test_cfg} pads at test time, and a segmentor '
            'that learns from itself compares images that are not padded: say test_cfg=None in the config'
        )
    changes['model'] = {**recipe['fit_without_labels'], 'data_preprocessor': dict(type=PAIRED)}
    notes.append(
        'model.type: EncoderDecoder -> SelfDistilledEncoderDecoder, which reads no label: what the model says at full '
        'resolution is the target; class_balance=1.0 has every class count alike'
    )
    dataset = cfg.train_dataloader.dataset
    if 'RandomCrop' in _steps(dataset):
        notes.append('train_dataloader: images are cut at random, as before')
    else:
        shifts = recipe['fit_positions']
        moved = dict(_delete_=True, type='mmdownsize.ShiftedDataset', dataset=dataset.to_dict(), shifts=shifts)
        changes['train_dataloader'] = dict(dataset=moved)
        notes.append(f'train_dataloader: every image in {len(shifts)} positions, so that none is learned by heart')
    return changes, notes


def _steps(dataset: Mapping[str, Any]) -> list[str]:
    """Return the types of all steps of a data set's pipelines, also below wrappers."""
    found = [name_of(step) for step in dataset.get('pipeline') or []]
    inner = [*(dataset.get('datasets') or []), *([dataset['dataset']] if 'dataset' in dataset else [])]
    return found + [name for one in inner for name in _steps(one)]
