"""A whole comparison: every arm with every seed, each run once, and the table of what was found.

Every arm of a seed starts from the same model weights and sees the same data in the same order with the same augmentations:
only what is before the model differs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmengine.config import Config
from rich.console import Console

from mmdownsize.comparing import METRICS
from mmdownsize.comparing.arms import Arm, at_scales, check_replaceable, config_of, load_arms, name_at, only
from mmdownsize.comparing.costs import resolve_costs
from mmdownsize.comparing.log import mend_end, read_log
from mmdownsize.comparing.progress import clock, seconds_of
from mmdownsize.comparing.report import plot, print_report
from mmdownsize.comparing.results import last_metrics, training_losses
from mmdownsize.comparing.runs import execute, fingerprint, shared_fingerprint, versions
from mmdownsize.comparing.start import checkpoint_of, write_start
from mmdownsize.configs import read_config
from mmdownsize.refusal import Refusal
from mmdownsize.storage import append_line, check_writable


@dataclass(frozen=True)
class Options:
    """Options of a comparison.

    Attributes:
        config: Config with a mmdownsize preprocessor; the downsizers of the arms replace its own.
        fragments: Arms by the name of a fragment of ``configs/_base_/downsize``.
        arms_file: A Python file that sets ``arms``.
        only: Names of the arms to run; None: all.
        seeds: At least one.
        baseline: Arm that the others are compared with.
        metric: Key of the metric; None: the first of :data:`~mmdownsize.comparing.METRICS` that a run reports.
        start: Checkpoint that all arms start from, with the seed for ``'{seed}'``; None: the seed draws the weights.
        work_dir: Folder of the runs; None: ``work_dirs/compare/NAME_OF_THE_CONFIG``.
        log: File of finished runs, a line each; None: ``runs.jsonl`` in the folder.
        plot: Where to draw the runs.
        subset: Train on the first so many samples only.
        scales: Run every arm at each of these scale factors, as ``NAME@SCALE``; None: at the config's own.
        workers: Worker processes of the training loader, in place of the config's.
        report_only: Train nothing.
        cfg_options: Settings by dotted key that replace the config's, for all arms.
    """

    config: Path
    fragments: Sequence[str] = ()
    arms_file: Path | None = None
    only: Sequence[str] | None = None
    seeds: Sequence[int] = (0, 1, 2)
    baseline: str = 'bilinear'
    metric: str | None = None
    start: str | None = None
    work_dir: Path | None = None
    log: Path | None = None
    plot: Path | None = None
    subset: int | None = None
    scales: Sequence[float] | None = None
    workers: int | None = None
    report_only: bool = False
    cfg_options: Mapping[str, Any] | None = None

    @property
    def folder(self) -> Path:
        """Folder of the runs."""
        return self.work_dir or Path('work_dirs/compare') / self.config.stem

    @property
    def log_path(self) -> Path:
        """File of finished runs."""
        return self.log or self.folder / 'runs.jsonl'


@dataclass(frozen=True)
class Run:
    """A run that is not in the log yet.

    Attributes:
        arm: Its arm.
        seed: Its seed.
        cfg: Its config, with ``load_from``.
        fingerprint: The short name of all that it depends on.
    """

    arm: Arm
    seed: int
    cfg: Config
    fingerprint: str


def compare(options: Options, console: Console) -> None:
    """Run what the log does not have, print the table, and draw the plot.

    Raises:
        Refusal: If the config, an arm or an option cannot work, or a run fails.
        OSError: If a file cannot be read or written.
    """
    arms = load_arms(options.fragments, options.arms_file, options.baseline)
    only(arms, options.only)
    cfg = read_config(options.config, options.cfg_options)
    check_replaceable(cfg, options.config)
    options, arms = _at_scales(options, arms, cfg)
    _set_loader(cfg, options)
    if not options.report_only:
        arms = resolve_costs(cfg, arms, options.seeds[0], options.folder / 'equal_cost.json')
        run_missing(options, cfg, arms, console)
    log = options.log_path
    runs = [one for one in read_log([log]) if one['config'] == options.config.stem] if log.is_file() else []
    if not runs:
        raise Refusal(f'no finished runs in {log}')
    if options.baseline not in {one['arm'] for one in runs}:
        console.print(f'{options.baseline}, the baseline, has no finished run yet: no table')
        return
    metric = options.metric or runs[0]['metric']
    print_report(console, runs, metric, options.baseline)
    if options.plot:
        plot(runs, metric, options.plot)


def _at_scales(options: Options, arms: Sequence[Arm], cfg: Config) -> tuple[Options, list[Arm]]:
    """Return the options and the arms by their names at every scale."""
    if options.scales is None:
        return options, list(arms)
    names = [arm.name for arm in only(arms, options.only)]
    wanted = [arm for arm in arms if arm.name in (options.baseline, *names)]
    chosen = [name_at(name, scale) for scale in options.scales for name in names]
    options = replace(options, baseline=name_at(options.baseline, options.scales[0]), only=chosen)
    return options, at_scales(wanted, cfg, options.scales)


def _set_loader(cfg: Config, options: Options) -> None:
    if options.subset is not None and options.subset < 1:
        raise Refusal(f'--subset must be at least 1, got {options.subset}')
    if options.workers is not None and options.workers < 0:
        raise Refusal(f'--workers must be at least 0, got {options.workers}')
    if (options.subset is not None or options.workers is not None) and cfg.get('train_dataloader') is None:
        raise Refusal(f'--subset, --workers: {options.config} has no train_dataloader')
    if options.subset is not None:
        cfg.train_dataloader.dataset.indices = options.subset
    if options.workers is not None:
        cfg.train_dataloader.num_workers = options.workers
        cfg.train_dataloader.persistent_workers = options.workers > 0


def run_missing(
    options: Options,
    cfg: Config,
    arms: Sequence[Arm],
    console: Console,
    watch: Callable[[Path], str] | None = None,
) -> None:
    """Run every arm with every seed that the log does not have.

    What is only tested before the same weights is tested once, whatever the number of seeds.

    Args:
        options: Options of the comparison.
        cfg: The config that all arms share.
        arms: The baseline is among them.
        console: Where it is said what is done.
        watch: What is shown of a run while it goes on, see :func:`mmdownsize.comparing.runs.execute`.
    """
    log = options.log_path
    finished = {(r['arm'], r['seed'], r['fingerprint']): r for r in read_log([log])} if log.is_file() else {}
    half = mend_end(log)
    if half is not None:
        console.print(
            f'{log} ended in half a line, {half[:60]!r}: it is removed, and that run is finished again', soft_wrap=True
        )
    here, shared = versions(), shared_fingerprint(cfg, options.start)
    _warn_of_other_versions(console, log, finished.values(), here)
    missing = _missing(options, cfg, arms, finished)
    if missing:
        check_writable(log)  # now, not after hours of training
    results = {(arm, name): run for (arm, _, name), run in finished.items()}
    for number, run in enumerate(missing):
        arm, name = run.arm, run.fingerprint
        if not arm.depends_on_seed and (arm.name, name) in results:  # another seed has tested it
            append_line(log, json.dumps({**results[arm.name, name], 'seed': run.seed, 'shared': shared}))
            continue
        if fingerprint(run.cfg, arm, checkpoint_of(options.start, run.seed)) != name:
            raise Refusal(
                f'{arm.name}, seed {run.seed}: its pretrained downsizer or --start has changed since this comparison began: '
                'start it again'
            )
        label = f'{arm.name}, seed {run.seed} ({number + 1} of {len(missing)})'
        run_dir = options.folder / arm.name / f'seed{run.seed}_{name}'
        known = list(results.values())
        expected = seconds_of(known, arm.train)
        others = [seconds_of(known, train) for train in _still_to_run(missing[number + 1 :], results)]
        taken = execute(run.cfg, run_dir, console, label, arm.train, expected, others, watch)
        entry = {**_entry(options, run, run_dir, taken, here), 'shared': shared}
        append_line(log, json.dumps(entry))
        results[arm.name, name] = entry
        metric = entry['metric']
        value = entry['metrics'].get(metric, float('nan'))
        left = _still_to_run(missing[number + 1 :], results)
        total = sum(seconds_of(list(results.values()), train) or 0.0 for train in left)
        console.print(
            f'{arm.name}, seed {run.seed}: {metric} {value:.2f}, {taken:.0f} s'
            + (f'; {len(left)} to go, about {clock(total)}' if left else ''),
            soft_wrap=True,
        )


def _still_to_run(runs: Sequence[Run], results: Mapping[tuple[str, str], Any]) -> list[bool]:
    """Return of each run that needs a process of its own whether it is a training. Equal ones run once."""
    waiting = {(run.arm.name, run.fingerprint): run.arm.train for run in runs}
    return [train for key, train in waiting.items() if key not in results]


def _missing(
    options: Options, cfg: Config, arms: Sequence[Arm], finished: Mapping[tuple[str, int, str], Any]
) -> list[Run]:
    """Return the runs that the log does not have, and write the weights that they start from."""
    baseline = next(arm for arm in arms if arm.name == options.baseline)
    missing = []
    for seed in options.seeds:  # seed by seed: pairs are complete early
        checkpoint = checkpoint_of(options.start, seed)
        start_cfg = config_of(cfg, baseline, seed)
        start = options.folder / f'start_seed{seed}_{fingerprint(start_cfg, baseline, checkpoint)}.pth'
        for arm in only(arms, options.only):
            own = config_of(cfg, arm, seed if arm.depends_on_seed or checkpoint is None else 0)
            name = fingerprint(own, arm, checkpoint)
            if (arm.name, seed, name) not in finished:
                write_start(start_cfg, start, checkpoint)
                own.load_from = str(start.resolve())
                own.resume = False  # whatever the config asks for: only a run of ours is resumed
                missing.append(Run(arm, seed, own, name))
    return missing


def _warn_of_other_versions(
    console: Console, log: Path, finished: Sequence[Mapping[str, Any]], here: Mapping[str, str]
) -> None:
    for name in here:
        there = {run.get('versions', {}).get(name, 'unknown') for run in finished} - {here[name]}
        if there:
            console.print(
                f'{log} has runs with {name} {", ".join(sorted(there))}, here it is {here[name]}: the same seed may give '
                'other numbers here, and differences between arms then include that',
                soft_wrap=True,
            )


def _entry(options: Options, run: Run, run_dir: Path, seconds: float, here: Mapping[str, str]) -> dict[str, Any]:
    """Return a finished run's line in the log."""
    metrics = last_metrics(run_dir)
    return {
        'config': options.config.stem,
        'arm': run.arm.name,
        'seed': run.seed,
        'metric': options.metric or next((key for key in METRICS if key in metrics), sorted(metrics)[0]),
        'metrics': metrics,
        'training_losses': training_losses(run_dir),
        'seconds': round(seconds, 1),
        'fingerprint': run.fingerprint,
        'downsizer': run.arm.downsizer,
        'options': run.arm.options,
        'trained': run.arm.train,
        'start': Path(options.start).name if options.start else None,
        'versions': here,
    }
