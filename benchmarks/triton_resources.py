"""Compile the Triton back end's kernels without a GPU, and print what each takes of one.

Each kernel of a training step is compiled for the given GPUs as its launch would do it, down to machine code. The table shows
registers a thread, bytes a thread spilled to memory for lack of registers, shared memory and warps a program, and the number
of warps of a multiprocessor that have registers at a time. Without a GPU this is the only evidence of speed, and a weak one.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import torch
import triton
from rich.console import Console
from rich.table import Table
from triton.backends.compiler import GPUTarget

from mmdownsize.ops.backends.triton import kernels as triton_kernels
from mmdownsize.ops.backends.triton import launch as triton_backend
from mmdownsize.resizers import DownsizeNet

KERNELS = ('forward', 'logits_backward', 'texture_backward')
REGISTERS, MAX_WARPS = 65536, {80: 64, 86: 48, 89: 48, 90: 64}  # of a multiprocessor, by compute capability
CUOBJDUMP = Path(triton.__file__).parent / 'backends' / 'nvidia' / 'bin' / 'cuobjdump'
AREA = dict(start='area', distance='area')
DOWNSIZERS = {
    '1 conv, 2x2': dict(num_convs=1),
    '2 convs, 2x2': dict(),
    '2 convs, 2x2, paper': dict(start='random', normalize='sigmoid'),
    '2 convs, 4x4': dict(neighbors=4, **AREA),
    '2 convs, 6x6': dict(neighbors=6, **AREA),
    '2 convs, 8x8, sigmoid': dict(neighbors=8, normalize='sigmoid', **AREA),
    '2 convs, 2x2, signed, 7 colours': dict(normalize='signed', in_channels=7),
    'no texture, 2x2': dict(texture=False),
}


class AbsentGPU:
    """What Triton asks its driver for when it compiles."""

    def __init__(self, capability: int) -> None:
        self.target = GPUTarget('cuda', capability, 32)

    def get_current_target(self) -> GPUTarget:
        """Return what to compile for."""
        return self.target

    def get_current_device(self) -> int:
        """Return a number to file compiled kernels under."""
        return self.target.arch

    def get_current_stream(self, device: int) -> int:
        """Return none."""
        return 0


def compiling(name: str, found: dict[str, object]) -> object:
    """Return a kernel that is compiled, and not run, where it is launched."""
    kernel = getattr(triton_kernels, name)

    class Launcher:
        def __getitem__(self, grid: tuple[int, ...]) -> Callable[..., None]:
            return lambda *args, **settings: found.update({name: kernel.warmup(*args, grid=grid, **settings)})

    return Launcher()


def compiled(capability: int, downsizer: DownsizeNet, dtype: torch.dtype = torch.float32) -> dict[str, object]:
    """Return the kernels of a training step, compiled for a GPU that need not be here."""
    found: dict[str, object] = {}
    launchers = SimpleNamespace(**{name: compiling(name, found) for name in KERNELS})
    kernels, triton_backend._kernels = triton_backend._kernels, lambda: launchers
    triton.runtime.driver.set_active(AbsentGPU(capability))
    try:
        images = torch.zeros(2, downsizer.in_channels, 90, 120, dtype=dtype)
        around, static_logits, texture = downsizer._parts(images, (31, 41))
        out = triton_backend.downsize(images, around, static_logits, texture, downsizer._normalize)
        out.sum().backward()
    finally:
        triton_backend._kernels = kernels
    return found


def resources(kernel: object) -> dict[str, int]:
    """Return a compiled kernel's registers and spilled bytes a thread, shared bytes and warps a program, and instructions."""
    with tempfile.NamedTemporaryFile(suffix='.cubin') as file:
        file.write(kernel.asm['cubin'])
        file.flush()
        command = [CUOBJDUMP, '--dump-resource-usage', file.name]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    usage = {name: int(number) for name, number in re.findall(r'\b(REG|STACK|LOCAL):(\d+)', said)}
    return {
        'registers': usage['REG'],
        'spilled': usage['STACK'] + usage['LOCAL'],
        'shared': kernel.metadata.shared,
        'warps': kernel.metadata.num_warps,
        'multiply-adds': len(re.findall(r'\bfma\.rn', kernel.asm['ptx'])),
        # Neither is wanted: the first would be TF32's, the second in any order.
        'tensor core products': len(re.findall(r'\bw?g?mma\b|tf32', kernel.asm['ptx'])),
        'atomics': len(re.findall(r'\b(?:atom|red)\.', kernel.asm['ptx'])),
    }


def main() -> None:
    """Compile and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--capability', type=int, action='append', choices=MAX_WARPS, help='80: A100, 90: H100; both')
    parser.add_argument('--only', choices=DOWNSIZERS, action='append', help='only this downsizer (may be repeated)')
    parser.add_argument('--bytes', action='store_true', help='for images in uint8 instead of float32')
    parser.add_argument('--json', type=Path, help='also write the numbers there')
    args = parser.parse_args()
    rows = []
    for capability in args.capability or (80, 90):
        for label in args.only or DOWNSIZERS:
            dtype = torch.uint8 if args.bytes else torch.float32
            for name, kernel in compiled(capability, DownsizeNet(**DOWNSIZERS[label]), dtype).items():
                row = {'capability': capability, 'downsizer': label, 'kernel': name, **resources(kernel)}
                programs = REGISTERS // (32 * row['registers'] * row['warps'])
                row['resident warps'] = min(MAX_WARPS[capability], programs * row['warps'])
                rows.append(row)
    table = Table(title=f'Triton {triton.__version__}')
    for column in rows[0]:
        table.add_column(column, justify='left' if isinstance(rows[0][column], str) else 'right')
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console(width=180).print(table)
    if args.json:
        args.json.write_text(json.dumps({'triton': triton.__version__, 'rows': rows}, indent=1))


if __name__ == '__main__':
    main()
