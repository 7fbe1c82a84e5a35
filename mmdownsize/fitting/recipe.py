"""How a downsizer is fitted to a finished model. The numbers are in ``configs/_base_/fits/finished_model.py``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

from mmdownsize.configs import name_of
from mmdownsize.places import shipped

FRAGMENT = shipped('_base_/fits/finished_model.py')
BATCH = 8  # images an update in the fragment
CHECKPOINTS = 4  # at most so many are written, one after the other, and each is validated


def recipe(
    *,
    with_labels: bool,
    batch_size: int,
    accumulate: int = 1,
    rates: Mapping[str, Any] | None = None,
    steps: int | None = None,
) -> dict[str, Any]:
    """Return the settings of a fit that sees as many images as the fragment's, whatever its batches are.

    Args:
        with_labels: Whether the model learns with its own loss. False: from its own predictions, without labels.
        batch_size: Images a step.
        accumulate: Steps an update.
        rates: Multiples of the learning rate, as ``custom_keys`` of the optimizer's ``paramwise_cfg``. None: the fragment's.
        steps: Steps of the training; None: those of the fragment.

    Returns:
        ``optim_wrapper``, ``param_scheduler``, ``train_cfg`` and ``custom_hooks`` of a config, and ``checkpoint`` for its
        ``default_hooks``: four checkpoints, each after an update and validated, and the last is kept.
    """
    fragment = Config.fromfile(FRAGMENT).to_dict()
    fit, last = fragment['fit'], fragment['fit_steps']
    own = math.ceil((fragment['fit_steps_with_labels'] if with_labels else last) * BATCH / batch_size)
    warm_up = (
        accumulate if steps is None else min(accumulate, steps / own * accumulate)
    )  # a shorter one in a shorter fit
    steps = own if steps is None else steps
    interval = math.ceil(steps / accumulate / CHECKPOINTS) * accumulate
    optim_wrapper = fit['optim_wrapper']
    if rates is not None:
        paramwise = dict(optim_wrapper['paramwise_cfg'], custom_keys=dict(rates))
        optim_wrapper = dict(optim_wrapper, paramwise_cfg=paramwise)
    if accumulate > 1:
        optim_wrapper = dict(optim_wrapper, accumulative_counts=accumulate)
    return dict(
        optim_wrapper=optim_wrapper,
        # The warm-up takes as many updates as in the fragment; what ends with the training ends with this one.
        param_scheduler=[
            dict(scheduler, end=steps if scheduler['end'] == last else math.ceil(scheduler['end'] * warm_up))
            for scheduler in fit['param_scheduler']
        ],
        train_cfg=dict(fit['train_cfg'], max_iters=steps, val_interval=interval),
        custom_hooks=[_once_an_update(hook, accumulate) for hook in fit['custom_hooks']],
        checkpoint=dict(by_epoch=False, interval=interval, save_begin=0, max_keep_ckpts=1),
    )


def settings_without_labels() -> tuple[dict[str, Any], list[tuple[int, int]]]:
    """Return a fit without labels: the settings of the segmentor that learns from itself, and the positions of its images.

    The positions are pixels (down, right), as ``ShiftedDataset`` takes them.
    """
    fragment = Config.fromfile(FRAGMENT).to_dict()
    return fragment['fit_without_labels'], fragment['fit_positions']


def _once_an_update(hook: dict[str, Any], accumulate: int) -> dict[str, Any]:
    """Return a hook that, if it averages weights, does so once an update."""
    return dict(hook, interval=accumulate) if accumulate > 1 and name_of(hook) == 'EMAHook' else hook
