"""The steps of a loader's pipelines, in the order in which an image passes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def steps_of(loader: Any) -> Iterator[dict[str, Any]]:
    """Yield the steps that an image of a loader passes, those inside wrappers of data sets and of steps too.

    Of several data sets, as in ``ConcatDataset``, the first is followed. Of alternatives, as in ``RandomChoice``, the last.

    Args:
        loader: Config of a loader or of a data set.
    """
    if not isinstance(loader, dict):
        return
    inner = loader.get('dataset') or loader.get('datasets')
    yield from steps_of(inner[0] if isinstance(inner, list | tuple) else inner)
    yield from _flat(loader.get('pipeline'))


def _flat(steps: Any) -> Iterator[dict[str, Any]]:
    for step in steps if isinstance(steps, list | tuple) else ():
        if not isinstance(step, dict):
            continue
        yield step
        inside = step.get('transforms')
        if isinstance(inside, list | tuple) and inside:
            yield from _flat(inside[-1] if isinstance(inside[-1], list | tuple) else inside)
