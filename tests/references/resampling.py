"""Resampling one axis as a dense matrix, one output pixel and one source pixel at a time."""

import math
from fractions import Fraction

import numpy as np


def centre(o, src, dst):
    """Position of an output centre on the source axis, source centres counted 0, 1, 2, ...; exact."""
    return (Fraction(2 * o + 1, 2)) * Fraction(src, dst) - Fraction(1, 2)


def left_neighbor(o, src, dst):
    return math.floor(centre(o, src, dst))


def neighbors_of(o, src, dst, count):
    """The `count` source pixels around an output centre, unclamped: half left of it or on it, half right of it."""
    first = left_neighbor(o, src, dst) - count // 2 + 1
    return list(range(first, first + count))


def clamp(i, src):
    return min(max(i, 0), src - 1)


def overlap(a, b):
    """Length of what two intervals share."""
    return max(0.0, min(a[1], b[1]) - max(a[0], b[0]))


def triangle(t):
    return 1 - abs(t) if abs(t) < 1 else 0.0


def cubic(t, a):
    """Keys 1981, with his free parameter."""
    t = abs(t)
    if t < 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    if t < 2:
        return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a
    return 0.0


def sinc(t):
    return 1.0 if t == 0 else math.sin(math.pi * t) / (math.pi * t)


def lanczos(t, lobes):
    return sinc(t) * sinc(t / lobes) if abs(t) < lobes else 0.0


def weight(kernel, o, i, src, dst):
    """What source pixel i, also one outside the image, weighs in output pixel o before normalising."""
    scale = Fraction(src, dst)
    t = float(i - centre(o, src, dst))
    stretch = float(max(scale, 1))
    if kernel == 'nearest':
        return float(i == math.floor(Fraction(2 * o + 1, 2) * scale))
    if kernel == 'area':
        return overlap((i, i + 1), (float(o * scale), float((o + 1) * scale)))
    if (
        kernel == 'sharp_area'
    ):  # the output pixel, and one of 5/3 of its width around the same centre, which counts against it
        middle = Fraction(2 * o + 1, 2) * scale
        gain = float(Fraction(9, 16) * (1 - 1 / max(scale, 1) ** 2))
        near, wide = (
            overlap((i, i + 1), (float(middle - width / 2), float(middle + width / 2))) / float(width)
            for width in (scale, scale * 5 / 3)
        )
        return (1 + gain) * near - gain * wide
    return {
        'bilinear': lambda: triangle(t),
        'triangle': lambda: triangle(t / stretch),
        'bicubic': lambda: cubic(t, -0.75),
        'bicubic_antialias': lambda: cubic(t / stretch, -0.5),
        'lanczos': lambda: lanczos(t, 4),
        'lanczos_antialias': lambda: lanczos(t / stretch, 3),
    }[kernel]()


CROPPING = ('triangle', 'area', 'sharp_area', 'bicubic_antialias', 'lanczos_antialias')
"""Kernels that leave out what falls outside the image; the others repeat the edge pixel."""


def tap_weights(kernel, src, dst, count):
    """(count, dst): what each of the neighbours weighs, normalised over them."""
    table = np.zeros((count, dst))
    for o in range(dst):
        for k, i in enumerate(neighbors_of(o, src, dst, count)):
            if kernel not in CROPPING or 0 <= i < src:
                table[k, o] = weight(kernel, o, i, src, dst)
        table[:, o] /= table[:, o].sum()
    return table


def matrix(kernel, src, dst):
    """(dst, src): the whole kernel, whatever number of neighbours it reaches."""
    reach = 4 * math.ceil(max(1, Fraction(src, dst))) + 1
    table = np.zeros((dst, src))
    for o in range(dst):
        middle = left_neighbor(o, src, dst)
        for i in range(middle - reach, middle + reach + 1):
            if kernel not in CROPPING or 0 <= i < src:
                table[o, clamp(i, src)] += weight(kernel, o, i, src, dst)
        table[o] /= table[o].sum()
    return table


def resize(images, dst_hw, kernel):
    """(..., H, W) array -> (..., h, w)."""
    by_y = matrix(kernel, images.shape[-2], dst_hw[0])
    by_x = matrix(kernel, images.shape[-1], dst_hw[1])
    return np.einsum('ih,...hw,jw->...ij', by_y, images.astype(np.float64), by_x)


def neighborhood_range(images, dst_hw, count_yx):
    """(lowest, highest) of the neighbours of every output pixel, each (..., h, w)."""
    low = np.empty(images.shape[:-2] + tuple(dst_hw))
    high = np.empty_like(low)
    height, width = images.shape[-2:]
    for i in range(dst_hw[0]):
        rows = [clamp(r, height) for r in neighbors_of(i, height, dst_hw[0], count_yx[0])]
        for j in range(dst_hw[1]):
            cols = [clamp(c, width) for c in neighbors_of(j, width, dst_hw[1], count_yx[1])]
            patch = images[..., rows, :][..., cols]
            low[..., i, j] = patch.min((-2, -1))
            high[..., i, j] = patch.max((-2, -1))
    return low, high


def nearest_labels(labels, dst_hw):
    """(H, W) -> (h, w): the label of the pixel that the output centre lies in."""
    height, width = labels.shape
    out = np.empty(dst_hw, labels.dtype)
    for i in range(dst_hw[0]):
        for j in range(dst_hw[1]):
            out[i, j] = labels[(2 * i + 1) * height // (2 * dst_hw[0]), (2 * j + 1) * width // (2 * dst_hw[1])]
    return out
