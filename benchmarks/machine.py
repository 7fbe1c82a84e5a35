"""What all benchmarks share: the machine, its limits, and a clock."""

from __future__ import annotations

import ctypes
import os
import platform
import statistics
import time
from collections.abc import Callable

import torch

from mmdownsize.ops.backends import native
from mmdownsize.ops.compiled import INSTRUCTIONS

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


def keep_memory() -> None:
    """Let the allocator keep what is freed.

    By default glibc gives blocks of more than 32 MB back to the system at once, and every call pays for new pages. On a
    virtual machine that can take longer than the arithmetic, by a factor that changes from run to run.
    """
    if platform.libc_ver()[0] == 'glibc':
        libc = ctypes.CDLL(None)
        libc.mallopt(M_MMAP_THRESHOLD, 2**30)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def timed(call: Callable[[], object], device: str = 'cpu') -> float:
    """Return the seconds of one call, including the work that it starts on a GPU."""
    wait = torch.cuda.synchronize if torch.device(device).type == 'cuda' else lambda: None
    wait()
    start = time.perf_counter()
    call()
    wait()
    return time.perf_counter() - start


def processor() -> str:
    """Return the processor's name."""
    try:
        with open('/proc/cpuinfo') as lines:
            names = [line.split(':', 1)[1].strip() for line in lines if line.startswith('model name')]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def describe(device: str = 'cpu') -> str:
    """Return the machine and the versions in a line."""
    missing = native.unavailable()
    compiled = INSTRUCTIONS[native.instructions()] if missing is None else 'missing'
    gpu = f'{torch.cuda.get_device_name(device)}, ' if torch.device(device).type == 'cuda' else ''
    return (
        f'{gpu}{processor()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, torch {torch.__version__}, '
        f'Python {platform.python_version()}, compiled back end: {compiled}'
    )


def multiply_add_rate(repeats: int = 7, device: str = 'cpu') -> float:
    """Return the multiply-adds a second of a float32 matrix product, the best of some."""
    side = 1536 if torch.device(device).type == 'cpu' else 8192  # a smaller one is done before a GPU is busy
    a, b = torch.rand(side, side, device=device), torch.rand(side, side, device=device)
    return side**3 / min(timed(lambda: a @ b, device) for _ in range(repeats))


def copy_rate(megabytes: int = 256, repeats: int = 7, device: str = 'cpu') -> float:
    """Return the bytes a second of a copy, read and written ones counted, the median of some."""
    source = torch.rand(megabytes * 2**18, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / statistics.median(timed(lambda: target.copy_(source), device) for _ in range(repeats))
