"""Train one config with several resizers and several seeds, and say what differs.

python tools/compare.py CONFIG --arm bilinear --arm area --arm downsizenet_4x4_area --seeds 0 1 2 --work-dir DIR

Every arm of a seed starts from the same model weights and sees the same data in the same order with the same
augmentations; only what stands in front of the model differs. Runs follow one another. Interrupted, the same command goes
on: finished runs are in the log and are not repeated, an unfinished one resumes where its last checkpoint was.

An arm is a fragment of configs/_base_/downsize, by name, or an entry of a Python file given with --arms::

    arms = dict(
        bilinear=dict(downsizer=dict(type='FixedResizer')),
        ours=dict(
            downsizer=dict(type='DownsizeNet', neighbors=4, distance='area', start='area'),
            options={'optim_wrapper.paramwise_cfg.custom_keys.data_preprocessor.lr_mult': 5.0},
        ),
        bilinear_at_equal_cost=dict(downsizer=dict(type='FixedResizer'), equal_cost_to='ours'),
    )

``options`` overrides the config as --cfg-options does. With ``equal_cost_to`` the arm's target size is raised until its
inference takes as long as the other arm's.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # also runs from a clone that is not installed

import mmengine
import torch
from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope
from mmengine.runner import find_latest_checkpoint, set_random_seed
from rich.console import Console

from mmdownsize.registry import MODELS
from mmdownsize.version import __version__
from tools.compare_arms import Arm, config_of, load_arms, resolve_costs
from tools.compare_report import plot, print_report, read_log

ROOT = Path(__file__).resolve().parents[1]
METRICS = ('mIoU', 'coco/bbox_mAP', 'pascal_voc/mAP')  # the first one that a run reports, unless --metric says another
FRACTIONS = ('pascal_voc/', 'coco/')  # metrics that are given in 0..1 and reported in points of a hundred


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', type=Path, help='config with a mmdownsize preprocessor; its downsizer is replaced')
    parser.add_argument('--arm', action='append', default=[], metavar='FRAGMENT', help='a fragment (may be repeated)')
    parser.add_argument('--arms', type=Path, metavar='FILE', help='a Python file that sets `arms`')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2], help='seeds')
    parser.add_argument('--baseline', default='bilinear', help='arm that the others are compared with')
    parser.add_argument('--metric', help=f'key of the metric; by default the first of {", ".join(METRICS)}')
    parser.add_argument(
        '--work-dir', type=Path, help='folder of the runs; default: work_dirs/compare/NAME_OF_THE_CONFIG'
    )
    parser.add_argument('--log', type=Path, help='log of finished runs, a line each; default: WORK_DIR/runs.jsonl')
    parser.add_argument('--plot', type=Path, help='draw the runs there')
    parser.add_argument('--subset', type=int, metavar='N', help='train on the first N samples only')
    parser.add_argument('--workers', type=int, help="the training loader's worker processes, instead of the config's")
    parser.add_argument('--report-only', action='store_true', help='train nothing')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='for all arms')
    return parser.parse_args(argv)


def fingerprint(cfg: Config) -> str:
    """Return a short name of all that a run depends on."""
    content = {key: value for key, value in cfg.to_dict().items() if key not in ('work_dir', 'load_from', 'resume')}
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=repr).encode()).hexdigest()[:12]


def write_start(cfg: Config, path: Path) -> None:
    """Write the weights of the model that all arms of a seed start from: those behind the preprocessor."""
    if path.is_file():
        return
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    set_random_seed(cfg.randomness.seed)
    model = MODELS.build(cfg.model)
    model.init_weights()
    state = {key: value for key, value in model.state_dict().items() if not key.startswith('data_preprocessor.')}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix('.partial')
    torch.save(dict(state_dict=state, meta={}), partial)
    partial.replace(path)


def last_metrics(work_dir: Path) -> dict[str, float]:
    """Return the last validation of a run, in points of a hundred.

    Raises:
        RuntimeError: If there is none.
    """
    last: dict[str, Any] = {}
    for path in sorted(work_dir.glob('*/vis_data/scalars.json')):
        for line in path.read_text().splitlines():
            values = json.loads(line)
            if 'loss' not in values and values.get('step', -1) >= last.get('step', -1):
                last = values
    metrics = {key: value for key, value in last.items() if key not in ('step', 'time', 'data_time')}
    if not metrics:
        raise RuntimeError(f'no validation in {work_dir}: the run has ended without one')
    return {key: 100 * value if key.startswith(FRACTIONS) else value for key, value in metrics.items()}


def train(cfg: Config, run_dir: Path, console: Console, label: str) -> float:
    """Train in a process of its own, and return the seconds it took with all its interruptions' parts; shows where it is.

    Raises:
        RuntimeError: If the training fails.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    config_path = run_dir / 'config.py'
    cfg.dump(config_path)
    command = [sys.executable, str(ROOT / 'tools/train.py'), str(config_path), '--work-dir', str(run_dir)]
    if find_latest_checkpoint(str(run_dir)):
        command.append('--resume')
    environment = {'OMP_WAIT_POLICY': 'PASSIVE', **os.environ}  # the loader's workers share the cores
    start = time.perf_counter()
    log_path = run_dir / 'train.log'
    with log_path.open('a') as log, console.status(label) as status:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
        try:
            while process.poll() is None:
                time.sleep(1)
                with log_path.open('rb') as written:
                    written.seek(max(0, log_path.stat().st_size - 600))
                    lines = written.read().decode(errors='replace').splitlines()
                progress = next(
                    (line.split('INFO - ')[-1] for line in reversed(lines) if 'Epoch(' in line or 'Iter(' in line), ''
                )
                status.update(f'{label}  {progress[:90]}')
        finally:
            if process.poll() is None:  # interrupted: nothing goes on in the background
                process.terminate()
                process.wait()
            spent = run_dir / 'seconds'
            total = time.perf_counter() - start + (float(spent.read_text()) if spent.is_file() else 0.0)
            spent.write_text(str(total))
    if process.returncode:
        tail = '\n'.join(log_path.read_text(errors='replace').splitlines()[-15:])
        raise RuntimeError(f'{label} failed; the end of {log_path}:\n{tail}')
    return total


def main(argv: Sequence[str] | None = None) -> None:
    """Run what is missing, and report."""
    args = parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit('terminated'))  # so that the run in the background ends as well
    console = Console()
    try:
        arms = load_arms(args.arm, args.arms, args.baseline)
        if not args.config.is_file():
            raise ValueError(f'no such config: {args.config}')
        cfg = Config.fromfile(args.config)
        if 'downsizer' not in cfg.get('model', {}).get('data_preprocessor', {}):
            raise ValueError(f'{args.config} has no model.data_preprocessor.downsizer to replace')
    except ValueError as error:
        sys.exit(str(error))
    cfg.merge_from_dict(args.cfg_options or {})
    if args.subset is not None:
        cfg.train_dataloader.dataset.indices = args.subset
    if args.workers is not None:
        cfg.train_dataloader.num_workers = args.workers
        cfg.train_dataloader.persistent_workers = args.workers > 0
    work_dir = args.work_dir or Path('work_dirs/compare') / args.config.stem
    log = args.log or work_dir / 'runs.jsonl'
    if not args.report_only:
        arms = resolve_costs(cfg, arms, args.seeds[0], work_dir / 'equal_cost.json')
        run_all(args, cfg, arms, work_dir, log, console)
    runs = [run for run in read_log([log]) if run['config'] == args.config.stem] if log.is_file() else []
    if not runs:
        sys.exit(f'no finished runs in {log}')
    metric = args.metric or runs[0]['metric']
    print_report(console, runs, metric, args.baseline)
    if args.plot:
        plot(runs, metric, args.plot)


def run_all(
    args: argparse.Namespace, cfg: Config, arms: list[Arm], work_dir: Path, log: Path, console: Console
) -> None:
    """Train every arm of every seed that the log does not have."""
    finished = {(r['arm'], r['seed'], r['fingerprint']): r for r in read_log([log])} if log.is_file() else {}
    baseline = next(arm for arm in arms if arm.name == args.baseline)
    todo = []
    for seed in args.seeds:  # seed by seed: pairs are complete early
        start_cfg = config_of(cfg, baseline, seed)
        start = work_dir / f'start_seed{seed}_{fingerprint(start_cfg)}.pth'
        for arm in arms:
            own = config_of(cfg, arm, seed)
            if (arm.name, seed, fingerprint(own)) not in finished:
                todo.append((arm, seed, own, start_cfg, start))
    seconds = [run['seconds'] for run in finished.values()]
    for number, (arm, seed, own, start_cfg, start) in enumerate(todo):
        left = f', {statistics.fmean(seconds) * (len(todo) - number) / 60:.0f} min left' if seconds else ''
        label = f'{arm.name}, seed {seed} ({number + 1} of {len(todo)}{left})'
        write_start(start_cfg, start)
        name = fingerprint(own)
        own.load_from = str(start.resolve())
        run_dir = work_dir / arm.name / f'seed{seed}_{name}'
        taken = train(own, run_dir, console, label)
        metrics = last_metrics(run_dir)
        metric = args.metric or next((key for key in METRICS if key in metrics), sorted(metrics)[0])
        run = {
            'config': args.config.stem,
            'arm': arm.name,
            'seed': seed,
            'metric': metric,
            'metrics': metrics,
            'seconds': round(taken, 1),
            'fingerprint': name,
            'downsizer': arm.downsizer,
            'options': arm.options,
            'versions': {
                'mmdownsize': __version__,
                'torch': torch.__version__,
                'mmengine': mmengine.__version__,
                'python': platform.python_version(),
            },
        }
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open('a') as lines:
            lines.write(json.dumps(run) + '\n')
        seconds.append(taken)
        console.print(f'{arm.name}, seed {seed}: {metric} {metrics.get(metric, float("nan")):.2f}, {taken:.0f} s')


if __name__ == '__main__':
    main()
