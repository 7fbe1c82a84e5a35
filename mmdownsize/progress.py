"""How far a loop is: rich's bar where rich is installed, a line every few seconds where it is not."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Protocol, TypeVar

Item = TypeVar('Item')
Of = TypeVar('Of', covariant=True)
SECONDS = 5.0  # between two lines


class Items(Protocol[Of]):
    """A sequence, or a data loader."""

    def __iter__(self) -> Iterator[Of]: ...
    def __len__(self) -> int: ...


def track(items: Items[Item], what: str) -> Iterator[Item]:
    """Yield the items, and show on standard error how many are done; a terminal's bar goes at the end. Not of one item.

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
        yield from bar(items, what, total=len(items), console=Console(stderr=True), transient=sys.stderr.isatty())


def _lines(items: Items[Item], what: str) -> Iterator[Item]:
    said = time.monotonic()
    for number, item in enumerate(items):
        if time.monotonic() - said >= SECONDS:
            said = time.monotonic()
            print(f'{what}: {number} of {len(items)}', file=sys.stderr)
        yield item
