"""The table at the end of a trial, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

from mmdownsize.trial.arms import ALWAYS_SHOWN, FITTED, FIXED, FULL

CHANCE = 0.6  # points: twice the standard deviation over seeds of what fits gain over the best fixed kernel


def best_fixed(found: Mapping[str, float]) -> str:
    """Return the fixed kernel with the highest metric."""
    return max(FIXED, key=lambda name: found[name])


def table_of(found: Mapping[str, float], milliseconds: Mapping[str, float], metric: str, resizer: str) -> Table:
    """Return the table: full resolution, bilinear, area, the best fixed kernel, the fitted downsizer.

    Args:
        found: The metric by arm.
        milliseconds: Time of a prediction by arm.
        metric: What the metric is called.
        resizer: What the fitted downsizer is called.
    """
    best = best_fixed(found)
    names = {name: name for name in (FULL, *ALWAYS_SHOWN, best)}
    names[best] = f'{best}, the best fixed kernel'
    names[FITTED] = f'{FITTED}: {resizer}'
    table = Table('before the model')
    table.add_column(metric, justify='right')
    table.add_column('ms an image', justify='right')
    for arm, name in names.items():
        table.add_row(name, f'{found[arm]:.2f}', f'{milliseconds[arm]:.1f}')
    return table


def verdict(found: Mapping[str, float], metric: str, swap: str) -> str:
    """Return in words whether the fit was worth it, and what to do if not.

    Args:
        found: The metric by arm.
        metric: What the metric is called.
        swap: The command that puts a fixed kernel into the config, without the kernel's name.
    """
    best = best_fixed(found)
    difference = found[FITTED] - found[best]
    if difference > 0:
        small = (
            ''
            if difference > CHANCE
            else f' Less than {CHANCE} may be chance: compare several seeds (docs/compare.md).'
        )
        return (
            f'The fitted downsizer is better than {best}, the best fixed kernel, by {difference:.2f} {metric}.{small}'
        )
    return (
        f'The fitted downsizer is not better than {best}, the best fixed kernel: {found[FITTED]:.2f} against {found[best]:.2f} '
        f'{metric}. Take the fixed kernel, which needs no fit:\n  {swap} {best}\n'
        'Or try a larger target, more --steps, or another --resizer. Where you can train all of the model, leave out the fit:\n'
        f'  {swap} importance_lanczos'
    )
