"""The edits that fit a downsizer to a finished model: the model stays as it is, and only the downsizer is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmdownsize.configs import name_of
from mmdownsize.fitting.recipe import BATCH, recipe, settings_without_labels
from mmdownsize.pipelines.walk import chains, read_by, with_pipeline
from mmdownsize.preprocessors.build import build_resizer
from mmdownsize.refusal import Refusal
from mmdownsize.swapping.edits import KEPT, Edit, edited
from mmdownsize.swapping.swap import COUNTERPARTS, PREPROCESSOR, preprocessor_of, replace_preprocessor, with_copy

SEGMENTORS = 'mmdownsize.SegDownsizePreprocessor'
PAIRED = 'mmdownsize.SegPairDownsizePreprocessor'
LOGGED = 20  # steps between two lines of the log, of which there is one before each validation
# What an optim_wrapper may say besides rates, and what it usually says. A fit in float32 needs none of it.
SPECIAL = dict(type='OptimWrapper', constructor='DefaultOptimWrapperConstructor', accumulative_counts=1, dtype=None)


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
        raise Refusal(f'--fit: {downsizer["type"]} has nothing to train: name another --resizer, or leave out --fit')


def fits_whole_images(cfg: Config) -> bool:
    """Return whether a fit takes its images from the pipeline that tests them, as that of a segmentor does."""
    return COUNTERPARTS.get(name_of(preprocessor_of(cfg))) == SEGMENTORS


def fit_edits(
    cfg: Config, swap: Sequence[Edit], checkpoint: str, rates: Mapping[str, Any], steps: int | None = None
) -> list[Edit]:
    """Return the edits that follow those of a swap, so that nothing but the downsizer is trained.

    Args:
        cfg: The config without a downsizer.
        swap: The edits that put the downsizer in.
        checkpoint: Address or file of the finished model's checkpoint.
        rates: Multiples of the learning rate, as ``custom_keys`` of the optimizer's ``paramwise_cfg``.
        steps: Steps of the training; None: the recipe's.

    Raises:
        Refusal: If there are no training images. Of a segmentor also if it cannot learn from its own predictions, if the
            config does not say how images are tested, or if they are padded then.
    """
    swapped = edited(cfg, swap)
    if not swapped.get('train_dataloader', {}).get('dataset'):
        raise Refusal('--fit: the config has no train_dataloader.dataset, and a fit needs images to train on')
    if swapped.model.data_preprocessor.type == SEGMENTORS:
        settings = recipe(with_labels=False, batch_size=1, accumulate=BATCH, rates=rates, steps=steps)
        learning, shown = _without_labels(cfg, swapped), f'1 image a step, {BATCH} images an update'
    else:
        batch_size = swapped.train_dataloader.get('batch_size', 1)
        settings = recipe(with_labels=True, batch_size=batch_size, rates=rates, steps=steps)
        why = f'{name_of(swapped.model)} learns with its own loss, with labels, from its own training pipeline'
        learning, shown = [Edit('model.type', KEPT, why)], f'{batch_size} image{"s" if batch_size > 1 else ""} a step'
    steps = settings['train_cfg']['max_iters']
    given = cfg.get('optim_wrapper') or {}
    replaced = [f'{key}={given[key]}' for key in SPECIAL if given.get(key) not in (None, SPECIAL[key])]
    hooks = ', '.join(name_of(hook) for hook in cfg.get('custom_hooks') or [])
    edits = [
        Edit(
            'load_from',
            checkpoint,
            f'load_from={checkpoint}: this finished model stays as it is, and only the downsizer is trained',
        ),
        *learning,
        Edit(
            'optim_wrapper',
            dict(_delete_=True, **settings['optim_wrapper']),
            f'optim_wrapper, param_scheduler and train_cfg: {steps} steps, {shown}, and learning rates of the recipe'
            + (f'; not used: {", ".join(replaced)}' if replaced else ''),
        ),
        Edit('param_scheduler', settings['param_scheduler']),
        Edit('train_cfg', dict(_delete_=True, **settings['train_cfg'])),
        Edit(
            'custom_hooks',
            settings['custom_hooks'],
            f'custom_hooks: TrainOnlyHook, and a moving average of the weights{f"; removed: {hooks}" if hooks else ""}',
        ),
        Edit(
            'default_hooks.logger',
            dict(interval=min(LOGGED, settings['checkpoint']['interval']), log_metric_by_epoch=False),
        ),
        Edit(
            'default_hooks.checkpoint',
            settings['checkpoint'],
            f'default_hooks.checkpoint: one every {settings["checkpoint"]["interval"]} steps, and it is validated; '
            'mmdownsize train --resume continues from the last',
        ),
        Edit('log_processor', dict(by_epoch=False)),
        *_neutral(cfg),
    ]
    return with_copy(cfg, edits)


def _neutral(cfg: Config) -> list[Edit]:
    """Return edits of what belongs to the training of the model and would end or slow down a fit."""
    edits = []
    if cfg.get('resume'):
        edits.append(Edit('resume', False, 'resume=False: the checkpoint is where a fit begins, not where it goes on'))
    if (cfg.get('auto_scale_lr') or {}).get('enable'):
        edits.append(
            Edit('auto_scale_lr.enable', False, 'auto_scale_lr.enable=False: the recipe has learning rates of its own')
        )
    return edits


def _without_labels(cfg: Config, swapped: Config) -> list[Edit]:
    """Return the edits that have a segmentor learn from its own predictions at full resolution."""
    preprocessor, kind = swapped.model.data_preprocessor, name_of(swapped.model)
    if kind != 'EncoderDecoder':
        raise Refusal(
            f"--fit: {kind} does not learn from itself, as mmseg's EncoderDecoder does: leave out --fit, and add TrainOnlyHook "
            'and load_from by hand (docs/fit.md)'
        )
    if preprocessor.get('test_cfg'):
        raise Refusal(
            f'--fit: model.data_preprocessor.test_cfg={preprocessor.test_cfg} pads at test time, and a segmentor that learns '
            'from itself compares images that are not padded: say test_cfg=None in the config'
        )
    steps = _steps_of_testing(swapped)
    learner, positions = settings_without_labels()
    try:
        dataset = with_pipeline(swapped.train_dataloader.dataset.to_dict(), steps)
    except Refusal as refusal:
        raise Refusal(f'--fit: {refusal}') from refusal
    shifted = dict(_delete_=True, type='mmdownsize.ShiftedDataset', dataset=dataset, shifts=positions)
    why = (
        f'model.type: EncoderDecoder -> {name_of(learner)}, which reads no labels: the target is the '
        f"model's own prediction at full resolution; with class_balance={learner['class_balance']} every class counts the same"
    )
    return [
        replace_preprocessor(cfg, PAIRED),
        Edit(f'{PREPROCESSOR}.size', None),
        Edit(f'{PREPROCESSOR}.size_divisor', 1),
        Edit('model.type', learner['type'], why),
        *(Edit(f'model.{key}', value) for key, value in learner.items() if key != 'type'),
        # A network whose strides do not divide the size answers otherwise to a crop or a padded image than to the whole one.
        Edit(
            'train_dataloader.batch_size',
            1,
            'train_dataloader: whole images from the pipeline of val_dataloader, one at a time, each in '
            f'{len(positions)} positions: a downsizer can do worse than bilinear at another size than it is trained at',
        ),
        Edit('train_dataloader.dataset', shifted),
    ]


def _steps_of_testing(cfg: Config) -> list[dict[str, Any]]:
    """Return the pipeline by which a config tests images, without their labels."""
    tested = chains(read_by(cfg, 'val'))
    if not tested:
        raise Refusal('--fit: val_dataloader.dataset.pipeline says how images are tested, and the config has none')
    different = [chain for chain in tested if [one.steps for one in chain] != [one.steps for one in tested[0]]]
    if different or len(tested[0]) > 1:
        wheres = ', '.join(one.where for one in (different or tested)[0])
        raise Refusal(
            f'--fit: images are tested by several pipelines, {wheres} among them: leave one in val_dataloader'
        )
    return [dict(step) for step in tested[0][0].steps if name_of(step) != 'LoadAnnotations']
