"""Time and memory of every resizer, with its peers in the same process.

One table a setting: batch 8, float32, all cores. Times are forward, and forward and backward to the parameters (the image
needs no gradient). Each is the median of repeats after a warm-up; the peers are interleaved, so that a slow moment affects
all of them. Memory is the peak that PyTorch allocates on top of the input. ``two convs`` is the cost of DownsizeNet's two
3x3 convolutions alone (channels_last, no ReLU). ``naive`` is the same function in the most obvious form: dense, NCHW, ReLU on
full maps, gathers.

``roof`` is the share of the forward time that this machine needs at least: for the resizer's multiply-adds at the rate of a
large matrix product, or for reading the images and writing the result once at the rate of a copy, whichever is more.
``--sweep`` measures over sizes and scales instead, and ``--plot`` draws that.

``--device cuda`` measures on a GPU, and ``--backend`` selects what computes DownsizeNet, and ImportanceResizer where it has
that back end; a resizer that the back end cannot take is left out. PyTorch's convolutions use TF32 on a GPU that has it, their
default; DownsizeNet's kernels do not.
"""

from __future__ import annotations

import argparse
import functools
import gc
import json
import os
import statistics
from collections.abc import Callable, Mapping
from pathlib import Path

os.environ.setdefault('KINETO_LOG_LEVEL', '99')  # the profiler would report on every one of its starts

import sweep
import torch
import torch.nn.functional as F
from machine import copy_rate, describe, keep_memory, multiply_add_rate, timed
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor, nn

from mmdownsize.ops import BACKENDS, neighbor_indices, project
from mmdownsize.ops.importance import BACKENDS as IMPORTANCE_BACKENDS
from mmdownsize.resizers import DownsizeNet, FixedResizer, ImportanceResizer, LearnedResizer, MullerResizer, cost

SETTINGS = {
    '160x160 -> 40x40': ((160, 160), (40, 40)),
    '300x300 -> 160x160': ((300, 300), (160, 160)),
    '300x300 -> 100x100': ((300, 300), (100, 100)),
    '360x480 -> 108x144': ((360, 480), (108, 144)),
    '1024x2048 -> 307x614': ((1024, 2048), (307, 614)),
}
CONVS, NAIVE, OURS = 'two convs alone', 'naive DownsizeNet', 'DownsizeNet 2 convs, 2x2'
TALEBI = 'Talebi & Milanfar, r = 1'
# What a sweep compares.
SWEPT = (
    'F.interpolate bilinear',
    'F.interpolate antialias',
    CONVS,
    NAIVE,
    OURS,
    'DownsizeNet 2 convs, 4x4 area',
    TALEBI,
)


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
        flat = (py.clamp(min=0)[:, None] * src_w + px.clamp(min=0)[None]).flatten().to(images.device)
        at_p = features.flatten(2).gather(2, flat.expand(n, features.shape[1], -1)).view(n, -1, *dst_hw)
        dy, dx = dy.float()[:, None].expand(dst_hw), dx.float()[None].expand(dst_hw)
        distances = torch.stack([(1 - dy) * (1 - dx), (1 - dy) * dx, dy * (1 - dx), dy * dx]).to(images.device)
        logits = self.fusion(torch.cat([at_p, distances.expand(n, -1, -1, -1)], 1))
        coefficients = logits.softmax(1)
        rows, cols = neighbor_indices(src_h, dst_hw[0], 2), neighbor_indices(src_w, dst_hw[1], 2)
        taps = []
        for row in rows:
            for col in cols:
                index = (row[:, None] * src_w + col[None]).flatten().to(images.device).expand(n, c, -1)
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


def candidates(backend: str = 'auto') -> dict[str, nn.Module]:
    """Return what is compared, in the order of the table, DownsizeNet and ImportanceResizer on this back end."""
    area = dict(start='area', distance='area', backend=backend)
    importance = backend if backend in IMPORTANCE_BACKENDS else 'auto'
    return {
        'F.interpolate bilinear': Interpolate(False),
        'F.interpolate antialias': Interpolate(True),
        **{f'FixedResizer {k}': FixedResizer(kernel=k) for k in ('nearest', 'bilinear', 'bicubic', 'area', 'lanczos')},
        CONVS: TwoConvs().to(memory_format=torch.channels_last),
        NAIVE: NaiveDownsizeNet(),
        OURS: DownsizeNet(backend=backend),
        'DownsizeNet 3 convs, 2x2': DownsizeNet(num_convs=3, backend=backend),
        'DownsizeNet 4 convs, 2x2': DownsizeNet(num_convs=4, backend=backend),
        'DownsizeNet 2 convs, 4x4 area': DownsizeNet(neighbors=4, **area),
        'DownsizeNet 2 convs, 6x6 area': DownsizeNet(neighbors=6, **area),
        'DownsizeNet 2 convs, auto': DownsizeNet(
            neighbors='auto', start='triangle', distance='triangle', backend=backend
        ),
        'DownsizeNet paper (sigmoid, random)': DownsizeNet(start='random', normalize='sigmoid', backend=backend),
        'DownsizeNet 2x2, PyTorch operators in bands': DownsizeNet(backend='banded'),
        'ImportanceResizer 1 conv of 8': ImportanceResizer(channels=8, backend=importance),
        'ImportanceResizer 1 conv of 16': ImportanceResizer(channels=16, backend=importance),
        'ImportanceResizer 2 convs of 16': ImportanceResizer(num_convs=2, backend=importance),
        'ImportanceResizer 1 conv of 16, PyTorch operators in bands': ImportanceResizer(backend='banded'),
        TALEBI: LearnedResizer(),
        'MULLER': MullerResizer(),
    }


def refusal(module: nn.Module, images: Tensor, dst_hw: tuple[int, int]) -> str | None:
    """Return why the back end of a DownsizeNet or ImportanceResizer does not take this, or None."""
    try:
        if isinstance(module, DownsizeNet | ImportanceResizer):
            forward(module, images, dst_hw)
    except ValueError as error:
        return str(error)
    return None


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


def peak_bytes(call: Callable[[], object], device: str = 'cpu') -> int:
    """Return the peak of memory that a call allocates, from the allocator's own events or counts."""
    if torch.device(device).type == 'cuda':
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        call()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        call()
    peak = held = 0
    for event in profile.profiler.kineto_results.events():
        if event.name() == '[memory]':
            held += event.nbytes()
            peak = max(peak, held)
    return peak


def multiply_adds(module: nn.Module, batch: int, src_hw: tuple[int, int], dst_hw: tuple[int, int]) -> int:
    """Return the multiply-adds a forward pass makes: of convolutions, matrix products and weighted sums of neighbours."""
    if isinstance(module, FixedResizer | Interpolate):
        return 0  # a few a pixel: reading and writing is what they do
    return batch * cost.multiply_adds(module, 3, src_hw, dst_hw)


def measure(
    names: list[str],
    batch: int,
    settings: Mapping[str, tuple[tuple[int, int], tuple[int, int]]],
    repeats: int,
    device: str = 'cpu',
    backend: str = 'auto',
) -> list[dict]:
    """Measure some of the candidates in some settings, all of them in every repeat: a slow moment hits all alike."""
    torch.manual_seed(0)
    rounds = []
    for label, (src_hw, dst_hw) in settings.items():
        images = (torch.rand(batch, 3, *src_hw) * 255).to(device)
        # The bare convolutions get their input in their own layout: a conversion is the resizer's cost, not theirs.
        turned = images.contiguous(memory_format=torch.channels_last) if CONVS in names else images
        for name, module in candidates(backend).items():
            reason = refusal(module.to(device), images, dst_hw) if name in names else None
            if reason is not None:
                print(f'{label}: {name} is left out: {reason}')
            elif name in names:
                rounds.append((label, name, module, turned if name == CONVS else images, dst_hw))
    times: dict[tuple[str, str], dict[str, list[float]]] = {key[:2]: {'forward': [], 'step': []} for key in rounds}
    for i in track(range(repeats + 1), description=f'{", ".join(settings)[:60]}', transient=True):
        for label, name, module, images, dst_hw in rounds:
            for kind, run in (('forward', forward), ('step', step)):
                seconds = timed(functools.partial(run, module, images, dst_hw), device)
                if i:  # the first is the warm-up
                    times[label, name][kind].append(seconds)
            gc.collect()
    rate, bandwidth = multiply_add_rate(device=device), copy_rate(device=device)
    rows = []
    for label, name, module, images, dst_hw in rounds:
        src_hw = settings[label][0]
        moved = 4 * batch * 3 * (src_hw[0] * src_hw[1] + dst_hw[0] * dst_hw[1])
        seconds = statistics.median(times[label, name]['forward'])
        work = multiply_adds(module, batch, src_hw, dst_hw)
        rows.append(
            {
                'setting': label,
                'src_hw': src_hw,
                'dst_hw': dst_hw,
                'resizer': name,
                'parameters': sum(p.numel() for p in module.parameters()),
                'forward_ms': 1e3 * seconds / batch,
                'step_ms': 1e3 * statistics.median(times[label, name]['step']) / batch,
                'forward_mb': peak_bytes(functools.partial(forward, module, images, dst_hw), device) / 1e6,
                'step_mb': peak_bytes(functools.partial(step, module, images, dst_hw), device) / 1e6,
                'million_multiply_adds': work / batch / 1e6,
                'roof': max(work / rate, moved / bandwidth) / seconds,
            }
        )
    return rows


def print_table(console: Console, rows: list[dict]) -> None:
    """Print one setting, with the two ratios that have a target."""
    by_name = {row['resizer']: row for row in rows}
    table = Table(title=f'{rows[0]["setting"]}: per image')
    for column in (
        'resizer',
        'parameters',
        'forward ms',
        'fwd+bwd ms',
        'peak fwd MB',
        'peak fwd+bwd MB',
        'fwd / two convs',
        'fwd+bwd / naive',
        'fwd / Talebi',
        'Mmadd',
        'roof',
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
            f'{row["forward_ms"] / by_name[TALEBI]["forward_ms"]:.2f}',
            f'{row["million_multiply_adds"]:.0f}',
            f'{row["roof"]:.0%}',
        )
    console.print(table)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--batch', type=int, default=8, help='images a batch')
    parser.add_argument('--repeats', type=int, default=9, help='repeats, of which the median is taken')
    parser.add_argument('--only', choices=SETTINGS, action='append', help='only this setting (may be repeated)')
    parser.add_argument('--sweep', action='store_true', help='sizes and scales instead of the settings')
    parser.add_argument(
        '--resizer', choices=SWEPT, action='append', help='with --sweep: only this one (may be repeated)'
    )
    parser.add_argument('--plot', type=Path, help='with --sweep: also draw it there')
    parser.add_argument('--json', type=Path, help='also write the numbers there')
    parser.add_argument('--device', default='cpu', help='cpu or cuda')
    parser.add_argument('--backend', default='auto', choices=BACKENDS, help='what computes DownsizeNet')
    args = parser.parse_args()
    where = dict(device=args.device, backend=args.backend)
    if args.plot and not args.sweep:
        parser.error('--plot draws a sweep: add --sweep')
    if args.resizer and not args.sweep:
        parser.error('--resizer chooses what a sweep compares: add --sweep')
    keep_memory()
    console = Console(width=180)
    console.print(f'{describe(args.device)}, back end {args.backend}, batch {args.batch}, median of {args.repeats}')
    rows: list[dict] = []
    if args.sweep:
        rows = measure(args.resizer or list(SWEPT), args.batch, sweep.settings(), args.repeats, **where)
    for label in [] if args.sweep else args.only or SETTINGS:
        setting = measure(list(candidates()), args.batch, {label: SETTINGS[label]}, args.repeats, **where)
        print_table(console, setting)
        rows += setting
    if args.json:
        content = {'machine': describe(args.device), **where, 'batch': args.batch, 'rows': rows}
        args.json.write_text(json.dumps(content, indent=1))
    if args.sweep:
        sweep.print_tables(console, rows)
    if args.plot:
        sweep.plot(rows, args.plot)


if __name__ == '__main__':
    main()
