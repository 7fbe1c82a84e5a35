"""Train one config with several resizers and several seeds, and say what differs.

python tools/compare.py CONFIG --arm bilinear --arm area --arm downsizenet_4x4_area --seeds 0 1 2 --work-dir DIR

Every arm of a seed starts from the same model weights and sees the same data in the same order with the same
augmentations; only what stands in front of the model differs. A fixed resizer that is only tested in front of the same
checkpoint is tested once, whatever the number of seeds. Runs follow one another. Interrupted, the same command goes
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

``'{seed}'`` in the name of a ``pretrained`` downsizer is replaced. ``options`` overrides the config as --cfg-options does.
With ``equal_cost_to`` the arm's target size is raised until its inference takes as long as the other arm's. With
``train=False`` the arm is only tested, as it starts.

The weights that all arms of a seed start from are drawn by the seed, or come from a user's own checkpoint: --start.
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

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # also runs from a clone that is not installed

import mmengine
import torch
from mmengine.config import Config
from mmengine.runner import find_latest_checkpoint
from rich.console import Console

from mmdownsize.command_line import CONFIG_ERRORS, Settings, in_one_line
from mmdownsize.comparing.arms import Arm, check_replaceable, config_of, load_arms, only, resolve_costs
from mmdownsize.comparing.results import last_metrics, training_losses
from mmdownsize.comparing.start import checkpoint_of, write_start
from mmdownsize.configs import read_config
from mmdownsize.resizers.io import find
from mmdownsize.storage import append_line, check_writable
from mmdownsize.version import __version__
from tools.compare_report import plot, print_report, read_log

ROOT = Path(__file__).resolve().parents[1]
# Of the trainings, unless the environment says otherwise. Threads spin briefly while they wait: the loader's workers share the
# cores. And glibc keeps the memory of feature maps, which it would give back and ask for again in every step. Results are
# the same.
FASTER = {
    'GOMP_SPINCOUNT': '20000',
    'MALLOC_MMAP_THRESHOLD_': str(32 * 2**20),  # the highest there is
    'MALLOC_TRIM_THRESHOLD_': str(8 * 2**30),
    'MALLOC_TOP_PAD_': str(128 * 2**20),
}
METRICS = ('mIoU', 'coco/bbox_mAP', 'pascal_voc/mAP')  # the first one that a run reports, unless --metric says another


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', type=Path, help='config with a mmdownsize preprocessor; its downsizer is replaced')
    parser.add_argument('--arm', action='append', default=[], metavar='FRAGMENT', help='a fragment (may be repeated)')
    parser.add_argument('--only', nargs='+', metavar='ARM', help='run only these of the arms')
    parser.add_argument('--arms', type=Path, metavar='FILE', help='a Python file that sets `arms`')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2], help='seeds')
    parser.add_argument('--baseline', default='bilinear', help='arm that the others are compared with')
    parser.add_argument('--metric', help=f'key of the metric; by default the first of {", ".join(METRICS)}')
    parser.add_argument(
        '--start',
        metavar='CHECKPOINT',
        help="weights of the model that all arms start from; '{seed}' in it is replaced",
    )
    parser.add_argument(
        '--work-dir', type=Path, help='folder of the runs; default: work_dirs/compare/NAME_OF_THE_CONFIG'
    )
    parser.add_argument('--log', type=Path, help='log of finished runs, a line each; default: WORK_DIR/runs.jsonl')
    parser.add_argument('--plot', type=Path, help='draw the runs there')
    parser.add_argument('--subset', type=int, metavar='N', help='train on the first N samples only')
    parser.add_argument('--workers', type=int, help="the training loader's worker processes, instead of the config's")
    parser.add_argument('--report-only', action='store_true', help='train nothing')
    parser.add_argument('--cfg-options', nargs='+', action=Settings, metavar='KEY=VALUE', help='for all arms')
    return parser.parse_args(argv)


def fingerprint(cfg: Config, arm: Arm, start: Path | None) -> str:
    """Return a short name of all that a run depends on."""
    content = {key: value for key, value in cfg.to_dict().items() if key not in ('work_dir', 'load_from', 'resume')}
    pretrained = cfg.model.data_preprocessor.downsizer.get('pretrained')
    if pretrained is not None:
        content['pretrained'] = hashlib.sha256(find(pretrained).read_bytes()).hexdigest()
    if start is not None:
        content['start'] = hashlib.sha256(start.read_bytes()).hexdigest()
    if not arm.train:
        content['train'] = False
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=repr).encode()).hexdigest()[:12]


def execute(cfg: Config, run_dir: Path, console: Console, label: str, train: bool) -> float:
    """Train or test in a process of its own, and show where it is.

    Returns:
        The seconds it took, those before interruptions included.

    Raises:
        RuntimeError: If it fails.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    config_path = run_dir / 'config.py'
    cfg.dump(config_path)
    arguments = [str(config_path)] if train else [str(config_path), cfg.load_from]
    tool = ROOT / 'tools' / ('train.py' if train else 'test.py')
    command = [sys.executable, str(tool), *arguments, '--work-dir', str(run_dir)]
    if train and find_latest_checkpoint(str(run_dir)):
        command.append('--resume')
    environment = {**FASTER, **os.environ}
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
    # Terminated, the run in the background ends as well.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit('terminated'))
    try:
        with in_one_line(*CONFIG_ERRORS, FileNotFoundError):
            run(args, Console())
    finally:  # who calls this from Python has a handler of its own, and processes that inherit it
        signal.signal(signal.SIGTERM, before)


def run(args: argparse.Namespace, console: Console) -> None:
    """Do what the options ask for.

    Raises:
        ValueError: If one of them is wrong.
    """
    arms = load_arms(args.arm, args.arms, args.baseline)
    only(arms, args.only)
    cfg = read_config(args.config, args.cfg_options)
    check_replaceable(cfg, args.config)
    if args.subset is not None and args.subset < 1:
        raise ValueError(f'--subset must be at least 1, got {args.subset}')
    if args.workers is not None and args.workers < 0:
        raise ValueError(f'--workers must be at least 0, got {args.workers}')
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
    runs = [one for one in read_log([log]) if one['config'] == args.config.stem] if log.is_file() else []
    if not runs:
        raise ValueError(f'no finished runs in {log}')
    if args.baseline not in {one['arm'] for one in runs}:
        console.print(f'{args.baseline}, the baseline, has no finished run yet: no table')
        return
    metric = args.metric or runs[0]['metric']
    print_report(console, runs, metric, args.baseline)
    if args.plot:
        plot(runs, metric, args.plot)


def versions() -> dict[str, str]:
    """Return what the last digits of a run depend on, besides its config."""
    return {
        'mmdownsize': __version__,
        'torch': torch.__version__,
        'mmengine': mmengine.__version__,
        'python': platform.python_version(),
        'cpu': processor(),
    }


def processor(about: Path = Path('/proc/cpuinfo')) -> str:
    """Return the CPU's maker and its vectors: either may decide the order of sums, and training makes another model of it."""
    lines = about.read_text().splitlines() if about.is_file() else []
    makers = (line.split(':', 1)[1].strip() for line in lines if line.startswith(('vendor_id', 'CPU implementer')))
    return f'{next(makers, platform.machine())} {torch.backends.cpu.get_cpu_capability()}'


def run_all(
    args: argparse.Namespace, cfg: Config, arms: list[Arm], work_dir: Path, log: Path, console: Console
) -> None:
    """Train every arm of every seed that the log does not have."""
    finished = {(r['arm'], r['seed'], r['fingerprint']): r for r in read_log([log])} if log.is_file() else {}
    here = versions()
    for name in here:
        there = {run.get('versions', {}).get(name, 'unknown') for run in finished.values()} - {here[name]}
        if there:
            console.print(
                f'{log} has runs with {name} {", ".join(sorted(there))}, here it is {here[name]}: the same seed may give other '
                'numbers here, and differences between arms then hold that, too',
                soft_wrap=True,
            )
    baseline = next(arm for arm in arms if arm.name == args.baseline)
    wanted = only(arms, args.only)
    todo = []
    for seed in args.seeds:  # seed by seed: pairs are complete early
        checkpoint = checkpoint_of(args.start, seed)
        start_cfg = config_of(cfg, baseline, seed)
        start = work_dir / f'start_seed{seed}_{fingerprint(start_cfg, baseline, checkpoint)}.pth'
        for arm in wanted:
            own = config_of(cfg, arm, seed if arm.depends_on_seed or checkpoint is None else 0)
            name = fingerprint(own, arm, checkpoint)
            if (arm.name, seed, name) not in finished:
                todo.append((arm, seed, own, name))
                write_start(start_cfg, start, checkpoint)
                own.load_from = str(start.resolve())
    if todo:
        check_writable(log)  # not after hours of training
    seconds = [run['seconds'] for run in finished.values()]
    results = {(arm, name): run for (arm, _, name), run in finished.items()}
    for number, (arm, seed, own, name) in enumerate(todo):
        if not arm.depends_on_seed and (arm.name, name) in results:  # tested in front of the same model already
            append_line(log, json.dumps({**results[arm.name, name], 'seed': seed}))
            continue
        left = f', {statistics.fmean(seconds) * (len(todo) - number) / 60:.0f} min left' if seconds else ''
        label = f'{arm.name}, seed {seed} ({number + 1} of {len(todo)}{left})'
        run_dir = work_dir / arm.name / f'seed{seed}_{name}'
        taken = execute(own, run_dir, console, label, arm.train)
        metrics = last_metrics(run_dir)
        metric = args.metric or next((key for key in METRICS if key in metrics), sorted(metrics)[0])
        finished_run = {
            'config': args.config.stem,
            'arm': arm.name,
            'seed': seed,
            'metric': metric,
            'metrics': metrics,
            'training_losses': training_losses(run_dir),
            'seconds': round(taken, 1),
            'fingerprint': name,
            'downsizer': arm.downsizer,
            'options': arm.options,
            'trained': arm.train,
            'start': Path(args.start).name if args.start else None,
            'versions': here,
        }
        append_line(log, json.dumps(finished_run))
        results[arm.name, name] = finished_run
        seconds.append(taken)
        console.print(f'{arm.name}, seed {seed}: {metric} {metrics.get(metric, float("nan")):.2f}, {taken:.0f} s')


if __name__ == '__main__':
    main()
