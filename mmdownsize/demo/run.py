"""The demo from its options to its files: data, three trainings, one table, ``demo.png`` and ``results.json``."""

from __future__ import annotations

import json
import logging
import os
import platform
import shutil
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.logging import MMLogger
from rich.console import Console
from rich.table import Table

from mmdownsize.checkpoints import allow_mmengine_checkpoints
from mmdownsize.demo.data import SIZE, SMALL, write_dataset
from mmdownsize.demo.picture import draw
from mmdownsize.demo.trainings import ARMS, load_model, read_metrics, train_all
from mmdownsize.refusal import Refusal, in_words
from mmdownsize.storage import write_whole

MARK = '.mmdownsize-demo'  # in every folder that a demo made, and may therefore delete from
PRODUCTS = ('data', *(arm.name for arm in ARMS), 'demo.png', 'results.json')
PACKAGES = ('mmdownsize', 'torch', 'mmengine', 'mmcv', 'mmseg', 'skimage')
WARM_UP = 10  # calls of a resizer that are not timed


@dataclass(frozen=True)
class Options:
    """Options of the demo.

    Attributes:
        work_dir: Folder for everything that it writes.
        seed: Seed of the data and of the trainings, at least 0.
        iters: Training iterations of each arm, at least 1; None: those of the config.
        quick: Few images and iterations, only to see that it runs.
        command: The command line, which ``results.json`` repeats.
    """

    work_dir: Path
    seed: int = 0
    iters: int | None = None
    quick: bool = False
    command: str = ''


def run(options: Options, console: Console) -> None:
    """Make the data, train, and show the results.

    Raises:
        Refusal: If the work dir belongs to something else.
        OSError: If a file cannot be written.
        TrainingFailed: If a training ends with an error.
    """
    start = time.perf_counter()
    work_dir = options.work_dir
    prepare(work_dir)
    os.environ['MMDOWNSIZE_DEMO_DATA'] = str(
        work_dir.resolve() / 'data'
    )  # which the configs read, here and in trainings
    allow_mmengine_checkpoints()
    MMLogger.get_current_instance().setLevel(logging.WARNING)
    train_images, test_images, repeats = (8, 2, 20) if options.quick else (400, 40, 200)
    iters = options.iters or (6 if options.quick else Config.fromfile(ARMS[0].config).max_iters)

    console.print(f'{train_images} + {test_images} synthetic images: textures laid over photographs of scikit-image')
    write_dataset(work_dir / 'data', options.seed, train_images, test_images)
    console.print(f'the same model and schedule with {len(ARMS)} resizers; logs: {work_dir}/*/train.log')
    seconds = train_all(console, work_dir, options.seed, iters)

    models = {arm.name: load_model(work_dir, arm) for arm in ARMS}
    results = {}
    for arm in ARMS:
        resizer = models[arm.name].data_preprocessor.downsizer
        results[arm.name] = {
            **read_metrics(work_dir, arm),
            'parameters': sum(parameter.numel() for parameter in resizer.parameters()),
            'ms_per_image': milliseconds(resizer, repeats),
            'training_s': seconds[arm.name],
        }
    meaningless = ''
    if options.quick:
        meaningless = f'--quick: {iters} iterations on {train_images} images. The numbers and predictions mean nothing.'
    draw(work_dir / 'demo.png', models, {name: row['pixel_accuracy'] for name, row in results.items()}, meaningless)
    total = time.perf_counter() - start
    report = {
        'command': options.command,
        'data': 'synthetic',
        'quick': options.quick,  # the numbers then mean nothing
        'seed': options.seed,
        'iterations': iters,
        'images': {'train': train_images, 'test': test_images},
        'source_px': SIZE,
        'model_px': SMALL,
        'versions': {'python': platform.python_version(), **{p: import_module(p).__version__ for p in PACKAGES}},
        'cpu_cores': os.cpu_count(),
        'threads': torch.get_num_threads(),
        'total_s': total,
        'resizers': results,
    }
    write_whole(work_dir / 'results.json', json.dumps(report, indent=2) + '\n')

    console.print(table_of(results))
    if options.quick:
        console.print(f'{meaningless} Run it without --quick.', style='bold')
    console.print(
        'The set is synthetic: its classes differ only in fine texture. It shows what a resizer can lose, not how often that '
        'matters. Test images show other photographs than training images. Predictions are compared at full size.'
    )
    console.print(f'picture: {work_dir}/demo.png   numbers: {work_dir}/results.json', soft_wrap=True)
    console.print(f'command: {options.command}   ({total:.0f} s on {os.cpu_count()} cores)', soft_wrap=True)


def prepare(work_dir: Path) -> None:
    """Make the folder, or remove from it what an earlier demo made.

    Raises:
        Refusal: If the folder holds files of something else, or cannot be written.
    """
    try:
        if work_dir.is_dir() and any(work_dir.iterdir()) and not (work_dir / MARK).exists():
            raise Refusal(f'{work_dir} holds files that are not of a demo: name another folder with --work-dir')
        work_dir.mkdir(parents=True, exist_ok=True)
        (work_dir / MARK).touch()
        for path in (work_dir / product for product in PRODUCTS):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    except OSError as error:
        raise Refusal(f'cannot write to the work dir: {in_words(error)}') from error


def milliseconds(resizer: Any, repeats: int) -> float:
    """Return the median time that a resizer takes for one image on the CPU, in ms."""
    image = torch.rand(1, 3, SIZE, SIZE) * 255
    times = []
    with torch.inference_mode():
        for _ in range(WARM_UP + repeats):
            start = time.perf_counter()
            resizer(image, (SMALL, SMALL))
            times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times[WARM_UP:])


def table_of(results: Mapping[str, Mapping[str, float]]) -> Table:
    """Return the results, by name of their arm, as a table."""
    table = Table(title=f'synthetic textures, {SIZE} x {SIZE} -> {SMALL} x {SMALL} px')
    table.add_column('resizer', no_wrap=True)
    for heading in ('mIoU', 'pixel\naccuracy', 'param-\neters', 'ms an\nimage', 'training,\nseconds'):
        table.add_column(heading, justify='right')
    for arm in ARMS:
        row = results[arm.name]
        quality = (f'{row["miou"]:.3f}', f'{row["pixel_accuracy"]:.3f}')
        cost = (f'{row["parameters"]:,}', f'{row["ms_per_image"]:.2f}', f'{row["training_s"]:.0f}')
        table.add_row(arm.title, *quality, *cost)
    return table
