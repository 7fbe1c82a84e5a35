"""Compiled libraries that come with the package: plain ones, called through ctypes.

They know neither Python nor PyTorch, so they outlive their versions. ``setup.py`` builds them where there is a C++ compiler;
without them the package works, slower.
"""

from __future__ import annotations

import ctypes
import importlib.util
from collections.abc import Callable
from functools import cache

from mmdownsize import notices

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


INSTRUCTIONS = {0: 'any', 1: 'AVX2', 2: 'AVX-512'}
"""Instruction sets that a library of kernels is compiled for, by number."""


class Library:
    """A library of kernels: its functions take a problem, which is one structure, and the number of an instruction set.

    Args:
        module: See :func:`load`.
        prefix: What its functions' names begin with.
        problem: The structure.
        work: What it computes, in the words that are added to ``the compiled back end``.
    """

    def __init__(self, module: str, prefix: str, problem: type[ctypes.Structure], work: str = '') -> None:
        self._module, self._prefix, self._problem = module, prefix, problem
        self._work = work
        self.load = cache(self._load)
        self.warn_of_absence = cache(self._warn_of_absence)

    def _load(self) -> tuple[ctypes.CDLL | None, str]:
        """Return the library, or None and why there is none."""
        return load(self._module, self._declare)

    def _declare(self, library: ctypes.CDLL) -> str | None:
        size = getattr(library, f'{self._prefix}_problem_bytes')
        size.restype = ctypes.c_int64
        return None if size() == ctypes.sizeof(self._problem) else 'it was compiled from other sources'

    def unavailable(self) -> str | None:
        """Return why the library cannot be used on this machine, or None if it can."""
        library, reason = self.load()
        return reason if library is None else None

    def _warn_of_absence(self, reason: str) -> None:
        """Warn that another back end takes over, once for each reason."""
        notices.warn(f'the compiled back end{self._work} is missing and a slower one is used: {reason}')

    def instructions(self) -> int:
        """Return the number of the best instruction set of this machine: a key of ``INSTRUCTIONS``."""
        return int(getattr(self._loaded(), f'{self._prefix}_instructions')())

    def run(self, name: str, problem: ctypes.Structure, instruction_set: int) -> None:
        """Call a function.

        Raises:
            MemoryError: If there is too little memory.
        """
        if getattr(self._loaded(), name)(ctypes.byref(problem), instruction_set):
            raise MemoryError(f'{name}: not enough memory')

    def _loaded(self) -> ctypes.CDLL:
        library, reason = self.load()
        if library is None:
            raise RuntimeError(f'no compiled back end: {reason}')
        return library
