"""Time of fixed kernels: FixedResizer beside cv2, PIL and PyTorch, one image at a time.

cv2 and PIL take and give bytes (H, W, 3). FixedResizer takes bytes or floats (1, 3, H, W) and gives floats. PyTorch takes and
gives floats. All are timed in turn, so that what slows the machine for a while slows all. PIL has one thread.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from machine import describe, keep_memory
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

from mmdownsize.resizers import FixedResizer

SIZES = {  # (h, w) to (h, w)
    '300x300 to 160x160': ((300, 300), (160, 160)),
    '360x480 to 108x144': ((360, 480), (108, 144)),
    '1080x1920 to 360x640': ((1080, 1920), (360, 640)),
    '1024x2048 to 307x614': ((1024, 2048), (307, 614)),
}
KERNELS: dict[str, dict[str, Any]] = {  # settings; who else has it
    'area': dict(kernel='area'),
    'sharp_area': dict(kernel='sharp_area'),
    'triangle': dict(kernel='bilinear', antialias=True),
    'bicubic_antialias': dict(kernel='bicubic', antialias=True),
    'lanczos_antialias': dict(kernel='lanczos', antialias=True),
}
CV2 = {'area': cv2.INTER_AREA}
PIL = {
    'area': Image.Resampling.BOX,
    'triangle': Image.Resampling.BILINEAR,
    'bicubic_antialias': Image.Resampling.BICUBIC,
    'lanczos_antialias': Image.Resampling.LANCZOS,
}
TORCH = {'triangle': 'bilinear', 'bicubic_antialias': 'bicubic', 'lanczos_antialias': 'lanczos'}


def arms_of(kernel: str, src_hw: tuple[int, int], dst_hw: tuple[int, int]) -> dict[str, Callable[[], Any]]:
    """Return what is timed of a kernel."""
    array = np.random.default_rng(0).integers(0, 256, (*src_hw, 3), np.uint8)
    image, (h, w) = Image.fromarray(array), dst_hw
    in_bytes = torch.from_numpy(array).permute(2, 0, 1)[None].contiguous()
    in_floats = in_bytes.float()
    resizer = FixedResizer(**KERNELS[kernel])
    arms: dict[str, Callable[[], Any]] = {
        'bytes': lambda: resizer.resize(in_bytes, dst_hw),
        'floats': lambda: resizer.resize(in_floats, dst_hw),
    }
    if kernel in CV2:
        arms['cv2'] = lambda: cv2.resize(array, (w, h), interpolation=CV2[kernel])
    if kernel in PIL:
        arms['PIL'] = lambda: image.resize((w, h), PIL[kernel])
    if kernel in TORCH:
        arms['PyTorch'] = lambda: F.interpolate(in_floats, size=dst_hw, mode=TORCH[kernel], antialias=True)
    return arms


def measured(arms: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Return the times of every arm in ms."""
    times: dict[str, list[float]] = {name: [] for name in arms}
    with torch.inference_mode():
        for turn in range(rounds + 3):
            for name, arm in arms.items():
                start = time.perf_counter()
                arm()
                if turn >= 3:  # the first warm up
                    times[name].append(1000 * (time.perf_counter() - start))
    return times


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--threads', type=int, nargs='+', default=[1, 2])
    parser.add_argument('--rounds', type=int, default=40, help='of each, in turn')
    parser.add_argument('--json', type=Path, help='also write the numbers there')
    args = parser.parse_args()
    keep_memory()
    console = Console(width=120)
    console.print(describe())
    rows: list[dict[str, Any]] = []
    cases = [(threads, size, kernel) for threads in args.threads for size in SIZES for kernel in KERNELS]
    for threads, size, kernel in track(cases, 'timing', console=Console(stderr=True), transient=True):
        torch.set_num_threads(threads)
        cv2.setNumThreads(threads)
        times = measured(arms_of(kernel, *SIZES[size]), args.rounds)
        quartiles = {name: statistics.quantiles(values, n=4) for name, values in times.items()}
        rows.append(dict(threads=threads, size=size, kernel=kernel, ms=quartiles))
    for threads in args.threads:
        table = Table(
            title=f'{threads} thread{"s" if threads > 1 else ""}: median ms (quartiles), and times the others’'
        )
        for heading in ('size', 'kernel', 'bytes', 'floats', 'bytes / cv2', 'bytes / PIL', 'floats / PyTorch'):
            table.add_column(heading, justify='left' if heading in ('size', 'kernel') else 'right')
        for row in (row for row in rows if row['threads'] == threads):
            table.add_row(row['size'], row['kernel'], *cells(row['ms']))
        console.print(table)
    if args.json:
        args.json.write_text(json.dumps({'machine': describe(), 'rows': rows}, indent=1))


def cells(ms: dict[str, list[float]]) -> list[str]:
    """Return a row's numbers: ours, and the ratios to the others."""
    own = [f'{middle:.2f} ({low:.2f} to {high:.2f})' for low, middle, high in (ms['bytes'], ms['floats'])]
    pairs = (('bytes', 'cv2'), ('bytes', 'PIL'), ('floats', 'PyTorch'))
    return own + [f'{ms[ours][1] / ms[other][1]:.2f}' if other in ms else '' for ours, other in pairs]


if __name__ == '__main__':
    main()
