"""What is shown while a fit trains: how far it is, and its loss beside that of fixed kernels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from mmdownsize.comparing.results import in_points, logged
from mmdownsize.trial.arms import ALWAYS_SHOWN


class Watch:
    """Reads the log of a fit while it grows. Call it with the folder of the run.

    Args:
        console: Where a line is printed for each validation.
        steps: Steps of the fit.
        metric: Key of the metric.
        tested: The metric of the arms that are tested, in points of a hundred.
        losses: The loss of the fixed kernels, where the log of the training has none.
    """

    def __init__(
        self, console: Console, steps: int, metric: str, tested: Mapping[str, float], losses: Mapping[str, float]
    ) -> None:
        self.console = console
        self.steps = steps
        self.metric = metric
        self.tested = tested
        self.losses = losses
        self._validated: set[int] = set()

    def __call__(self, run_dir: Path) -> str:
        """Print a line for each validation since the last call; return where the training is."""
        latest: dict[str, Any] = {}
        beside: dict[str, float] = {}
        for values in logged(run_dir):
            if 'loss' in values:
                latest = values
                # Only now and then a step computes the loss of the fixed kernels too; then all of them are of the same images.
                beside.update(
                    {key: values[f'kl_{key}'] for key in ('downsizer', *ALWAYS_SHOWN) if f'kl_{key}' in values}
                )
            elif values.get('step') not in self._validated and self.metric in values:
                self._validated.add(values['step'])
                self._print(values, self._loss(latest, beside))
        if not latest:
            return 'the training starts'
        return f'step {latest["step"]} of {self.steps}, {self._loss(latest, beside)}'

    def _loss(self, latest: Mapping[str, Any], beside: Mapping[str, float]) -> str:
        if not latest:
            return 'loss unknown'
        own, others = beside.get('downsizer', latest['loss']), beside if beside else self.losses
        return f'loss {own:.4g} ({_listed(others, ".4g")})'

    def _print(self, values: Mapping[str, Any], loss: str) -> None:
        value = in_points({self.metric: values[self.metric]})[self.metric]
        self.console.print(
            f'step {values["step"]} of {self.steps}: {loss}, {self.metric} {value:.2f} ({_listed(self.tested, ".2f")})',
            soft_wrap=True,
            highlight=False,
        )


def _listed(values: Mapping[str, float], precision: str) -> str:
    return ', '.join(f'{key} {values[key]:{precision}}' for key in ALWAYS_SHOWN if key in values)
