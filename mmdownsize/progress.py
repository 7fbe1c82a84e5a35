"""How far a loop is: rich's bar where rich is installed, a line every few seconds where it is not."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

Item = TypeVar('Item')
SECONDS = 5.0  # between two lines


def track(items: Sequence[Item], what: str) -> Iterator[Item]:
    """Yield the items, and show on standard error how many are done. Nothing is shown of one item.

    Args:
        items: The items.
        what: What is done with them, in a word.
    """
    if len(items) < 2:
        yield from items
        return
    try:
        from rich.console import Console
        from rich.progress import track as bar
    except ImportError:
        yield from _lines(items, what)
    else:
        yield from bar(items, what, console=Console(stderr=True))


def _lines(items: Sequence[Item], what: str) -> Iterator[Item]:
    said = time.monotonic()
    for number, item in enumerate(items):
        if time.monotonic() - said >= SECONDS:
            said = time.monotonic()
            print(f'{what}: {number} of {len(items)}', file=sys.stderr)
        yield item
