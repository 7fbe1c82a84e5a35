"""What a finished run of tools/compare.py has left in its folder: its metrics and its training losses."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FRACTIONS = ('pascal_voc', 'coco/')  # metrics that are given in 0..1 and reported in points of a hundred


def logged(work_dir: Path) -> Iterator[dict[str, Any]]:
    """Yield what mmengine has logged, those parts first that ran first (an interrupted run has several)."""
    for path in sorted([*work_dir.glob('*/vis_data/scalars.json'), *work_dir.glob('*/2*.json')]):
        for line in path.read_text().splitlines():
            yield json.loads(line)


def last_metrics(work_dir: Path) -> dict[str, float]:
    """Return the last validation of a run, or its test, in points of a hundred.

    Raises:
        RuntimeError: If there is none.
    """
    last: dict[str, Any] = {}
    for values in logged(work_dir):
        if 'loss' not in values and values.get('step', -1) >= last.get('step', -1):
            last = values
    metrics = {key: value for key, value in last.items() if key not in ('step', 'time', 'data_time')}
    if not metrics:
        raise RuntimeError(f'no validation in {work_dir}: the run has ended without one')
    return {key: 100 * value if key.startswith(FRACTIONS) else value for key, value in metrics.items()}


def training_losses(work_dir: Path) -> list[float] | None:
    """Return the mean of the losses logged in a run's first epoch and in its last; None for a run that did not train.

    Where an epoch was begun twice, after an interruption, what was logged of it last counts, step by step. A loop without
    epochs gives its first and its last logged loss.
    """
    epochs: dict[int, dict[int, float]] = {}
    for values in logged(work_dir):
        if 'loss' in values:
            epochs.setdefault(values.get('epoch', values['step']), {})[values['step']] = values['loss']
    if not epochs:
        return None
    return [round(statistics.fmean(epochs[which].values()), 4) for which in (min(epochs), max(epochs))]
