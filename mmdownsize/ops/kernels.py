"""Fixed interpolation kernels, and their weights for the neighbours of every output pixel.

A kernel is a function of a distance; the weights of an axis are that function at the distances of the grid, divided by their sum.
Kernels with antialiasing are stretched by the scale when downsizing, so that they cover the whole output pixel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from mmdownsize import notices
from mmdownsize.ops.grid import neighbor_indices, relative_distances
from mmdownsize.ops.lengths import Length, Ratio, ceil_div, larger, ratio_of, smaller
from mmdownsize.refusal import Refusal

CUBIC_A = -0.75  # the parameter of Keys' kernel in cv2's and PyTorch's bicubic resizing without antialiasing
CUBIC_A_ANTIALIAS = -0.5  # in PIL's, and so in PyTorch's with antialiasing


def _nearest(t: Tensor, scale: Ratio) -> Tensor:
    return ((t > -0.5) & (t <= 0.5)).to(t)


def _triangle(t: Tensor) -> Tensor:
    return (1 - t.abs()).clamp(min=0)


def _cubic(t: Tensor, a: float) -> Tensor:
    # Keys, Cubic convolution interpolation for digital image processing, 1981, eq. (4).
    x = t.abs()
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * a - 4 * a
    return torch.where(x < 1, near, torch.where(x < 2, far, torch.zeros_like(x)))


def _lanczos(t: Tensor, lobes: int) -> Tensor:
    return torch.where(t.abs() < lobes, torch.sinc(t) * torch.sinc(t / lobes), torch.zeros_like(t))


def _coverage(t: Tensor, scale: Ratio) -> Tensor:
    # The overlap of the source pixel, an interval of length 1, with the output pixel, one of length `scale`.
    return ((1 + scale) / 2 - t.abs()).clamp(0, smaller(1.0, scale))


def _sharp_area(t: Tensor, scale: Ratio) -> Tensor:
    # A mean over s pixels, s odd, has the second moment (s^2 - 1) / 12: this is its blur. This share of a mean over 5/3 of the
    # width has as much, and what remains has none.
    gain = 9 / 16 * (1 - 1 / larger(1.0, scale) ** 2)
    return (1 + gain) * _coverage(t, scale) / scale - gain * _coverage(t, scale * 5 / 3) / (scale * 5 / 3)


def _stretch(scale: Ratio) -> Ratio:
    return larger(1.0, scale)


@dataclass(frozen=True)
class Kernel:
    """A fixed kernel: the weight of a source pixel at a given distance.

    Attributes:
        name: Its name in configs.
        weight: Function of signed distances in source px (any shape, float64) and of the scale, to unnormalised weights.
        reach: Function of the source and the target length to the number of neighbours on either side of an output centre
            that cover the whole kernel.
        crops: Whether neighbours outside the image are left out (antialiasing kernels, as in PIL and PyTorch) rather than
            replaced by the edge pixel.
        non_negative: Whether no weight is below 0.
    """

    name: str
    weight: Callable[[Tensor, Ratio], Tensor]
    reach: Callable[[Length, Length], Length]
    crops: bool
    non_negative: bool

    def neighbors(self, src: Length, dst: Length) -> Length:
        """Return the smallest even number of neighbours an axis that covers the whole kernel."""
        return 2 * self.reach(src, dst)


def _fixed(radius: int) -> Callable[[Length, Length], Length]:
    return lambda src, dst: radius


def _stretched(radius: int) -> Callable[[Length, Length], Length]:
    return lambda src, dst: larger(radius, ceil_div(radius * src, dst))


def _area_reach(src: Length, dst: Length) -> Length:
    # At an even integer ratio all output centres lie between two source pixels, and none is half-way inside.
    is_even_ratio = src // (2 * dst) - (src - 1) // (2 * dst)  # 1 or 0
    return ceil_div(src + dst, 2 * dst) - is_even_ratio


def _sharp_area_reach(src: Length, dst: Length) -> Length:
    return larger(_area_reach(src, dst), ceil_div(5 * src + 3 * dst, 6 * dst))


KERNELS: dict[str, Kernel] = {
    kernel.name: kernel
    for kernel in (
        Kernel('nearest', _nearest, _fixed(1), crops=False, non_negative=True),
        Kernel('bilinear', lambda t, s: _triangle(t), _fixed(1), crops=False, non_negative=True),
        Kernel('triangle', lambda t, s: _triangle(t / _stretch(s)), _stretched(1), crops=True, non_negative=True),
        Kernel('area', _coverage, _area_reach, crops=True, non_negative=True),
        Kernel('sharp_area', _sharp_area, _sharp_area_reach, crops=True, non_negative=False),
        Kernel('bicubic', lambda t, s: _cubic(t, CUBIC_A), _fixed(2), crops=False, non_negative=False),
        Kernel(
            'bicubic_antialias',
            lambda t, s: _cubic(t / _stretch(s), CUBIC_A_ANTIALIAS),
            _stretched(2),
            crops=True,
            non_negative=False,
        ),
        Kernel('lanczos', lambda t, s: _lanczos(t, 4), _fixed(4), crops=False, non_negative=False),
        Kernel(
            'lanczos_antialias',
            lambda t, s: _lanczos(t / _stretch(s), 3),
            _stretched(3),
            crops=True,
            non_negative=False,
        ),
    )
}
"""All kernels by name. ``triangle`` is bilinear with antialiasing. Without antialiasing they are cv2's (lanczos: its
``INTER_LANCZOS4``) and PyTorch's, with it PIL's and PyTorch's; ``area`` is the exact overlap of pixels, cv2's when downsizing.
``sharp_area`` is ours: area, less its blur to second order, by a share of the mean over 5/3 of the width; at ratios of
3, 9, 15, ... polynomials of degree 3 are left as they are, at others from 2 on less than 2/5 of the blur is left, or is as
much too sharp."""


ALIASES = {
    'antialiased': 'triangle',
    'bicubic_antialiased': 'bicubic_antialias',
    'lanczos_antialiased': 'lanczos_antialias',
}
"""Other names of kernels that settings may say, and the name that configs and docs use."""


def preferred_name(name: str, *, note: bool = False) -> str:
    """Return the kernel's one name for any of its names, and any other word as it is.

    Args:
        name: A kernel's name, or something else.
        note: Print a note if it is another name of a kernel, once a process.
    """
    if note and name in ALIASES:
        _note(name)
    return ALIASES.get(name, name)


@cache
def _note(alias: str) -> None:
    notices.warn(f'{alias!r} is another name of the kernel {ALIASES[alias]!r}: say {ALIASES[alias]!r}')


def get_kernel(name: str) -> Kernel:
    """Return the kernel of that name.

    Raises:
        ValueError: If there is none.
    """
    if name not in KERNELS:
        raise Refusal(f'unknown kernel {name!r}, choose one of {", ".join(KERNELS)}')
    return KERNELS[name]


def axis_weights(kernel: Kernel, src: Length, dst: Length, neighbors: Length | None = None) -> Tensor:
    """Return the weights of every output pixel's neighbours along one axis.

    Args:
        kernel: The kernel.
        src: Source length in px.
        dst: Target length in px.
        neighbors: Even number K of neighbours; by default all that the kernel reaches. A smaller number cuts the kernel.

    Returns:
        (K, dst) float64, each column with sum 1; row ``k`` belongs to row ``k`` of :func:`neighbor_indices`.

    Raises:
        ValueError: If ``neighbors`` is odd or below 2, or a length below 1.
    """
    neighbors = kernel.neighbors(src, dst) if neighbors is None else neighbors
    weights = kernel.weight(relative_distances(src, dst, neighbors), ratio_of(src, dst))  # (K, dst)
    if kernel.crops:
        indices = neighbor_indices(src, dst, neighbors, clamp=False)
        weights = weights * ((indices >= 0) & (indices < src))
    return weights / weights.sum(0)
