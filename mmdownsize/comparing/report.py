"""The tables and the plot of a comparison."""

from __future__ import annotations

import io
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from mmdownsize.comparing.log import by_arm, in_every_seed, read_log
from mmdownsize.comparing.statistics import LEVEL, WANTED, Difference, paired_difference
from mmdownsize.comparing.tables import WholeTable
from mmdownsize.notices import warn
from mmdownsize.refusal import Refusal
from mmdownsize.storage import write_whole


@dataclass(frozen=True)
class Options:
    """Options of a report.

    Attributes:
        logs: Files that tools/compare.py has written.
        baseline: Arm that the others are compared with.
        metric: Key of the metric; None: the one that each config's first run names.
        plot: Where to draw the runs of the first config.
        markdown: Write tables for the docs, not for a terminal.
    """

    logs: Sequence[Path]
    baseline: str = 'bilinear'
    metric: str | None = None
    plot: Path | None = None
    markdown: bool = False


def report(options: Options, console: Console) -> None:
    """Print the tables of all configs in the logs, and draw the runs of the first one.

    Raises:
        Refusal: If a log, the metric, the baseline or the plot's format cannot be used.
        OSError: If a log cannot be read, or the plot cannot be written.
    """
    runs = read_log(options.logs)
    for config in dict.fromkeys(run['config'] for run in runs):
        own = [run for run in runs if run['config'] == config]
        metric = options.metric or own[0]['metric']
        if options.markdown:
            print(f'{config}\n\n{markdown(*rows_of(own, metric, options.baseline))}\n')
        else:
            print_report(console, own, metric, options.baseline)
    if options.plot and runs:
        own = [run for run in runs if run['config'] == runs[0]['config']]
        plot(own, options.metric or own[0]['metric'], options.plot)


def difference_of(table: dict[str, dict[int, float]], arm: str, other: str) -> Difference | None:
    """Return the paired difference of two arms, or None if no seed has both."""
    seeds = sorted(table[arm].keys() & table[other].keys())
    if not seeds:
        return None
    return paired_difference([table[arm][s] for s in seeds], [table[other][s] for s in seeds])


def best_fixed(runs: Sequence[dict[str, Any]], table: dict[str, dict[int, float]]) -> str | None:
    """Return the arm with the highest mean among those with a fixed kernel; None if there is none."""
    fixed = {run['arm'] for run in runs if run['downsizer'].get('type') == 'FixedResizer'}
    return max(fixed, key=lambda arm: statistics.fmean(table[arm].values()), default=None)


@dataclass(frozen=True)
class Columns:
    """Some columns of the table of one config.

    Attributes:
        title: What they say of an arm.
        head: Their names.
        cells: As many for each arm; empty ones where there is nothing to say.
    """

    title: str
    head: list[str]
    cells: dict[str, list[str]]


def columns_of(runs: Sequence[dict[str, Any]], metric: str, baseline: str) -> list[Columns]:
    """Return the columns of the table of one config: values, differences to the baseline and the best fixed kernel, costs.

    Raises:
        Refusal: If no run is the baseline's, or one does not have the metric.
    """
    _warn_of_other_settings(runs)
    table = by_arm(runs, metric)
    if baseline not in table:
        raise Refusal(f'no finished run of the baseline {baseline!r}; arms: {", ".join(table)}')
    whatever_the_seed = in_every_seed(runs, table)
    rivals = list(dict.fromkeys(filter(None, (baseline, best_fixed(runs, table)))))
    values, costs = {}, {}
    with_losses = any(run.get('training_losses') for run in runs)
    for arm, own in table.items():
        numbers = list(own.values())
        spread = f'{statistics.stdev(numbers):.2f}' if len(numbers) > 1 else '-'
        values[arm] = [str(len(numbers)), f'{statistics.fmean(numbers):.2f}', spread]
        runs_of_arm = [run for run in runs if run['arm'] == arm]
        losses = [falling_loss(runs_of_arm)] if with_losses else []
        costs[arm] = [*losses, f'{statistics.fmean(run["seconds"] for run in runs_of_arm):.0f}']
    differences = []
    for rival in rivals:
        cells = {}
        for arm, own in table.items():
            difference = difference_of({arm: own, rival: whatever_the_seed[rival]}, arm, rival)
            cells[arm] = [''] * 3 if arm == rival or difference is None else _in_columns(difference)
        head = [f'minus {rival}', f'{LEVEL:.0%} interval', f'seeds for ±{WANTED}']
        differences.append(Columns(f'minus {rival}', head, cells))
    loss = ['loss, first to last epoch'] if with_losses else []
    return [
        Columns(metric, ['seeds', metric, 'spread'], values),
        *differences,
        Columns('cost', [*loss, 's a run'], costs),
    ]


def rows_of(runs: Sequence[dict[str, Any]], metric: str, baseline: str) -> tuple[list[str], list[list[str]]]:
    """Return the head and the rows of the whole table of one config, see :func:`columns_of`."""
    columns = columns_of(runs, metric, baseline)
    rows = [[arm, *(cell for part in columns for cell in part.cells[arm])] for arm in columns[0].cells]
    return ['arm', *(name for part in columns for name in part.head)], rows


def _warn_of_other_settings(runs: Sequence[dict[str, Any]]) -> None:
    groups: dict[str, list[str]] = {}
    for run in runs:
        if 'shared' in run:  # the first versions did not say
            groups.setdefault(run['shared'], []).append(f'{run["arm"]} seed {run["seed"]}')
    if len(groups) > 1:
        examples = ', '.join(f'{len(names)} such as {names[0]}' for names in groups.values())
        warn(
            f'{runs[0]["config"]}: the runs are of {len(groups)} configs, --cfg-options or --start ({examples}), and differences '
            'include that: run the comparison again without --only'
        )


def _in_columns(difference: Difference) -> list[str]:
    if difference.count == 1:
        return [f'{difference.mean:+.2f}', 'one seed', '']
    interval = f'{difference.low:+.2f} to {difference.high:+.2f}'
    return [f'{difference.mean:+.2f}', interval, str(difference.seeds_needed)]


def falling_loss(runs: Sequence[dict[str, Any]]) -> str:
    """Return the mean training loss of the first and of the last epoch, over the runs that have trained."""
    losses = [run['training_losses'] for run in runs if run.get('training_losses')]
    return ' → '.join(f'{statistics.fmean(epoch):.4g}' for epoch in zip(*losses))


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table for the docs."""
    lines = [head, ['---'] * len(head), *rows]
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in lines)


def print_report(console: Console, runs: Sequence[dict[str, Any]], metric: str, baseline: str) -> None:
    """Print the table of one config for a terminal: one of the values, and one for each arm that the others are compared with."""
    values, *differences, costs = columns_of(runs, metric, baseline)
    head = ['arm', 'seeds', 'mean', 'spread', *(_in_two_lines(name) for name in costs.head)]
    rows = [[arm, *cells, *costs.cells[arm]] for arm, cells in values.cells.items()]
    console.print(WholeTable(f'{runs[0]["config"]}: {metric}', head, rows))
    for part in differences:
        head = ['arm', 'difference', part.head[1], _in_two_lines(part.head[2])]
        rows = [[arm, *cells] for arm, cells in part.cells.items() if any(cells)]
        if rows:
            console.print(WholeTable(f'{metric} {part.title}', head, rows))


def _in_two_lines(name: str) -> str:
    first, _, rest = name.partition(', ') if ', ' in name else name.partition(' ')
    return f'{first}\n{rest}' if rest else first


def format_of(path: Path) -> str:
    """Return the format of a picture, by its suffix.

    Raises:
        Refusal: If there is no such format.
    """
    from matplotlib.backend_bases import FigureCanvasBase

    formats = FigureCanvasBase.get_supported_filetypes()
    kind = path.suffix.lstrip('.').lower() or 'png'
    if kind not in formats:
        raise Refusal(f'--plot {path}: no format {kind!r}, choose one of {", ".join(sorted(formats))}')
    return kind


def plot(runs: Sequence[dict[str, Any]], metric: str, path: Path) -> None:
    """Draw every run as a point, an arm a column, a seed a line, and the arms' means.

    Args:
        runs: Finished runs of one config.
        metric: Key of the metric.
        path: The picture; its suffix says the format.

    Raises:
        Refusal: If there is no such format.
        OSError: If the file cannot be written.
    """
    from matplotlib.figure import Figure

    kind = format_of(path)
    table = by_arm(runs, metric)
    figure = Figure(figsize=(1.5 + 1.3 * len(table), 4), layout='constrained')
    axes = figure.subplots()
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
    figure.savefig(content, dpi=110, format=kind)
    write_whole(path, content.getvalue())
