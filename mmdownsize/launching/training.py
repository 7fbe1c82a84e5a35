"""Train a config, as tools/train.py does."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

from mmdownsize.checkpoints import latest_checkpoint, read_checkpoint
from mmdownsize.configs import downsizing, name_of, read_config, type_of
from mmdownsize.hooks.exact_resume import ExactResumeHook
from mmdownsize.hooks.last_validation import LastValidationHook
from mmdownsize.hooks.plain_checkpoints import PlainCheckpointHook
from mmdownsize.launching.lock import only_training_in
from mmdownsize.launching.machine import prepare
from mmdownsize.launching.runner import build_runner, prepare_process, work_dir_of
from mmdownsize.notices import warn
from mmdownsize.pipelines.sizes import drawn_in_training, factor_of
from mmdownsize.refusal import Refusal


@dataclass(frozen=True)
class Options:
    """Options of a training.

    Attributes:
        config: The config file.
        work_dir: Folder of logs and checkpoints; None: the config's, or ``work_dirs/NAME_OF_THE_CONFIG``.
        resume: Checkpoint to continue from; ``'auto'``: the last one of the work dir that is whole, if there is any; None: start
            anew.
        amp: Train with mixed precision.
        auto_scale_lr: Scale the learning rate with the batch size.
        seed: Replaces the config's ``randomness.seed``.
        cfg_options: Settings by dotted key that replace the config's.
        launcher: One of :data:`~mmdownsize.launching.LAUNCHERS`.
        local_rank: Number of the process on its machine, as torch's old launcher gives it.
    """

    config: str
    work_dir: str | None = None
    resume: str | None = None
    amp: bool = False
    auto_scale_lr: bool = False
    seed: int | None = None
    cfg_options: Mapping[str, Any] | None = None
    launcher: str = 'none'
    local_rank: int = 0


def train(options: Options) -> Runner:
    """Train and return the runner.

    Raises:
        Refusal: If the config, an option or a checkpoint cannot work.
        OSError: If a file cannot be read or written.
    """
    prepare_process(options.local_rank)
    cfg = config_of(options)
    prepare(cfg, training=True)
    with only_training_in(cfg.work_dir) if _is_first(cfg) else nullcontext():
        warn_of_one_size(cfg)
        runner = build_runner(cfg)
        for kind in (ExactResumeHook, LastValidationHook, PlainCheckpointHook):
            if not any(isinstance(hook, kind) for hook in runner.hooks):
                runner.register_hook(kind())
        runner.train()
    return runner


def _is_first(cfg: Config) -> bool:
    """Return whether this is the first of a launcher's processes; mmengine knows only after it has built the runner."""
    ranks = (os.environ.get(name) for name in ('RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK'))
    return cfg.launcher == 'none' or next(filter(None, ranks), '0') == '0'


def warn_of_one_size(cfg: Config) -> None:
    """Warn if a pipeline draws the sizes of training images, and the downsizer would bring them all to one."""
    found = downsizing(cfg)
    settings = found[1] if found else {}
    if settings.get('scale') is None or settings.get('train_scale_factor') is not None:
        return
    drawn = drawn_in_training(cfg)
    if drawn is None:
        return
    factor = factor_of(cfg, {key: settings[key] for key in ('scale', 'keep_ratio') if key in settings})
    example = f'train_scale_factor=({factor:g}, {factor:g})' if factor else 'scale_factor in place of scale'
    warn(
        f'{drawn[0].where}: {drawn[1]} draws the sizes of training images, and scale={settings["scale"]} brings them all to one: '
        f'say {example} in the data preprocessor to keep them'
    )


def config_of(options: Options) -> Config:
    """Return the config with every option in it.

    Raises:
        Refusal: If there is no such config or checkpoint, or the config has no place for an option.
    """
    cfg = read_config(options.config, options.cfg_options)
    cfg.launcher = options.launcher
    if options.seed is not None:
        cfg.merge_from_dict({'randomness.seed': options.seed})
    cfg.work_dir = work_dir_of(cfg, options.config, options.work_dir)
    if options.amp:
        _mix_precision(cfg)
    if options.auto_scale_lr:
        if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
            raise Refusal('--auto-scale-lr: the config has no auto_scale_lr.base_batch_size to scale from')
        cfg.auto_scale_lr.enable = True
    if options.resume is not None:
        _resume_from(cfg, options.resume)
    keep_checkpoints(cfg)
    return cfg


def keep_checkpoints(cfg: Config) -> None:
    """Have mmengine's hook remove a checkpoint only after it has written the next one."""
    hooks = cfg.get('default_hooks') or {}
    hook = hooks.get('checkpoint', dict(type='CheckpointHook', interval=1))  # which is mmengine's default
    if isinstance(hook, dict) and name_of(hook) == 'CheckpointHook':
        cfg.default_hooks = {**hooks, 'checkpoint': {**hook, 'type': 'mmdownsize.KeepingCheckpointHook'}}


def _mix_precision(cfg: Config) -> None:
    wrapper = cfg.get('optim_wrapper')
    if wrapper is None:
        raise Refusal('--amp: the config has no optim_wrapper')
    if (type_of(wrapper) or 'OptimWrapper') not in ('OptimWrapper', 'AmpOptimWrapper'):
        raise Refusal(f'--amp: works with OptimWrapper, the config has {type_of(wrapper)}')
    wrapper.type = 'AmpOptimWrapper'
    wrapper.setdefault('loss_scale', 'dynamic')


def _resume_from(cfg: Config, checkpoint: str) -> None:
    path = latest_checkpoint(cfg.work_dir) if checkpoint == 'auto' else checkpoint
    if path is None:
        return  # the training begins as the config says, from load_from if it has one
    if '://' not in path and not os.path.isfile(path):
        raise Refusal(f'no such checkpoint: {path}')
    cfg.resume, cfg.load_from = True, path
    if os.path.isfile(path):
        meta = read_checkpoint(path).get('meta', {})
        drawn = cfg.get('randomness', {}).get('seed') is None
        missing = [key for key in ('epoch', 'iter', *(['seed'] if drawn else [])) if key not in meta]
        if missing:
            raise Refusal(
                f'{path} has no {", no ".join(missing)}: weights alone are loaded with --cfg-options load_from={path}'
            )
        if drawn:
            # mmengine restores a seed that it drew itself only after the sampler has got another one.
            cfg.merge_from_dict({'randomness.seed': meta['seed']})
