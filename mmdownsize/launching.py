"""What a training or a test needs before its processes are started, besides its config: that the machine can do it."""

from __future__ import annotations

import atexit
import datetime
import gc
import os
import sys
from typing import Any

import torch.distributed as dist
from mmengine.config import Config
from mmengine.device import get_device

STRATEGIES = ('SingleDeviceStrategy', 'DDPStrategy')


def prepare(cfg: Config, training: bool) -> None:
    """Check a config against the machine, and have processes without a GPU talk through gloo.

    OpenMMLab's configs name the backend nccl, which needs GPUs, and mmengine places every process's model on one. Without
    a GPU ``cfg.model_wrapper_cfg`` is changed accordingly and the process group is made here.

    Args:
        cfg: With ``launcher``; changed in place.
        training: Whether it is for a training; a test has no optimizer.

    Raises:
        SystemExit: If there is no GPU and the config or the launcher needs one, or a strategy cannot train a downsizer.
    """
    strategy = type_of(cfg.get('strategy'))
    if strategy and strategy.rpartition('.')[2] not in STRATEGIES and has_downsizer(cfg.model):
        sys.exit(
            f'strategy {strategy} cannot train a downsizer: it works with {" and ".join(STRATEGIES)} (docs/training.md)'
        )
    if get_device() != 'cpu':
        return
    if training and type_of(cfg.get('optim_wrapper')) == 'AmpOptimWrapper':
        sys.exit('AmpOptimWrapper, --amp: mmengine has mixed precision on GPUs only, and there is none')
    if cfg.launcher == 'none':
        return
    if cfg.launcher != 'pytorch':
        sys.exit(f'--launcher {cfg.launcher}: it needs GPUs, and there is none; without them use tools/dist_train.sh')
    if cfg.get('runner_type', 'Runner') != 'Runner':
        sys.exit(
            f'runner_type {cfg.runner_type}: mmengine distributes it over GPUs only, and there is none; use Runner'
        )
    wrapper = cfg.get('model_wrapper_cfg') or dict(
        broadcast_buffers=False, find_unused_parameters=cfg.get('find_unused_parameters', False)
    )
    cfg.model_wrapper_cfg = dict(wrapper, device_ids=None)
    settings = dict(cfg.get('env_cfg', {}).get('dist_cfg', {}))
    if 'timeout' in settings:
        settings['timeout'] = datetime.timedelta(seconds=settings['timeout'])
    asked = settings.pop('backend', 'nccl')
    if asked != 'gloo' and os.environ.get('RANK') == '0':
        print(f'no GPU: the processes use gloo in place of {asked}', file=sys.stderr)
    dist.init_process_group('gloo', **settings)
    atexit.register(leave)


def leave() -> None:
    """Leave the processes' group, if it still stands, while Python is still whole.

    What holds the group, as the distributed model does, goes first. Otherwise the group goes when the interpreter does, and a
    thread of gloo's that then waits for the interpreter's lock aborts the process, after all its work is done.
    """
    gc.collect()  # the runner is a ring of references
    if dist.is_initialized():
        dist.destroy_process_group()


def type_of(cfg: Any) -> str | None:
    """Return the name of what a config builds, or None without one."""
    kind = cfg.get('type') if cfg else None
    return kind if kind is None or isinstance(kind, str) else kind.__name__


def has_downsizer(node: Any) -> bool:
    """Whether some part of a model's config has a downsizer."""
    if isinstance(node, dict):
        return bool(node.get('downsizer')) or any(has_downsizer(value) for value in node.values())
    return isinstance(node, list | tuple) and any(has_downsizer(value) for value in node)
