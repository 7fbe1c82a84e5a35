"""Compiled libraries that come with the package: plain ones, called through ctypes.

They know neither Python nor PyTorch, so they outlive their versions. ``setup.py`` builds them where there is a C++ compiler;
without them the package works, slower.
"""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Callable

AGAIN = 'install mmdownsize again: pip install --no-deps -e .'


def load(module: str, declare: Callable[[ctypes.CDLL], str | None]) -> tuple[ctypes.CDLL | None, str]:
    """Return a library, or None and why there is none.

    Args:
        module: Dotted name under which ``setup.py`` built it.
        declare: Sets the types of its functions. Returns why it does not fit this package, or None if it fits.

    Returns:
        The library and an empty string; or None and the reason.
    """
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return None, f'it was not compiled; with a C++ compiler, {AGAIN}'
    try:
        library = ctypes.CDLL(spec.origin)
    except OSError as error:
        return None, f'it cannot be loaded: {error}'
    reason = declare(library)
    return (library, '') if reason is None else (None, f'{reason}; {AGAIN}')
