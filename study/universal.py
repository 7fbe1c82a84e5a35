"""Trains one resizer with several models at once, each on its own data and at its own scale, and writes its weights.

python -m study.universal CONFIG [CONFIG ...] --out FILE.safetensors [--resizer ARM] [--steps N] [--seed N]

Every config's own model, data, optimizer and schedule are used; the models take turns, a step each. The resizer is that of an
arm of `study/configs/_arms_inspection.py`. Afterwards an arm with `pretrained=FILE, frozen=True` tests it on a task it has not
seen.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner
from rich.progress import track

from mmdownsize.comparing.arms import config_of, load_arms, only
from mmdownsize.configs import read_config
from study.figure import STUDY


class Task:
    """A model in training, a step at a time.

    Args:
        cfg: Its config.
        name: Of the task; two tasks need different names.
    """

    def __init__(self, cfg: Config, name: str) -> None:
        self.runner = Runner.from_cfg(cfg)
        self.name = name
        self.model = self.runner.model

    def start(self) -> None:
        """Build what a training needs, once the model has its resizer."""
        runner = self.runner
        self.batches = runner.build_train_loop(runner._train_loop).dataloader_iterator
        runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
        runner.param_schedulers = runner.build_param_scheduler(runner.param_schedulers)
        runner.optim_wrapper.initialize_count_status(self.model, 0, runner.max_iters)
        self.model.train()

    def step(self) -> float:
        """Train on one batch and return its loss."""
        logged = self.model.train_step(next(self.batches), self.runner.optim_wrapper)
        for scheduler in self.runner.param_schedulers:
            scheduler.step()
        return float(logged['loss'].detach())

    @property
    def downsizer(self) -> Any:
        """The resizer in front of the model."""
        return self.model.data_preprocessor.downsizer


def train(tasks: Sequence[Task], steps: int) -> list[tuple[float, float]]:
    """Train the tasks in turns with the first one's resizer.

    Returns:
        For each task the mean losses of the first and of the last tenth of its steps.
    """
    for task in tasks[1:]:
        task.model.data_preprocessor.downsizer = tasks[0].downsizer
    for task in tasks:
        task.model.init_weights()
        task.start()
    losses: list[list[float]] = [[] for _ in tasks]
    for _ in track(range(steps), description='training'):
        for task, found in zip(tasks, losses):
            found.append(task.step())
    tenth = max(steps // 10, 1)
    return [(sum(found[:tenth]) / tenth, sum(found[-tenth:]) / tenth) for found in losses]


def config_for(path: Path, resizer: str, seed: int, steps: int, folder: Path) -> Config:
    """Return a config with the resizer in it, and as many steps as asked for."""
    (arm,) = only(load_arms([], STUDY / 'configs' / '_arms_inspection.py', None), [resizer])
    cfg = config_of(read_config(path), arm, seed)
    cfg.train_cfg.update(max_iters=steps, val_interval=steps)
    schedule = cfg.param_scheduler if isinstance(cfg.param_scheduler, list) else [cfg.param_scheduler]
    schedule[-1].end = steps
    cfg.update(work_dir=str(folder / path.stem), randomness=dict(seed=seed), log_level='ERROR', default_hooks=None)
    return cfg


def main(argv: Sequence[str] | None = None) -> None:
    """Train and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('configs', type=Path, nargs='+')
    parser.add_argument('--resizer', default='importance', help='an arm of _arms_inspection.py')
    parser.add_argument('--steps', type=int, default=2000, help='of each task')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--out', type=Path, required=True, help='the resizer, .safetensors')
    args = parser.parse_args(argv)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    configs = [config_for(path, args.resizer, args.seed, args.steps, args.out.parent) for path in args.configs]
    tasks = [Task(cfg, path.stem) for cfg, path in zip(configs, args.configs)]
    logging.getLogger('mmengine').setLevel(logging.ERROR)
    for task, (first, last) in zip(tasks, train(tasks, args.steps)):
        print(f'{task.name}: loss {first:.3f} → {last:.3f}')
    scales = [cfg.model.data_preprocessor.scale_factor for cfg in configs]
    tasks[0].downsizer.save_pretrained(
        args.out, {'trained on': ', '.join(task.name for task in tasks)}, (min(scales), max(scales))
    )


if __name__ == '__main__':
    main()
