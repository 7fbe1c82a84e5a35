"""Whether the machine can run a config, and the group of processes where there is no GPU."""

from __future__ import annotations

import atexit
import datetime
import gc
import os
import sys

import torch.distributed as dist
from mmengine.config import Config
from mmengine.device import get_device

from mmdownsize.configs import has_downsizer, name_of, type_of
from mmdownsize.refusal import Refusal

STRATEGIES = ('SingleDeviceStrategy', 'DDPStrategy')


def prepare(cfg: Config, training: bool) -> None:
    """Check a config against the machine, and join processes without a GPU by gloo.

    OpenMMLab's configs name the backend nccl, which needs GPUs, and mmengine puts the model of every process on one. Without
    a GPU this function changes ``cfg.model_wrapper_cfg`` accordingly and makes the group of processes itself.

    Args:
        cfg: With ``launcher``; changed in place.
        training: Whether it is for a training; a test has no optimizer.

    Raises:
        Refusal: If there is no GPU and the config or the launcher needs one, or the strategy cannot train a downsizer.
    """
    strategy = cfg.get('strategy')
    if strategy and name_of(strategy) not in STRATEGIES and has_downsizer(cfg.get('model')):
        raise Refusal(
            f'strategy {type_of(strategy)} cannot train a downsizer: it works with {" and ".join(STRATEGIES)} '
            '(docs/training.md)'
        )
    if get_device() != 'cpu':
        return
    if training and type_of(cfg.get('optim_wrapper')) == 'AmpOptimWrapper':
        raise Refusal('AmpOptimWrapper, --amp: mmengine has mixed precision on GPUs only, and there is none')
    if cfg.launcher == 'none':
        return
    if cfg.launcher != 'pytorch':
        raise Refusal(
            f'--launcher {cfg.launcher}: it needs GPUs, and there is none; without them use tools/dist_train.sh'
        )
    if cfg.get('runner_type', 'Runner') != 'Runner':
        raise Refusal(
            f'runner_type {cfg.runner_type}: mmengine distributes it over GPUs only, and there is none; use Runner'
        )
    _join_by_gloo(cfg)


def _join_by_gloo(cfg: Config) -> None:
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
    """Leave the group of processes, if there is one, before the interpreter shuts down.

    What holds the group, as the distributed model does, goes first. If the group goes only with the interpreter, a thread of
    gloo may wait for the interpreter's lock then, which aborts the process after all its work is done.
    """
    gc.collect()  # the runner is a ring of references
    if dist.is_initialized():
        dist.destroy_process_group()
