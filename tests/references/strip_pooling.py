"""SPNet's modules, one pixel at a time, on maps (C, H, W); weights are given by the names they have in a state dict."""

import math

import numpy as np

EPS = 1e-5  # of batch norm


def conv(x, weight, bias=None):
    """Convolution (O, C, h, w) with odd taps and zeros around the map, of its size."""
    height, width = x.shape[1:]
    tall, wide = weight.shape[2:]
    out = np.zeros((len(weight), height, width))
    for o in range(len(weight)):
        for i in range(height):
            for j in range(width):
                total = 0.0 if bias is None else bias[o]
                for di in range(tall):
                    for dj in range(wide):
                        y, z = i + di - tall // 2, j + dj - wide // 2
                        if 0 <= y < height and 0 <= z < width:
                            total += float(weight[o, :, di, dj] @ x[:, y, z])
                out[o, i, j] = total
    return out


def norm(x, weights, name):
    out = np.zeros_like(x)
    for c in range(len(x)):
        spread = math.sqrt(weights[f'{name}.running_var'][c] + EPS)
        scaled = (x[c] - weights[f'{name}.running_mean'][c]) / spread
        out[c] = scaled * weights[f'{name}.weight'][c] + weights[f'{name}.bias'][c]
    return out


def conv_norm(x, weights, name):
    return norm(conv(x, weights[f'{name}.conv.weight']), weights, f'{name}.bn')


def relu(x):
    return np.where(x > 0, x, 0.0)


def strip_pooling(x, weights, name):
    channels, height, width = x.shape
    rows, columns = np.zeros((channels, height, 1)), np.zeros((channels, 1, width))
    for c in range(channels):
        for i in range(height):
            rows[c, i, 0] = sum(x[c, i, j] for j in range(width)) / width
        for j in range(width):
            columns[c, 0, j] = sum(x[c, i, j] for i in range(height)) / height
    rows = conv_norm(rows, weights, f'{name}.along_height')
    columns = conv_norm(columns, weights, f'{name}.along_width')
    out = np.zeros_like(x)
    for c in range(channels):
        for i in range(height):
            for j in range(width):
                out[c, i, j] = max(rows[c, i, 0] + columns[c, 0, j], 0.0)
    return out


def strip_pooling_module(x, weights):
    strips = strip_pooling(x, weights, 'strips')
    return x / (1 + np.exp(-conv(strips, weights['gate.conv.weight'], weights['gate.conv.bias'])))


def mean_of_bins(x, bins):
    """The mean over each of bins x bins windows; window b covers every pixel that touches [b, b + 1) / bins of the side."""
    channels, *sides = x.shape
    spans = [[(b * side // bins, -(-(b + 1) * side // bins)) for b in range(bins)] for side in sides]
    out = np.zeros((channels, bins, bins))
    for a, (top, bottom) in enumerate(spans[0]):
        for b, (left, right) in enumerate(spans[1]):
            for c in range(channels):
                out[c, a, b] = np.mean([x[c, i, j] for i in range(top, bottom) for j in range(left, right)])
    return out


def position(o, src, dst, align_corners):
    """Where a pixel of the larger map falls between the centres of the smaller: (left, right, how far from left)."""
    at = o * (src - 1) / (dst - 1) if align_corners else (o + 0.5) * src / dst - 0.5
    at = min(max(at, 0.0), src - 1.0)
    left = math.floor(at)
    return left, min(left + 1, src - 1), at - left


def bilinear(x, height, width, align_corners):
    out = np.zeros((len(x), height, width))
    for i in range(height):
        top, bottom, down = position(i, x.shape[1], height, align_corners)
        for j in range(width):
            left, right, along = position(j, x.shape[2], width, align_corners)
            upper = x[:, top, left] * (1 - along) + x[:, top, right] * along
            lower = x[:, bottom, left] * (1 - along) + x[:, bottom, right] * along
            out[:, i, j] = upper * (1 - down) + lower * down
    return out


def mixed_pooling_module(x, weights, pool_sizes, align_corners):
    height, width = x.shape[1:]
    near = relu(conv_norm(x, weights, 'reduce_short'))
    total = conv_norm(near, weights, 'local')
    for level, bins in enumerate(pool_sizes):
        pooled = conv_norm(mean_of_bins(near, bins), weights, f'pyramid.{level}')
        total = total + bilinear(pooled, height, width, align_corners)
    short = relu(conv_norm(relu(total), weights, 'fuse_short'))

    far = relu(conv_norm(x, weights, 'reduce_long'))
    long = relu(conv_norm(strip_pooling(far, weights, 'strips'), weights, 'fuse_long'))
    return relu(x + conv_norm(np.concatenate([short, long]), weights, 'expand'))
