"""Accuracy against time: which resizer, and which scale, is best for a given time an image.

The runs are those of ``mmdownsize compare --scales``, whose arms are named ``RESIZER@SCALE``; runs without
the option are at the config's own scale. Every one is timed, and every resizer is a curve over its scales.
"""

from __future__ import annotations

import io
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config

from mmdownsize.comparing.arms import Arm, check_replaceable, name_at, preprocessor_of, scale_in
from mmdownsize.comparing.costs import milliseconds
from mmdownsize.comparing.log import by_arm, read_log
from mmdownsize.comparing.report import format_of, markdown
from mmdownsize.comparing.statistics import Difference, half_width, paired_difference
from mmdownsize.configs import read_config
from mmdownsize.refusal import Refusal
from mmdownsize.storage import check_writable, write_whole


@dataclass(frozen=True)
class Options:
    """Options of a picture of accuracy against time.

    Attributes:
        config: The config that was compared.
        logs: Logs of mmdownsize compare with arms at several scales.
        times: File of the times in milliseconds, by config and arm. What is in it is not measured again.
        plot: The picture.
        metric: Key of the metric; None: the runs' own.
        measure: Measure what ``times`` lacks. Otherwise arms without a time are left out.
        only: Names of the arms that count, without their scale; None: all.
    """

    config: Path
    logs: Sequence[Path]
    times: Path
    plot: Path
    metric: str | None = None
    measure: bool = True
    only: Sequence[str] | None = None


@dataclass(frozen=True)
class Point:
    """A resizer at a scale.

    Attributes:
        scale: The scale factor.
        milliseconds: Time of a prediction.
        values: The metric by seed.
        fixed: Whether the resizer is a fixed one.
    """

    scale: float
    milliseconds: float
    values: Mapping[int, float]
    fixed: bool

    @property
    def mean(self) -> float:
        """The metric's mean over seeds."""
        return statistics.fmean(self.values.values())


def picture(options: Options) -> str:
    """Measure what is missing, draw the picture, and return the table in Markdown.

    Raises:
        Refusal: If a log, the config, the times or the picture's format cannot be used, or no arm has a scale, or a time.
        OSError: If a file cannot be read or written.
    """
    kind = format_of(options.plot)
    cfg = read_config(options.config)
    check_replaceable(cfg, options.config)
    logged = [run for run in read_log(options.logs) if run['config'] == options.config.stem]
    path, preprocessor = preprocessor_of(cfg)
    own = {f'{path}.scale_factor': preprocessor.get('scale_factor')}
    runs = [at_a_scale(run, own) for run in logged if scale_in({**own, **run['options']}) is not None]
    if not runs:
        raise Refusal(f'no run of {options.config.stem} at a scale in {", ".join(map(str, options.logs))}: '
                      'run mmdownsize compare with --scales')  # fmt: skip
    runs = only(runs, options.only)
    known = read_times(options.times)
    times = known.setdefault(options.config.stem, {})
    if options.measure:
        check_writable(options.times)  # now, not after minutes of measuring
        measure(cfg, runs, times)
        write_whole(options.times, json.dumps(known, indent=1))
    metric = options.metric or runs[0]['metric']
    curves = curves_of(runs, times, metric)
    if not curves:
        raise Refusal(f'{options.times} has no time of an arm of {options.config.stem}: leave out --no-measure')
    write_whole(options.plot, draw(curves, metric, options.config.stem, kind))
    return markdown(*rows_of(curves, metric))


def only(runs: Sequence[dict[str, Any]], names: Sequence[str] | None) -> Sequence[dict[str, Any]]:
    """Return the runs of some arms, which are named without their scale; without ``names`` all.

    Raises:
        Refusal: If no run has such an arm.
    """
    if names is None:
        return runs
    known = {without_scale(run['arm']) for run in runs}
    for name in names:
        if name not in known:
            raise Refusal(f'--only: no arm {name!r} among {", ".join(sorted(known))}')
    return [run for run in runs if without_scale(run['arm']) in names]


def without_scale(name: str) -> str:
    """Return the name of an arm without the scale that :func:`~mmdownsize.comparing.arms.name_at` has added."""
    return name.rpartition('@')[0]


def at_a_scale(run: dict[str, Any], own: Mapping[str, float]) -> dict[str, Any]:
    """Return a run as ``mmdownsize compare --scales`` logs it: one without a scale of its own has the config's, ``own``."""
    if scale_in(run['options']) is not None:
        return run
    (scale,) = own.values()
    return {**run, 'arm': name_at(run['arm'], scale), 'options': {**run['options'], **own}}


def read_times(path: Path) -> dict[str, dict[str, float]]:
    """Return the measured milliseconds by config and arm; none where there is no file.

    Raises:
        Refusal: If the file holds something else.
    """
    try:
        known = json.loads(path.read_text()) if path.is_file() else {}
        right = all(isinstance(time, Real) for times in known.values() for time in times.values())
    except (ValueError, AttributeError):  # no JSON, or no dictionaries
        right = False
    if not right:
        raise Refusal(f'{path} is not a file of times by config and arm: name another file, which need not exist')
    return known


def measure(cfg: Config, runs: Sequence[Mapping[str, Any]], times: dict[str, float]) -> None:
    """Measure the milliseconds of a prediction with every arm that ``times`` lacks, and write them there."""
    arms = {run['arm']: Arm(run['arm'], run['downsizer'], run['options']) for run in runs}
    times.update(milliseconds(cfg, [arm for name, arm in arms.items() if name not in times]))


def curves_of(runs: Sequence[dict[str, Any]], times: Mapping[str, float], metric: str) -> dict[str, list[Point]]:
    """Return every resizer's points by its name, from the fastest to the slowest."""
    kinds = {run['arm']: run for run in runs}
    curves: dict[str, list[Point]] = {}
    for arm, values in by_arm(runs, metric).items():
        if arm in times:
            run = kinds[arm]
            fixed = run['downsizer'].get('type') == 'FixedResizer'
            point = Point(scale_in(run['options']), times[arm], values, fixed)
            curves.setdefault(without_scale(arm), []).append(point)
    return {name: sorted(points, key=lambda point: point.milliseconds) for name, points in curves.items()}


def at_equal_time(point: Point, curves: Mapping[str, Sequence[Point]]) -> tuple[str, Difference] | None:
    """Return the fixed resizer that is best at a point's time, and the point's difference to it.

    A fixed resizer's metric at that time is on the line between two of its own scales, seed by seed, over the logarithm of the
    time. Below its fastest and above its slowest scale it has none.

    Returns:
        Its name and the paired difference; None if no fixed resizer has been run at such times.
    """
    best: tuple[float, str, Difference] | None = None
    for name, points in curves.items():
        if not points[0].fixed or not points[0].milliseconds <= point.milliseconds <= points[-1].milliseconds:
            continue
        seeds = sorted(set(point.values).intersection(*(other.values for other in points)))
        if not seeds:
            continue
        logs = [math.log(other.milliseconds) for other in points]
        theirs = [
            float(np.interp(math.log(point.milliseconds), logs, [other.values[seed] for other in points]))
            for seed in seeds
        ]
        mean = statistics.fmean(theirs)
        if best is None or mean > best[0]:
            best = mean, name, paired_difference([point.values[seed] for seed in seeds], theirs)
    return None if best is None else best[1:]


def rows_of(curves: Mapping[str, Sequence[Point]], metric: str) -> tuple[list[str], list[list[str]]]:
    """Return the head and the rows of the table: every resizer at every scale, the learned ones at equal time."""
    rows = []
    for name, points in curves.items():
        for point in sorted(points, key=lambda point: point.scale):
            row = [name, f'{point.scale:.3g}', f'{point.milliseconds:.1f}', str(len(point.values)), f'{point.mean:.2f}']
            found = None if point.fixed else at_equal_time(point, curves)
            if found is not None:
                rival, difference = found
                interval = (
                    f' ({difference.low:+.2f} to {difference.high:+.2f})' if difference.count > 1 else ' (one seed)'
                )
                row += [rival, f'{difference.mean:+.2f}{interval}']
            else:
                row += ['', '']
            rows.append(row)
    head = ['resizer', 'scale', 'ms an image', 'seeds', metric, 'best fixed at that time', 'minus it (95 %)']
    return head, rows


def draw(curves: Mapping[str, Sequence[Point]], metric: str, title: str, kind: str) -> bytes:
    """Draw the curves, with 95 % intervals over seeds.

    Args:
        curves: Points by resizer.
        metric: What the values are.
        title: Of the picture.
        kind: Its format, see :func:`mmdownsize.comparing.report.format_of`.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogFormatter

    figure = Figure(figsize=(7.5, 4.8), layout='constrained')
    axes = figure.subplots()
    for name, points in curves.items():
        times, means = [point.milliseconds for point in points], [point.mean for point in points]
        bars = [
            half_width(statistics.stdev(point.values.values()), len(point.values)) if len(point.values) > 1 else 0.0
            for point in points
        ]
        style = '--' if points[0].fixed else '-'
        axes.errorbar(times, means, yerr=bars, marker='o', markersize=4, linestyle=style, capsize=2, label=name)
        for point in points:
            label = f'{point.scale:.2g}'
            axes.annotate(label, (point.milliseconds, point.mean), (3, -9), textcoords='offset points', fontsize=6)
    axes.set_xscale('log')
    axes.xaxis.set_major_formatter(LogFormatter())  # 40, not a power of ten
    axes.xaxis.set_minor_formatter(LogFormatter(minor_thresholds=(2, 0.5)))
    axes.set(xlabel='milliseconds an image (whole pipeline)', ylabel=metric, title=f'{title} (numbers: scale)')
    axes.grid(alpha=0.3, which='both')
    axes.legend(fontsize=8)
    content = io.BytesIO()
    figure.savefig(content, dpi=130, format=kind)
    return content.getvalue()
