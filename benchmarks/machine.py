"""What all benchmarks share: the machine, its limits, and a clock."""

from __future__ import annotations

import ctypes
import os
import platform
import statistics
import time
from collections.abc import Callable

import torch

from mmdownsize.ops import native

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


def keep_memory() -> None:
    """Let the allocator keep what is freed.

    By default glibc gives blocks of more than 32 MB back to the system at once, and every call pays for fresh pages: on
    a virtual machine more than for the arithmetic, by a factor that changes from run to run.
    """
    if platform.libc_ver()[0] == 'glibc':
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, 2**30)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def timed(call: Callable[[], object]) -> float:
    """Return the seconds of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def processor() -> str:
    """Return the processor's name."""
    try:
        with open('/proc/cpuinfo') as lines:
            names = [line.split(':', 1)[1].strip() for line in lines if line.startswith('model name')]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def describe() -> str:
    """Return the machine and the versions in a line."""
    missing = native.unavailable()
    compiled = native.INSTRUCTIONS[native.instructions()] if missing is None else 'missing'
    return (
        f'{processor()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, torch {torch.__version__}, '
        f'Python {platform.python_version()}, compiled back end: {compiled}'
    )


def multiply_add_rate(side: int = 1536, repeats: int = 7) -> float:
    """Return the multiply-adds a second of a float32 matrix product, the best of some."""
    a, b = torch.rand(side, side), torch.rand(side, side)
    return side**3 / min(timed(lambda: a @ b) for _ in range(repeats))


def copy_rate(megabytes: int = 256, repeats: int = 7) -> float:
    """Return the bytes a second of a copy, read and written ones counted, the median of some."""
    source = torch.rand(megabytes * 2**18)
    target = torch.empty_like(source)
    return 2 * source.nbytes / statistics.median(timed(lambda: target.copy_(source)) for _ in range(repeats))
