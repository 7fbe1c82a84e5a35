"""What a finished run has left in its folder: its metrics and its training losses."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmdownsize.refusal import Refusal

FRACTIONS = ('pascal_voc', 'coco/')  # metrics that are given in 0..1 and reported in points of a hundred


def logged(work_dir: Path) -> Iterator[dict[str, Any]]:
    """Yield what mmengine has logged, in the order in which it was logged (an interrupted run has several logs).

    A line that was cut off when the process ended is left out. What it held is logged again when the run resumes.
    """
    for path in sorted([*work_dir.glob('*/vis_data/scalars.json'), *work_dir.glob('*/2*.json')]):
        for line in path.read_text(errors='replace').splitlines():
            try:
                values = json.loads(line)
            except json.JSONDecodeError:
                continue
            if isinstance(values, dict):  # the rest of a line may be a number
                yield values


def last_metrics(work_dir: Path) -> dict[str, float]:
    """Return the last validation of a run, or its test, in points of a hundred.

    Raises:
        Refusal: If there is none.
    """
    last: dict[str, Any] = {}
    for values in logged(work_dir):
        if 'loss' not in values and values.get('step', -1) >= last.get('step', -1):
            last = values
    metrics = {key: value for key, value in last.items() if key not in ('step', 'time', 'data_time')}
    if not metrics:
        raise Refusal(
            f'no validation in {work_dir}: the run has ended without one, or found nothing to count: a COCO metric has no value '
            'where a model finds no box. Train longer; or set val_dataloader, val_evaluator, val_cfg and a '
            'train_cfg.val_interval that comes before the end'
        )
    return in_points(metrics)


def in_points(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return metrics as they are reported, those of :data:`FRACTIONS` in points of a hundred."""
    return {key: 100 * value if key.startswith(FRACTIONS) else value for key, value in metrics.items()}


def training_losses(work_dir: Path) -> list[float] | None:
    """Return the mean of the losses logged in a run's first epoch and in its last; None for a run that did not train.

    If an interruption made the run repeat part of an epoch, the values that were logged last count, step by step. A loop
    without epochs gives its first and its last logged loss.
    """
    epochs: dict[int, dict[int, float]] = {}
    for values in logged(work_dir):
        if 'loss' in values:
            epochs.setdefault(values.get('epoch', values['step']), {})[values['step']] = values['loss']
    if not epochs:
        return None
    return [round(statistics.fmean(epochs[which].values()), 4) for which in (min(epochs), max(epochs))]
