"""Train one small model behind three resizers on a set whose classes differ only in fine texture, and show what each kept.

python tools/demo.py [--work-dir DIR] [--seed SEED] [--iters N] [--quick]

The set is synthetic (``demo_data.py``). Each arm is an ordinary ``tools/train.py configs/demo/texture_ARM.py``: same
data, seed and schedule. Every run makes everything anew: the data, three trainings, one table, ``demo.png`` and
``results.json``.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import json
import logging
import os
import platform
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / 'tools')]  # also runs from a clone that is not installed
# Threads that spin for long while they wait slow each other down many times over where the cores are shared; those that do
# not spin at all take longer to wake than small layers to compute. Read when torch is loaded, here and in the trainings.
os.environ.setdefault('GOMP_SPINCOUNT', '20000')

import numpy as np  # noqa: E402
import torch  # noqa: E402
from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.patches import Patch  # noqa: E402
from mmengine.config import Config  # noqa: E402
from mmengine.dataset import pseudo_collate  # noqa: E402
from mmengine.logging import MMLogger  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.progress import (  # noqa: E402  # noqa: E402
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table  # noqa: E402
from tools.command_line import in_one_line  # noqa: E402

from mmdownsize.checkpoints import allow_mmengine_checkpoints  # noqa: E402
from mmdownsize.demo.data import CLASSES, SIZE, TEST_PHOTOGRAPHS, write_dataset  # noqa: E402
from mmdownsize.storage import write_whole  # noqa: E402
from tools.check_env import NEEDED  # noqa: E402

SMALL = SIZE // 3  # px, the side of what the model sees
CROP = 96  # px of the source, the side of what the picture shows
MARK = '.mmdownsize-demo'  # in every folder that a demo made, and may therefore delete from


class Arm(NamedTuple):
    """One of the trainings that are compared: its name in files, and its name for the reader."""

    name: str
    title: str

    @property
    def config(self) -> str:
        """The config that it trains, relative to the repository."""
        return f'configs/demo/texture_{self.name}.py'


ARMS = (Arm('antialiased', 'antialiased bilinear'), Arm('bilinear', 'bilinear'), Arm('downsizenet', 'DownsizeNet 6x6'))
PRODUCTS = ('data', *(arm.name for arm in ARMS), 'demo.png', 'results.json')


def parse_args(argv: Sequence[str]) -> argparse.Namespace:
    """Return the options, checked."""
    parser = argparse.ArgumentParser(description='Three resizers on a set whose classes differ only in fine texture.')
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs', 'demo'), help='default: %(default)s')
    parser.add_argument('--seed', type=int, default=0, help='of the data and of the trainings; default: %(default)s')
    parser.add_argument('--iters', type=int, help='training iterations of each arm; default: those of the config')
    parser.add_argument('--quick', action='store_true', help='few images and iterations: only to see that it runs')
    args = parser.parse_args(argv)
    if args.seed < 0:
        parser.error(f'--seed must be at least 0, got {args.seed}')
    if args.iters is not None and args.iters < 1:
        parser.error(f'--iters must be at least 1, got {args.iters}')
    return args


def prepare(work_dir: Path) -> None:
    """Make the folder, or remove from it what an earlier demo made; exit if it is in use by something else."""
    try:
        if work_dir.is_dir() and any(work_dir.iterdir()) and not (work_dir / MARK).exists():
            sys.exit(f'{work_dir} holds files that are not of a demo: name another folder with --work-dir')
        work_dir.mkdir(parents=True, exist_ok=True)
        (work_dir / MARK).touch()
        for path in (work_dir / product for product in PRODUCTS):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    except OSError as error:
        sys.exit(f'cannot write to the work dir: {error}')


def train_command(arm: Arm, work_dir: Path, seed: int, iters: int) -> list[str]:
    """Return the arguments of Python that train an arm."""
    schedule = [f'train_cfg.max_iters={iters}', f'train_cfg.val_interval={iters}', f'param_scheduler.1.end={iters}']
    where = ['--work-dir', str(work_dir / arm.name), '--seed', str(seed)]
    return [str(ROOT / 'tools' / 'train.py'), str(ROOT / arm.config), *where, '--cfg-options', *schedule]


def train(arm: Arm, command: Sequence[str], log: Path) -> Iterator[int]:
    """Run tools/train.py with its output in a log; yield the iteration that it is at, and exit where it fails."""
    log.parent.mkdir()
    with log.open('w') as output, log.open() as lines:
        process = subprocess.Popen([sys.executable, *command], stdout=output, stderr=subprocess.STDOUT)
        try:
            while process.poll() is None:
                time.sleep(0.2)
                yield from (int(done) for done in re.findall(r'Iter\(train\) +\[ *(\d+)/', lines.read()))
        finally:  # also when interrupted
            process.terminate()
            process.wait()
    if process.returncode:
        tail = '\n'.join(log.read_text().splitlines()[-25:])
        sys.exit(f'{tail}\n\nthe training of {arm.title} failed; the whole log: {log}')


def train_all(console: Console, work_dir: Path, seed: int, iters: int) -> dict[str, float]:
    """Train all arms, one after another, and return the seconds that each took."""
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
    """Return what the validation at the end of the training found, as fractions."""
    (path,) = (work_dir / arm.name).glob('*/vis_data/scalars.json')
    record = json.loads(path.read_text().splitlines()[-1])
    return {'miou': record['mIoU'] / 100, 'pixel_accuracy': record['aAcc'] / 100}


def load_model(work_dir: Path, arm: Arm) -> Any:
    """Return the trained model, on the CPU."""
    from mmseg.apis import init_model

    checkpoint = (work_dir / arm.name / 'last_checkpoint').read_text().strip()
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter('ignore')  # mmseg's, about itself
        return init_model(str(ROOT / arm.config), checkpoint, device='cpu')


def milliseconds(resizer: Any, repeats: int) -> float:
    """Return the median time that a resizer takes for one image on the CPU, in ms."""
    image = torch.rand(1, 3, SIZE, SIZE) * 255
    times = []
    with torch.inference_mode():
        for _ in range(10 + repeats):
            start = time.perf_counter()
            resizer(image, (SMALL, SMALL))
            times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times[10:])  # the first ten warm up


def choose_crops(labels: Sequence[np.ndarray]) -> list[tuple[int, int, int]]:
    """Choose one crop a photograph, by the labels alone: where the class that is rarest in it is most frequent.

    Args:
        labels: The label maps of the test images, (SIZE, SIZE) each, the photographs taking turns.

    Returns:
        For each photograph the index of the image, and the top and left of the crop in px.
    """
    best: dict[int, tuple[int, tuple[int, int, int]]] = {}
    for i, image in enumerate(labels):
        for top in range(0, SIZE - CROP + 1, 12):
            for left in range(0, SIZE - CROP + 1, 12):
                counts = np.bincount(image[top : top + CROP, left : left + CROP].ravel(), minlength=len(CLASSES))
                candidate = (int(counts.min()), (i, top, left))
                photograph = i % len(TEST_PHOTOGRAPHS)
                best[photograph] = max(best.get(photograph, candidate), candidate)
    return [best[photograph][1] for photograph in sorted(best)]


def panels_of(sample: dict[str, Any], models: dict[str, Any], palette: np.ndarray) -> list[np.ndarray]:
    """Return the pictures of a row, (h, w, 3) uint8 RGB each: source, ground truth, then what each kept and predicted."""
    image = sample['inputs'].flip(0)  # RGB
    panels = [image.permute(1, 2, 0).numpy(), palette[sample['data_samples'].gt_sem_seg.data[0].numpy()]]
    for arm in ARMS:
        with torch.inference_mode():
            # As the preprocessor does it: in the channel order of the file.
            kept = models[arm.name].data_preprocessor.downsizer(image.flip(0)[None].float(), (SMALL, SMALL))[0].flip(0)
            (predicted,) = models[arm.name].test_step(pseudo_collate([sample]))
        panels += [kept.permute(1, 2, 0).round().byte().numpy(), palette[predicted.pred_sem_seg.data[0].numpy()]]
    return panels


def draw(path: Path, models: dict[str, Any], results: dict[str, dict[str, float]]) -> None:
    """Save the picture."""
    from mmseg.registry import DATASETS

    dataset = DATASETS.build(Config.fromfile(ROOT / ARMS[0].config).test_dataloader.dataset)
    samples = [dataset[i] for i in range(len(dataset))]
    crops = choose_crops([sample['data_samples'].gt_sem_seg.data[0].numpy() for sample in samples])
    palette = np.array(dataset.metainfo['palette'], np.uint8)

    titles = [f'source\n({CROP} x {CROP} px of it)', 'ground truth']
    for arm in ARMS:
        titles += [
            f'{arm.title}:\nwhat it keeps',
            f'what the model predicts\n({results[arm.name]["pixel_accuracy"]:.0%} right)',
        ]
    figure = Figure(figsize=(2.6 * len(titles), 2.7 * len(crops) + 1.5), dpi=100)
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(crops), len(titles), squeeze=False)
    for row, (i, top, left) in zip(axes, crops):
        for axis, panel in zip(row, panels_of(samples[i], models, palette)):
            step = SIZE // panel.shape[0]
            axis.imshow(
                panel[top // step : (top + CROP) // step, left // step : (left + CROP) // step], interpolation='nearest'
            )
            axis.set_axis_off()
    for axis, title in zip(axes[0], titles):
        axis.set_title(title, fontsize=13)
    patches = [Patch(color=colour / 255, label=name) for name, colour in zip(CLASSES, palette)]
    figure.legend(handles=patches, loc='lower center', ncols=len(CLASSES), fontsize=13, frameon=False)
    figure.suptitle(
        f'Synthetic: fine textures over photographs, {SIZE} x {SIZE} px brought to {SMALL} x {SMALL}; '
        f'percentages are of all pixels of {len(samples)} test images',
        fontsize=14,
    )
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    content = io.BytesIO()
    figure.savefig(content, format='png')
    write_whole(path, content.getvalue())


def table_of(results: dict[str, dict[str, float]]) -> Table:
    """Return the table of results."""
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


def main(argv: Sequence[str] | None = None) -> None:
    """Run the demo.

    Args:
        argv: The arguments; the command line's by default.
    """
    argv = sys.argv[1:] if argv is None else argv
    args = parse_args(argv)
    if importlib.util.find_spec('mmseg') is None:
        sys.exit(f'the demo trains segmentors and mmseg is not installed: pip install {NEEDED["mmseg"]}')
    with in_one_line():
        run(args, argv, Console())


def run(args: argparse.Namespace, argv: Sequence[str], console: Console) -> None:
    """Make the data, train, and show what came out.

    Raises:
        OSError: If a file cannot be written.
    """
    start = time.perf_counter()
    prepare(args.work_dir)
    os.environ['MMDOWNSIZE_DEMO_DATA'] = str(args.work_dir.resolve() / 'data')
    allow_mmengine_checkpoints()
    MMLogger.get_current_instance().setLevel(logging.WARNING)
    train_images, test_images, repeats = (8, 2, 20) if args.quick else (400, 40, 200)
    iters = args.iters or (6 if args.quick else Config.fromfile(ROOT / ARMS[0].config).max_iters)

    console.print(f'{train_images} + {test_images} synthetic images: textures laid over photographs of scikit-image')
    write_dataset(args.work_dir / 'data', args.seed, train_images, test_images)
    console.print(f'the same model and schedule behind {len(ARMS)} resizers; logs: {args.work_dir}/*/train.log')
    seconds = train_all(console, args.work_dir, args.seed, iters)

    models = {arm.name: load_model(args.work_dir, arm) for arm in ARMS}
    results = {}
    for arm in ARMS:
        resizer = models[arm.name].data_preprocessor.downsizer
        results[arm.name] = {
            **read_metrics(args.work_dir, arm),
            'parameters': sum(parameter.numel() for parameter in resizer.parameters()),
            'ms_per_image': milliseconds(resizer, repeats),
            'training_s': seconds[arm.name],
        }
    draw(args.work_dir / 'demo.png', models, results)
    packages = ('mmdownsize', 'torch', 'mmengine', 'mmcv', 'mmseg', 'skimage')
    report = {
        'command': shlex.join(['python', 'tools/demo.py', *argv]),
        'data': 'synthetic',
        'seed': args.seed,
        'iterations': iters,
        'images': {'train': train_images, 'test': test_images},
        'source_px': SIZE,
        'model_px': SMALL,
        'versions': {'python': platform.python_version(), **{p: import_module(p).__version__ for p in packages}},
        'cpu_cores': os.cpu_count(),
        'threads': torch.get_num_threads(),
        'total_s': time.perf_counter() - start,
        'resizers': results,
    }
    write_whole(args.work_dir / 'results.json', json.dumps(report, indent=2) + '\n')

    console.print(table_of(results))
    console.print(
        'The set is synthetic: only fine texture tells its classes apart. It shows what a resizer can lose, not how often that '
        'matters. Test images show other photographs than training images; predictions are compared at full size.'
    )
    console.print(f'picture: {args.work_dir}/demo.png   numbers: {args.work_dir}/results.json', soft_wrap=True)
    console.print(
        f'command: {report["command"]}   ({report["total_s"]:.0f} s on {os.cpu_count()} cores)', soft_wrap=True
    )


if __name__ == '__main__':
    main()
