"""Warnings that name the line of the caller, however many calls inside this package and PyTorch are between."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

INSIDE = ('mmdownsize', 'torch')


class Notice(UserWarning):
    """A warning of this package."""


def _is_inside(frame: FrameType) -> bool:
    return str(frame.f_globals.get('__name__')).partition('.')[0] in INSIDE


def warn(message: str) -> None:
    """Issue a :class:`Notice` at the first line outside this package and PyTorch that led here."""
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_inside(frame):
        frame = frame.f_back
    # Not warnings.warn: its stacklevel counts frames, and a module call or a decorator adds some.
    warnings.warn_explicit(
        message,
        Notice,
        frame.f_code.co_filename,
        frame.f_lineno,
        module=str(frame.f_globals.get('__name__')),
        registry=frame.f_globals.setdefault('__warningregistry__', {}),
    )


@contextmanager
def as_lines() -> Iterator[None]:
    """Print notices on standard error without the place in the code, which says nothing to who calls a command."""
    with warnings.catch_warnings():
        others = warnings.showwarning

        def show(message: Any, category: type[Warning], *place: Any, **also: Any) -> None:
            if issubclass(category, Notice):
                print(f'note: {message}', file=sys.stderr)
            else:
                others(message, category, *place, **also)

        warnings.showwarning = show
        yield
