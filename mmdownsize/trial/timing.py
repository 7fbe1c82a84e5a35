"""How long a trial takes: measured on some steps of its training and on some predictions, before the rest."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config
from rich.console import Console

from mmdownsize.comparing.results import logged
from mmdownsize.comparing.runs import execute

WARM_UP, TIMED = 2, 10  # steps


@dataclass(frozen=True)
class Step:
    """What a process of a training takes, in seconds.

    Attributes:
        seconds: Of a step.
        start: Of the process before its first step.
    """

    seconds: float
    start: float


def time_steps(cfg: Config, folder: Path, console: Console) -> Step:
    """Train for some steps in a process of its own, as the fit does, and return what they take.

    Args:
        cfg: The config of the fit.
        folder: For the log of these steps, which leave nothing else behind.
        console: Where the progress is shown.
    """
    cfg = copy.deepcopy(cfg)
    steps = min(WARM_UP + TIMED, cfg.train_cfg.max_iters)
    cfg.train_cfg.max_iters = steps
    cfg.val_dataloader = cfg.val_evaluator = cfg.val_cfg = None
    cfg.default_hooks.logger.interval = 1
    cfg.default_hooks.checkpoint = dict(type='CheckpointHook', interval=-1, save_last=False)
    cfg.log_processor.window_size = TIMED
    seconds = execute(cfg, folder, console, f'timing {TIMED} steps', train=True)
    step = [values['time'] for values in logged(folder) if 'loss' in values][-1]
    return Step(step, max(seconds - steps * step, 0.0))


def estimate(
    step: Step,
    steps: int,
    validations: int,
    images: int,
    milliseconds: Mapping[str, float],
    tested: Sequence[str],
    fitted: str,
) -> str:
    """Return in words how long the rest of a trial takes.

    Args:
        step: Of :func:`time_steps`.
        steps: How many there are to do.
        validations: How many there are to do.
        images: Of a validation, and of a test.
        milliseconds: Of a prediction, by arm.
        tested: Names of the arms that are still to be tested.
        fitted: Name of the arm that is trained.
    """
    training = step.start + steps * step.seconds if steps else 0.0
    validating = validations * images * milliseconds[fitted] / 1000
    testing = sum(step.start + images * milliseconds[arm] / 1000 for arm in tested)
    parts = [
        f'{counted(steps, "step")} at {step.seconds:.2g} s take {in_words(training)}',
        f'{counted(validations, "validation")} of {counted(images, "image")} {in_words(validating)}',
        f'{counted(len(tested), "test")} {in_words(testing)}',
    ]
    return f'about {in_words(training + validating + testing)}: {", ".join(parts)}'


def counted(count: int, thing: str) -> str:
    """Return how many there are: ``1 test``, ``2 tests``."""
    return f'{count} {thing}' if count == 1 else f'{count} {thing}s'


def in_words(seconds: float) -> str:
    """Return a time as a person says it: ``40 s``, ``12 min``, ``3 h 20 min``."""
    if seconds < 99.5:
        return f'{seconds:.0f} s'
    minutes = round(seconds / 60)
    return f'{minutes} min' if minutes < 100 else f'{minutes // 60} h {minutes % 60:02d} min'
