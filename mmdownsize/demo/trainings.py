"""The trainings of the demo: one small segmentor with three resizers, each an ordinary run of ``tools/train.py``."""

from __future__ import annotations

import contextlib
import io
import json
import re
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from mmdownsize.places import shipped, tool

TAIL = 25  # lines of the log of a training that has failed
POLL_SECONDS = 0.2


class TrainingFailed(RuntimeError):
    """A training ended with an error. The message is the end of its log."""


class Arm(NamedTuple):
    """One of the trainings that are compared.

    Attributes:
        name: Name in files.
        title: Name for the reader.
    """

    name: str
    title: str

    @property
    def config(self) -> Path:
        """The config file that it trains."""
        return shipped(f'demo/texture_{self.name}.py')


ARMS = (Arm('antialiased', 'antialiased bilinear'), Arm('bilinear', 'bilinear'), Arm('downsizenet', 'DownsizeNet 6x6'))


def train_command(arm: Arm, work_dir: Path, seed: int, iters: int) -> list[str]:
    """Return the arguments of Python that train an arm.

    Args:
        arm: The arm.
        work_dir: Folder of the demo; the run gets a folder in it.
        seed: Seed of the training.
        iters: Number of training iterations.
    """
    schedule = [f'train_cfg.max_iters={iters}', f'train_cfg.val_interval={iters}', f'param_scheduler.1.end={iters}']
    where = ['--work-dir', str(work_dir / arm.name), '--seed', str(seed)]
    return [str(tool('train.py')), str(arm.config), *where, '--cfg-options', *schedule]


def train(arm: Arm, command: Sequence[str], log: Path) -> Iterator[int]:
    """Train an arm in a process of its own, and yield the iterations that it has done.

    Args:
        arm: The arm.
        command: Arguments of Python.
        log: File for the output of the process.

    Raises:
        TrainingFailed: If the process ends with an error.
    """
    log.parent.mkdir()
    with log.open('w') as output, log.open() as lines:
        process = subprocess.Popen([sys.executable, *command], stdout=output, stderr=subprocess.STDOUT)
        try:
            while process.poll() is None:
                time.sleep(POLL_SECONDS)
                yield from (int(done) for done in re.findall(r'Iter\(train\) +\[ *(\d+)/', lines.read()))
        finally:  # also when interrupted
            process.terminate()
            process.wait()
    if process.returncode:
        tail = '\n'.join(log.read_text().splitlines()[-TAIL:])
        raise TrainingFailed(f'{tail}\n\nthe training of {arm.title} failed; the whole log: {log}')


def train_all(console: Console, work_dir: Path, seed: int, iters: int) -> dict[str, float]:
    """Train all arms one after another, and show the progress.

    Args:
        console: Where the progress is shown.
        work_dir: Folder of the demo.
        seed: Seed of every training.
        iters: Number of training iterations of each.

    Returns:
        The seconds that each took, by name.

    Raises:
        TrainingFailed: If one ends with an error.
    """
    columns = (TextColumn('{task.description:<20}'), BarColumn(), MofNCompleteColumn(), TextColumn('iterations'))
    clocks = (TimeElapsedColumn(), TextColumn('left'), TimeRemainingColumn())
    seconds = {}
    with Progress(*columns, *clocks, console=console) as progress:
        tasks = {arm: progress.add_task(arm.title, total=iters, start=False) for arm in ARMS}
        for arm, task in tasks.items():
            start = time.perf_counter()
            progress.start_task(task)
            for done in train(arm, train_command(arm, work_dir, seed, iters), work_dir / arm.name / 'train.log'):
                progress.update(task, completed=min(done, iters - 1))  # the validation is still to come
            progress.update(task, completed=iters)
            seconds[arm.name] = time.perf_counter() - start
    return seconds


def read_metrics(work_dir: Path, arm: Arm) -> dict[str, float]:
    """Return mIoU and pixel accuracy of the validation at the end of a training, as fractions."""
    (path,) = (work_dir / arm.name).glob('*/vis_data/scalars.json')
    record = json.loads(path.read_text().splitlines()[-1])
    return {'miou': record['mIoU'] / 100, 'pixel_accuracy': record['aAcc'] / 100}


def load_model(work_dir: Path, arm: Arm) -> Any:
    """Return the trained model of an arm, on the CPU."""
    from mmseg.apis import init_model

    checkpoint = (work_dir / arm.name / 'last_checkpoint').read_text().strip()
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter('ignore')  # mmseg warns about its own code
        return init_model(str(arm.config), checkpoint, device='cpu')
