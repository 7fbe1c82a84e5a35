"""Tables and a plot from the log of tools/compare.py.

python tools/compare_report.py LOG.jsonl [LOG.jsonl ...] [--baseline ARM] [--metric KEY] [--plot FILE.png] [--markdown]
"""

from __future__ import annotations

import argparse
import io
import json
import math
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # also runs from a clone that is not installed

from rich.console import Console
from rich.table import Table
from scipy import stats

from mmdownsize.storage import write_whole

LEVEL = 0.95
WANTED = 0.3  # points: the difference that a study should be able to see


@dataclass(frozen=True)
class Difference:
    """Paired differences to another arm, over the seeds that both have.

    Attributes:
        mean: Their mean.
        spread: Their standard deviation; NaN for one seed.
        low: Lower end of the confidence interval of the mean (paired t); NaN for one seed.
        high: Upper end.
        count: Seeds.
    """

    mean: float
    spread: float
    low: float
    high: float
    count: int

    @property
    def seeds_needed(self) -> int | None:
        """Seeds with which the interval's half width would be ``WANTED``, if the spread is what it seems; None: unknown."""
        if math.isnan(self.spread):
            return None
        needed = 2
        while needed < 10_000 and half_width(self.spread, needed) > WANTED:
            needed += 1
        return needed


def half_width(spread: float, count: int) -> float:
    """Return half the width of the confidence interval of a mean."""
    return float(stats.t.ppf((1 + LEVEL) / 2, count - 1) * spread / math.sqrt(count))


def paired_difference(ours: Sequence[float], theirs: Sequence[float]) -> Difference:
    """Return the differences of numbers that belong together.

    Args:
        ours: One number a seed, at least one.
        theirs: The same seeds' in the same order.

    Raises:
        ValueError: If there are none, or not as many.
    """
    if not ours or len(ours) != len(theirs):
        raise ValueError(
            f'paired numbers are as many on both sides and at least one, got {len(ours)} and {len(theirs)}'
        )
    differences = [a - b for a, b in zip(ours, theirs)]
    mean = statistics.fmean(differences)
    if len(differences) == 1:
        return Difference(mean, math.nan, math.nan, math.nan, 1)
    spread = statistics.stdev(differences)
    half = half_width(spread, len(differences))
    return Difference(mean, spread, mean - half, mean + half, len(differences))


def read_log(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Return the finished runs of some logs: one JSON object a line, the last one of an arm and a seed counts."""
    runs: dict[tuple[str, str, int], dict[str, Any]] = {}
    for path in paths:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            try:
                run = json.loads(line)
                runs[run['config'], run['arm'], run['seed']] = run
            except (json.JSONDecodeError, KeyError, TypeError) as error:
                raise ValueError(f'{path}:{number} is not a line of tools/compare.py: {error!r}') from error
    return list(runs.values())


def by_arm(runs: Sequence[dict[str, Any]], metric: str) -> dict[str, dict[int, float]]:
    """Return arm: {seed: metric}, arms in the order of their first run."""
    table: dict[str, dict[int, float]] = {}
    for run in runs:
        if metric not in run['metrics']:
            raise ValueError(
                f'no metric {metric!r} in {run["arm"]}, seed {run["seed"]}: it has {sorted(run["metrics"])}'
            )
        table.setdefault(run['arm'], {})[run['seed']] = run['metrics'][metric]
    return table


def in_every_seed(runs: Sequence[dict[str, Any]], table: dict[str, dict[int, float]]) -> dict[str, dict[int, float]]:
    """Return the table with fixed kernels in front of one finished model, which have one value, in the seeds of all arms."""
    start, *others = {run.get('start') for run in runs}
    if others or start is None or '{seed}' in start:
        return table  # each seed may have a model of its own
    seeds = {run['seed'] for run in runs}
    may_scatter = {
        run['arm'] for run in runs if run['downsizer'].get('type') != 'FixedResizer' or run.get('trained') is not False
    }
    filled = dict(table)
    for arm in table.keys() - may_scatter:
        values = set(table[arm].values())
        if len(values) == 1:
            filled[arm] = dict.fromkeys(seeds, values.pop())
    return filled


def compare(table: dict[str, dict[int, float]], arm: str, other: str) -> Difference | None:
    """Return the paired difference of two arms, or None if no seed has both."""
    seeds = sorted(table[arm].keys() & table[other].keys())
    if not seeds:
        return None
    return paired_difference([table[arm][s] for s in seeds], [table[other][s] for s in seeds])


def best_fixed(runs: Sequence[dict[str, Any]], table: dict[str, dict[int, float]]) -> str | None:
    """Return the arm with the highest mean among those that learn nothing in front of the model."""
    fixed = {run['arm'] for run in runs if run['downsizer'].get('type') == 'FixedResizer'}
    return max(fixed, key=lambda arm: statistics.fmean(table[arm].values()), default=None)


def rows_of(runs: Sequence[dict[str, Any]], metric: str, baseline: str) -> tuple[list[str], list[list[str]]]:
    """Return the head and the rows of the table."""
    table = by_arm(runs, metric)
    if baseline not in table:
        raise ValueError(f'no finished run of the baseline {baseline!r}; arms: {", ".join(table)}')
    whatever_the_seed = in_every_seed(runs, table)
    rivals = list(dict.fromkeys(filter(None, (baseline, best_fixed(runs, table)))))
    head = ['arm', 'seeds', metric, 'spread']
    for rival in rivals:
        head += [f'minus {rival}', f'{LEVEL:.0%} interval', f'seeds for ±{WANTED}']
    with_losses = any(run.get('training_losses') for run in runs)
    head += ['loss, first to last epoch', 's a run'] if with_losses else ['s a run']
    rows = []
    for arm, own in table.items():
        values = list(own.values())
        spread = f'{statistics.stdev(values):.2f}' if len(values) > 1 else '-'
        row = [arm, str(len(values)), f'{statistics.fmean(values):.2f}', spread]
        for rival in rivals:
            difference = compare({arm: own, rival: whatever_the_seed[rival]}, arm, rival)
            if arm == rival or difference is None:
                row += ['', '', '']
            elif difference.count == 1:
                row += [f'{difference.mean:+.2f}', 'one seed', '']
            else:
                row += [
                    f'{difference.mean:+.2f}',
                    f'{difference.low:+.2f} to {difference.high:+.2f}',
                    str(difference.seeds_needed),
                ]
        runs_of_arm = [run for run in runs if run['arm'] == arm]
        if with_losses:
            row.append(falling_loss(runs_of_arm))
        row.append(f'{statistics.fmean(run["seconds"] for run in runs_of_arm):.0f}')
        rows.append(row)
    return head, rows


def falling_loss(runs: Sequence[dict[str, Any]]) -> str:
    """Return the mean training loss of the first and of the last epoch, over the runs that have trained."""
    losses = [run['training_losses'] for run in runs if run.get('training_losses')]
    return ' → '.join(f'{statistics.fmean(epoch):.4g}' for epoch in zip(*losses))


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table for the docs."""
    lines = [head, ['---'] * len(head), *rows]
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in lines)


def print_report(console: Console, runs: Sequence[dict[str, Any]], metric: str, baseline: str) -> None:
    """Print the table of one config."""
    head, rows = rows_of(runs, metric, baseline)
    table = Table(title=f'{runs[0]["config"]}: {metric}')
    for column in head:
        table.add_column(column, justify='left' if column == 'arm' else 'right')
    for row in rows:
        table.add_row(*row)
    console.print(table)


def plot(runs: Sequence[dict[str, Any]], metric: str, path: Path) -> None:
    """Draw every run as a point, an arm a column, a seed a line, and the arms' means."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot as plt

    table = by_arm(runs, metric)
    figure, axes = plt.subplots(figsize=(1.5 + 1.3 * len(table), 4), layout='constrained')
    for seed in sorted({seed for own in table.values() for seed in own}):
        points = [(x, own[seed]) for x, own in enumerate(table.values()) if seed in own]
        axes.plot(*zip(*points), marker='o', markersize=4, linewidth=0.7, alpha=0.6, label=f'seed {seed}')
    means = [statistics.fmean(own.values()) for own in table.values()]
    axes.plot(range(len(means)), means, linestyle='', marker='_', markersize=28, markeredgewidth=2, color='black')
    axes.set_xticks(range(len(table)), list(table), rotation=20, ha='right')
    axes.set(ylabel=metric, title=runs[0]['config'])
    axes.grid(alpha=0.3, axis='y')
    axes.legend(fontsize=8)
    content = io.BytesIO()
    figure.savefig(content, dpi=110, format=path.suffix.lstrip('.') or 'png')
    write_whole(path, content.getvalue())
    plt.close(figure)


def main(argv: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('logs', type=Path, nargs='+', help='logs of tools/compare.py')
    parser.add_argument('--baseline', default='bilinear', help='arm that the others are compared with')
    parser.add_argument('--metric', help="by default the runs' own")
    parser.add_argument('--plot', type=Path, help='also draw the runs of the first config there')
    parser.add_argument('--markdown', action='store_true', help='tables for the docs')
    args = parser.parse_args(argv)
    try:
        runs = read_log(args.logs)
        console = Console(width=180)
        for config in dict.fromkeys(run['config'] for run in runs):
            own = [run for run in runs if run['config'] == config]
            metric = args.metric or own[0]['metric']
            if args.markdown:
                print(f'{config}\n\n{markdown(*rows_of(own, metric, args.baseline))}\n')
            else:
                print_report(console, own, metric, args.baseline)
        if args.plot and runs:
            own = [run for run in runs if run['config'] == runs[0]['config']]
            plot(own, args.metric or own[0]['metric'], args.plot)
    except (OSError, ValueError) as error:
        sys.exit(str(error))


if __name__ == '__main__':
    main()
