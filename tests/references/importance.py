"""ImportanceResizer and the rank filters pixel by pixel: a score for every source pixel, then a weighted mean."""

import math

import numpy as np

from tests.references import resampling


def conv3x3(x, weight, bias, dilation):
    """(C, H, W) -> (D, H, W), zeros outside, as a cross-correlation."""
    channels, height, width = x.shape
    out = np.zeros((len(weight), height, width))
    for d in range(len(weight)):
        for i in range(height):
            for j in range(width):
                out[d, i, j] = bias[d]
                for a in range(3):
                    for b in range(3):
                        y, z = i + (a - 1) * dilation, j + (b - 1) * dilation
                        if 0 <= y < height and 0 <= z < width:
                            out[d, i, j] += sum(weight[d, c, a, b] * x[c, y, z] for c in range(channels))
    return out


def importance_map(image, *, convs, dilations, to_score, tone, limit, value_range):
    """(C, H, W) -> (S, H, W), above 0. convs: (weight, bias) of each convolution; to_score: (S, D); tone: (S,)."""
    low, high = value_range
    scaled = (image - low) / (high - low) * 2 - 1
    features = scaled
    for (weight, bias), dilation in zip(convs, dilations):
        features = np.maximum(conv3x3(features, weight, bias, dilation), 0)
    out = np.zeros((len(tone), *image.shape[1:]))
    for i in range(image.shape[1]):
        for j in range(image.shape[2]):
            brightness = sum(scaled[:, i, j]) / len(image)
            for s in range(len(tone)):
                score = to_score[s] @ features[:, i, j] + tone[s] * brightness
                out[s, i, j] = math.exp(limit * math.tanh(score / limit))
    return out


def weighted_resize(image, weights, dst_hw, kernel):
    """(C, H, W) and (1 or C, H, W) -> (C, h, w): the kernel's weights times those of the source pixels, divided by their sum."""
    by_y, by_x = (resampling.matrix(kernel, s, d) for s, d in zip(image.shape[1:], dst_hw))
    out = np.zeros((len(image), *dst_hw))
    for c in range(len(image)):
        own = weights[c if len(weights) > 1 else 0]
        for i in range(dst_hw[0]):
            for j in range(dst_hw[1]):
                total = value = 0.0
                for y in by_y[i].nonzero()[0]:
                    for x in by_x[j].nonzero()[0]:
                        share = by_y[i, y] * by_x[j, x] * own[y, x]
                        total += share
                        value += share * image[c, y, x]
                out[c, i, j] = value / total
    return out


def covered(o, src, dst):
    """The source pixels that output pixel o overlaps: whole numbers only, so that none is there by rounding."""
    return range(o * src // dst, -(-(o + 1) * src // dst))


def extreme_pixel(image, dst_hw, brightest):
    """(C, H, W) -> (C, h, w): of the source pixels that an output pixel overlaps, the one whose mean is lowest or highest."""
    out = np.zeros((len(image), *dst_hw))
    for i in range(dst_hw[0]):
        for j in range(dst_hw[1]):
            rows, cols = (covered(o, s, d) for o, s, d in zip((i, j), image.shape[1:], dst_hw))
            pixels = [image[:, y, x] for x in cols for y in rows]  # of equal ones the leftmost, of these the topmost
            means = [sum(pixel) / len(pixel) for pixel in pixels]
            out[:, i, j] = pixels[means.index(max(means) if brightest else min(means))]
    return out
