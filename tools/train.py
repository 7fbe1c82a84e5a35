"""Train an mmdet or mmseg config, with or without a downsizer.

python tools/train.py CONFIG [--work-dir DIR] [--resume [CHECKPOINT]] [--amp] [--cfg-options KEY=VALUE ...]
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # also runs from a clone that is not installed

from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmengine.runner import Runner, find_latest_checkpoint

from mmdownsize import launching
from mmdownsize.checkpoints import allow_mmengine_checkpoints, guard_checkpoints, read_checkpoint
from mmdownsize.command_line import CONFIG_ERRORS, Settings, in_one_line
from mmdownsize.configs import read_config
from mmdownsize.hooks.exact_resume import ExactResumeHook


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description='Train an mmdet or mmseg config.')
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='folder of logs and checkpoints; default: ./work_dirs/NAME_OF_THE_CONFIG')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='CHECKPOINT',
        help='continue exactly where CHECKPOINT, or without it the last checkpoint of the work dir, left off',
    )
    parser.add_argument('--amp', action='store_true', help='automatic mixed precision')
    parser.add_argument('--auto-scale-lr', action='store_true', help='scale the learning rate with the batch size')
    parser.add_argument('--seed', type=int, help='the same as --cfg-options randomness.seed=SEED')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=Settings,
        metavar='KEY=VALUE',
        help='override settings of the config, such as model.data_preprocessor.scale_factor=0.5 or key="[(a,b),(c,d)]"',
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none', help='job launcher')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)  # torch's launcher
    return parser.parse_args(argv)


def load_config(args: argparse.Namespace) -> Config:
    """Return the config with every option of the command line in it."""
    cfg = read_config(args.config, args.cfg_options)
    cfg.launcher = args.launcher
    if args.seed is not None:
        cfg.merge_from_dict({'randomness.seed': args.seed})
    cfg.work_dir = args.work_dir or cfg.get('work_dir') or os.path.join('work_dirs', Path(args.config).stem)
    if args.amp:
        if cfg.optim_wrapper.get('type', 'OptimWrapper') not in ('OptimWrapper', 'AmpOptimWrapper'):
            sys.exit(f'--amp: works with OptimWrapper, the config has {cfg.optim_wrapper.type}')
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
        cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')
    if args.auto_scale_lr:
        if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
            sys.exit('--auto-scale-lr: the config has no auto_scale_lr.base_batch_size to scale from')
        cfg.auto_scale_lr.enable = True
    if args.resume is not None:
        resume_from(cfg, args.resume)
    keep_checkpoints(cfg)
    return cfg


def keep_checkpoints(cfg: Config) -> None:
    """Have mmengine's hook remove a checkpoint only after the next one is written."""
    hooks = cfg.get('default_hooks') or {}
    hook = hooks.get('checkpoint', dict(type='CheckpointHook', interval=1))  # which is mmengine's default
    if isinstance(hook, dict) and hook.get('type') == 'CheckpointHook':
        cfg.default_hooks = {**hooks, 'checkpoint': {**hook, 'type': 'mmdownsize.KeepingCheckpointHook'}}


def resume_from(cfg: Config, checkpoint: str) -> None:
    """Set the config to continue from a checkpoint; 'auto' is the last one in the work dir, if there is any."""
    cfg.resume = True
    cfg.load_from = None if checkpoint == 'auto' else checkpoint
    path = find_latest_checkpoint(cfg.work_dir) if checkpoint == 'auto' else checkpoint
    if path is None:
        return
    if '://' not in path and not os.path.isfile(path):
        named = (
            f', which {cfg.work_dir}/last_checkpoint names: give another to --resume' if checkpoint == 'auto' else ''
        )
        sys.exit(f'no such checkpoint: {path}{named}')
    if os.path.isfile(path):
        meta = read_checkpoint(path).get('meta', {})
        drawn = cfg.get('randomness', {}).get('seed') is None
        missing = [key for key in ('epoch', 'iter', *(['seed'] if drawn else [])) if key not in meta]
        if missing:
            sys.exit(
                f'{path} has no {", no ".join(missing)}: weights alone are loaded with --cfg-options load_from={path}'
            )
        if drawn:
            # mmengine restores a seed that it drew itself only after the sampler has got another one.
            cfg.merge_from_dict({'randomness.seed': meta['seed']})


def main(argv: Sequence[str] | None = None) -> Runner:
    """Train and return the runner.

    Args:
        argv: The arguments; the command line's by default.
    """
    args = parse_args(argv)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    allow_mmengine_checkpoints()
    guard_checkpoints()
    with in_one_line(*CONFIG_ERRORS):
        cfg = load_config(args)
        launching.prepare(cfg, training=True)
        runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    if not any(isinstance(hook, ExactResumeHook) for hook in runner.hooks):
        runner.register_hook(ExactResumeHook())
    with in_one_line():
        runner.train()
    return runner


if __name__ == '__main__':
    main()
