"""Check that the Triton back end gives the same as plain operators on this machine, before ``backend='auto'`` takes it.

The installed Triton compiles the kernels for the GPU of the machine. The first time a kind of problem comes up, they solve a
small one of that kind, forward and backward, and are compared with PyTorch's operators in float64. That takes little more
than compiling them. Kernels that do not compile or give wrong results are not used, with a warning.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import torch
from torch import Tensor

from mmdownsize import notices
from mmdownsize.ops.backends import operators
from mmdownsize.ops.backends.triton import launch as triton_backend
from mmdownsize.ops.neighborhood import Neighborhood, Texture

SWITCH = 'MMDOWNSIZE_TRITON'  # set to 0, backend='auto' never takes this back end
SRC_HW, DST_HW, BATCH = (23, 19), (9, 7), 2  # 63 output pixels: two programs, the second not full
TOLERANCE = 1e-3  # of the largest number; float32 rounds to 1e-6 of it, and a wrong kernel is off by parts of it


@dataclass(frozen=True)
class Kind:
    """What kernels are compiled for."""

    device: torch.device
    dtype: torch.dtype
    colors: int
    depth: int
    taps: tuple[int, int]
    kernel: bool
    normalize: str
    trains: bool


def failure(
    images: Tensor, around: Neighborhood, static_logits: Tensor, texture: Texture | None, normalize: str
) -> str | None:
    """Return why ``backend='auto'`` does not take Triton for a problem, or None if it does.

    Args:
        images: (N, C, H, W), as :func:`mmdownsize.ops.downsize` is given them.
        around: Every output pixel's neighbours, and what the kernel at the start gives them.
        static_logits: (Ky * Kx, h, w), the part of the logits that does not depend on the image.
        texture: The convolutions and the map from their features to logits; None: no texture.
        normalize: One of ``NORMALIZATIONS``.
    """
    if os.environ.get(SWITCH) == '0':
        return f'{SWITCH}=0'
    kind = Kind(
        images.device,
        images.dtype,
        images.shape[1],
        0 if texture is None else len(texture.weights),
        (len(around.rows), len(around.cols)),
        around.kernel,
        normalize,
        torch.is_grad_enabled() and any(leaf.requires_grad for leaf in _leaves(static_logits, texture)),
    )
    return _failure(kind)


def _leaves(static_logits: Tensor, texture: Texture | None) -> list[Tensor]:
    return [static_logits] if texture is None else [static_logits, texture.to_logits, *texture.weights, *texture.biases]


@cache
def _failure(kind: Kind) -> str | None:
    try:
        difference = largest_difference(kind)
    except Exception as error:  # whatever a compiler or a driver raises: there is another back end
        reason = f'{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}'
    else:
        if difference <= TOLERANCE:  # not where it is NaN
            return None
        reason = f'it differs from plain operators by {difference:.2g} of the largest number'
    notices.warn(
        f"backend='auto' does not use Triton for {kind}: {reason}. PyTorch's operators are used, as {SWITCH}=0 has it "
        'without a check'
    )
    return reason


@torch.inference_mode(False)
def largest_difference(kind: Kind) -> float:
    """Return the largest difference of value and gradients in a problem of a kind, relative to each one's largest number."""
    ours: list[Tensor] = []
    theirs: list[Tensor] = []
    for solve, dtype, results in (
        (triton_backend.downsize, torch.float32, ours),
        (operators.downsize, torch.float64, theirs),
    ):
        images, around, static_logits, texture = problem(kind, dtype)
        with torch.set_grad_enabled(kind.trains), torch.autocast(kind.device.type, enabled=False):
            out = solve(
                images if dtype == torch.float32 else images.double(), around, static_logits, texture, kind.normalize
            )
        results.append(out.double())
        if kind.trains:
            # Both signs, and numbers that half precision holds exactly.
            direction = (torch.arange(out.numel(), device=out.device) % 129 - 64).view_as(out)
            results += torch.autograd.grad(out, _leaves(static_logits, texture), direction.to(out))
    largest = [(a.double() - b).abs().max() / b.abs().max().clamp(min=1e-6) for a, b in zip(ours, theirs, strict=True)]
    if kind.dtype.is_floating_point:
        largest[0] = largest[0] - torch.finfo(kind.dtype).eps  # the image is rounded to its type once more
    return float(torch.stack(largest).detach().max())


def problem(kind: Kind, dtype: torch.dtype) -> tuple[Tensor, Neighborhood, Tensor, Texture | None]:
    """Return a small problem of a kind, the same for every ``dtype`` of its parameters."""
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int, scale: float = 1.0) -> Tensor:
        values = (torch.randn(shape, generator=generator) * scale).to(kind.device, dtype)
        return values.requires_grad_(kind.trains)

    def axis(src: int, dst: int, taps: int) -> tuple[Tensor, Tensor, Tensor]:
        first = torch.arange(dst) * src // dst
        positions = (first + torch.arange(taps)[:, None] - (taps - 1) // 2).clamp(0, src - 1)
        weights = torch.rand(taps, dst, generator=generator) + 0.5 if kind.kernel else torch.ones(taps, dst)
        return first, positions, weights / weights.sum(0)

    images = (torch.rand(BATCH, kind.colors, *SRC_HW, generator=generator) * 255).to(kind.dtype).to(kind.device)
    top, rows, weights_y = axis(SRC_HW[0], DST_HW[0], kind.taps[0])
    left, cols, weights_x = axis(SRC_HW[1], DST_HW[1], kind.taps[1])
    top, rows, left, cols = (part.to(kind.device) for part in (top, rows, left, cols))
    weights_y, weights_x = weights_y.to(kind.device, dtype), weights_x.to(kind.device, dtype)
    around = Neighborhood(top, left, rows, cols, weights_y, weights_x, kind.kernel)
    count = kind.taps[0] * kind.taps[1]
    static_logits = random(count, *DST_HW)
    if not kind.depth:
        return images, around, static_logits, None
    widths = [kind.colors, *[triton_backend.CHANNELS] * kind.depth]
    # Features and logits as large as what they are made of.
    weights = [random(o, i, 3, 3, scale=(9 * i) ** -0.5) for i, o in pairwise(widths)]
    biases = [random(o) for o in widths[1:]]
    to_logits = random(count, triton_backend.CHANNELS, scale=triton_backend.CHANNELS**-0.5)
    return images, around, static_logits, Texture(weights, biases, to_logits, shift=127.5, gain=1 / 127.5)
