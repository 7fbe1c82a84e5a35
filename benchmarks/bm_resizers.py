"""Time and memory of every resizer, with its peers in the same process.

One table a setting, batch 8, float32, all cores: forward, and forward and backward (to the parameters; the image needs
no gradient), as the median of repeats after a warm-up, with the peers interleaved so that a slow moment hits all of
them; and the peak of memory allocated on top of the input. ``two convs`` is the bare cost of the two 3x3 convolutions
of DownsizeNet (channels_last, no ReLU), and ``naive`` the same function in its first, obvious form: dense, NCHW, ReLU
on full maps, gathers.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault('KINETO_LOG_LEVEL', '99')  # the profiler would report on every one of its starts

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor, nn

from mmdownsize.ops import neighbor_indices, project
from mmdownsize.resizers import DownsizeNet, FixedResizer

SETTINGS = {
    '300x300 -> 160x160': ((300, 300), (160, 160)),
    '300x300 -> 100x100': ((300, 300), (100, 100)),
    '360x480 -> 108x144': ((360, 480), (108, 144)),
    '1024x2048 -> 307x614': ((1024, 2048), (307, 614)),
}
CONVS, NAIVE, OURS = 'two convs alone', 'naive DownsizeNet', 'DownsizeNet 2 convs, 2x2'


class NaiveDownsizeNet(nn.Module):
    """The paper's DownsizeNet, 2 convolutions and 2x2 neighbours, in the most obvious form."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1)
        self.fusion = nn.Conv2d(20, 4, 1)

    def forward(self, images: Tensor, dst_hw: tuple[int, int]) -> Tensor:
        """Resize images (N, 3, H, W) to (N, 3, h, w)."""
        n, c, src_h, src_w = images.shape
        features = F.relu(self.conv2(F.relu(self.conv1(images / 127.5 - 1))))
        (py, dy), (px, dx) = project(src_h, dst_hw[0]), project(src_w, dst_hw[1])
        flat = (py.clamp(min=0)[:, None] * src_w + px.clamp(min=0)[None]).flatten()
        at_p = features.flatten(2).gather(2, flat.expand(n, features.shape[1], -1)).view(n, -1, *dst_hw)
        dy, dx = dy.float()[:, None].expand(dst_hw), dx.float()[None].expand(dst_hw)
        distances = torch.stack([(1 - dy) * (1 - dx), (1 - dy) * dx, dy * (1 - dx), dy * dx])
        logits = self.fusion(torch.cat([at_p, distances.expand(n, -1, -1, -1)], 1))
        coefficients = logits.softmax(1)
        rows, cols = neighbor_indices(src_h, dst_hw[0], 2), neighbor_indices(src_w, dst_hw[1], 2)
        taps = []
        for row in rows:
            for col in cols:
                index = (row[:, None] * src_w + col[None]).flatten().expand(n, c, -1)
                taps.append(images.flatten(2).gather(2, index).view(n, c, *dst_hw))
        return (torch.stack(taps, 1) * coefficients[:, :, None]).sum(1)


class TwoConvs(nn.Module):
    """The two convolutions of DownsizeNet and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 16, 3, padding=1), nn.Conv2d(16, 16, 3, padding=1)

    def forward(self, images: Tensor, dst_hw: tuple[int, int]) -> Tensor:
        """Return the features (N, 16, H, W)."""
        return self.conv2(self.conv1(images))


class Interpolate(nn.Module):
    """``F.interpolate``, bilinear."""

    def __init__(self, antialias: bool) -> None:
        super().__init__()
        self.antialias = antialias

    def forward(self, images: Tensor, dst_hw: tuple[int, int]) -> Tensor:
        """Resize images (N, C, H, W)."""
        return F.interpolate(images, size=dst_hw, mode='bilinear', antialias=self.antialias)


def candidates() -> dict[str, nn.Module]:
    """Return what is compared, in the order of the table."""
    started = dict(start='random', normalize='sigmoid')
    return {
        'F.interpolate bilinear': Interpolate(False),
        'F.interpolate antialias': Interpolate(True),
        **{f'FixedResizer {k}': FixedResizer(kernel=k) for k in ('nearest', 'bilinear', 'bicubic', 'area', 'lanczos')},
        CONVS: TwoConvs().to(memory_format=torch.channels_last),
        NAIVE: NaiveDownsizeNet(),
        OURS: DownsizeNet(),
        'DownsizeNet 3 convs, 2x2': DownsizeNet(num_convs=3),
        'DownsizeNet 4 convs, 2x2': DownsizeNet(num_convs=4),
        'DownsizeNet 2 convs, 4x4 area': DownsizeNet(neighbors=4, start='area', distance='area'),
        'DownsizeNet 2 convs, auto': DownsizeNet(neighbors='auto', start='triangle', distance='triangle'),
        'DownsizeNet paper (sigmoid, random)': DownsizeNet(**started),
    }


def timed(call: Callable[[], object]) -> float:
    """Return the seconds of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def forward(module: nn.Module, images: Tensor, dst_hw: tuple[int, int]) -> None:
    """Run inference once."""
    with torch.inference_mode():
        module(images, dst_hw)


def step(module: nn.Module, images: Tensor, dst_hw: tuple[int, int]) -> None:
    """Run a forward and a backward pass once; only a forward one without parameters."""
    out = module(images, dst_hw)
    if out.requires_grad:
        module.zero_grad(set_to_none=True)
        out.backward(torch.ones_like(out))


def peak_bytes(call: Callable[[], object]) -> int:
    """Return the peak of memory that a call allocates, from the allocator's own events."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        call()
    peak = held = 0
    for event in profile.profiler.kineto_results.events():
        if event.name() == '[memory]':
            held += event.nbytes()
            peak = max(peak, held)
    return peak


def measure(batch: int, src_hw: tuple[int, int], dst_hw: tuple[int, int], repeats: int, label: str) -> list[dict]:
    """Measure all candidates in one setting."""
    torch.manual_seed(0)
    images = torch.rand(batch, 3, *src_hw) * 255
    # The bare convolutions get their input in their own layout: a conversion is the resizer's cost, not theirs.
    inputs = {name: images for name in candidates()}
    inputs[CONVS] = images.contiguous(memory_format=torch.channels_last)
    modules = candidates()
    times: dict[str, dict[str, list[float]]] = {name: {'forward': [], 'step': []} for name in modules}
    for i in track(range(repeats + 1), description=label, transient=True):
        for name, module in modules.items():
            for kind, run in (('forward', forward), ('step', step)):
                seconds = timed(lambda run=run, module=module, name=name: run(module, inputs[name], dst_hw))
                if i:  # the first is the warm-up
                    times[name][kind].append(seconds)
            gc.collect()
    rows = []
    for name, module in modules.items():
        rows.append(
            {
                'setting': label,
                'resizer': name,
                'parameters': sum(p.numel() for p in module.parameters()),
                'forward_ms': 1e3 * statistics.median(times[name]['forward']) / batch,
                'step_ms': 1e3 * statistics.median(times[name]['step']) / batch,
                'forward_mb': peak_bytes(lambda m=module, n=name: forward(m, inputs[n], dst_hw)) / 1e6,
                'step_mb': peak_bytes(lambda m=module, n=name: step(m, inputs[n], dst_hw)) / 1e6,
            }
        )
    return rows


def print_table(console: Console, rows: list[dict]) -> None:
    """Print one setting, with the two ratios that have a target."""
    by_name = {row['resizer']: row for row in rows}
    table = Table(title=f'{rows[0]["setting"]}: per image, batch of 8')
    for column in (
        'resizer',
        'parameters',
        'forward ms',
        'fwd+bwd ms',
        'peak fwd MB',
        'peak fwd+bwd MB',
        'fwd / two convs',
        'fwd+bwd / naive',
    ):
        table.add_column(column, justify='left' if column == 'resizer' else 'right')
    for row in rows:
        table.add_row(
            row['resizer'],
            f'{row["parameters"]:,}',
            f'{row["forward_ms"]:.2f}',
            f'{row["step_ms"]:.2f}',
            f'{row["forward_mb"]:.0f}',
            f'{row["step_mb"]:.0f}',
            f'{row["forward_ms"] / by_name[CONVS]["forward_ms"]:.2f}',
            f'{row["step_ms"] / by_name[NAIVE]["step_ms"]:.2f}',
        )
    console.print(table)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--batch', type=int, default=8, help='images a batch')
    parser.add_argument('--repeats', type=int, default=9, help='repeats, of which the median is taken')
    parser.add_argument('--only', choices=SETTINGS, action='append', help='only this setting (may be repeated)')
    parser.add_argument('--json', type=Path, help='also write the numbers there')
    args = parser.parse_args()
    console = Console(width=150)
    console.print(
        f'torch {torch.__version__}, {torch.get_num_threads()} threads, {os.cpu_count()} cores, {platform.machine()}, '
        f'batch {args.batch}, median of {args.repeats}'
    )
    rows: list[dict] = []
    for label in args.only or SETTINGS:
        setting = measure(args.batch, *SETTINGS[label], args.repeats, label)
        print_table(console, setting)
        rows += setting
    if args.json:
        args.json.write_text(
            json.dumps({'torch': torch.__version__, 'threads': torch.get_num_threads(), 'rows': rows}, indent=1)
        )


if __name__ == '__main__':
    main()
