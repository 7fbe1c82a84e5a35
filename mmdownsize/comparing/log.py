"""Logs of finished runs, ``runs.jsonl``: one JSON object a line, written by mmdownsize compare."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmdownsize.refusal import Refusal
from mmdownsize.storage import write_whole


def read_log(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Return the finished runs of some logs; of several of the same config, arm and seed the last one.

    The first versions wrote no options: a run without has none. Empty lines and half a line at the end are left out: see
    :func:`mend_end`.

    Raises:
        Refusal: If another line is not that of a run: names the file and the line.
        OSError: If there is no such file.
    """
    runs: dict[tuple[str, str, int], dict[str, Any]] = {}
    for path in paths:
        for number, line in enumerate(path.read_text(errors='replace').splitlines(keepends=True), 1):
            if not line.strip() or _is_half(line):
                continue
            try:
                run = json.loads(line)
                runs[run['config'], run['arm'], run['seed']] = {'options': {}, **run}
            except (json.JSONDecodeError, KeyError, TypeError) as error:
                raise Refusal(f'{path}:{number} is not a line of mmdownsize compare: {error!r}') from error
    return list(runs.values())


def mend_end(path: Path) -> str | None:
    """Have a log end with a whole line, so that another can be added.

    A process that is killed while it writes leaves half a line, and an editor may leave out the end of the last line.

    Returns:
        The half line that was removed; None if there was none.

    Raises:
        OSError: If the log cannot be read or written.
    """
    text = path.read_text(errors='replace') if path.is_file() else ''
    if not text or text.endswith('\n'):
        return None
    last = text.splitlines()[-1]
    if not _is_half(last):
        write_whole(path, f'{text}\n')
        return None
    write_whole(path, text.removesuffix(last))
    return last


def _is_half(line: str) -> bool:
    if line.endswith('\n') or not line.startswith('{'):
        return False
    try:
        json.loads(line)
    except json.JSONDecodeError:
        return True
    return False


def by_arm(runs: Sequence[dict[str, Any]], metric: str) -> dict[str, dict[int, float]]:
    """Return ``{arm: {seed: metric}}``, arms in the order of their first run.

    Raises:
        Refusal: If a run does not have the metric.
    """
    table: dict[str, dict[int, float]] = {}
    for run in runs:
        if metric not in run['metrics']:
            raise Refusal(f'no metric {metric!r} in {run["arm"]}, seed {run["seed"]}: it has {sorted(run["metrics"])}')
        table.setdefault(run['arm'], {})[run['seed']] = run['metrics'][metric]
    return table


def in_every_seed(runs: Sequence[dict[str, Any]], table: dict[str, dict[int, float]]) -> dict[str, dict[int, float]]:
    """Return the table with the one value of a fixed kernel before one finished model repeated for every seed.

    Args:
        runs: Finished runs of one config.
        table: Of :func:`by_arm`.
    """
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
