"""What a training and a test share: the process they run in, the folder of their logs, and the runner."""

from __future__ import annotations

import os
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from mmdownsize.checkpoints import allow_mmengine_checkpoints, guard_checkpoints
from mmdownsize.command_line import building


def prepare_process(local_rank: int) -> None:
    """Name the process's GPU to mmengine, and have mmengine read and write checkpoints safely.

    Args:
        local_rank: Number of the process on its machine, as torch's old launcher gives it.
    """
    os.environ.setdefault('LOCAL_RANK', str(local_rank))
    allow_mmengine_checkpoints()
    guard_checkpoints()


def work_dir_of(cfg: Config, config: str, asked: str | None) -> str:
    """Return the folder of logs and checkpoints: what was asked for, else the config's, else one with the config's name."""
    return asked or cfg.get('work_dir') or os.path.join('work_dirs', Path(config).stem)


def build_runner(cfg: Config) -> Runner:
    """Build the runner that a config asks for.

    Raises:
        Refusal: If the config asks for what does not exist, or lacks what a runner needs.
    """
    with building():
        return RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
