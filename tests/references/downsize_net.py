"""DownsizeNet pixel by pixel: dense convolutions with a ReLU on the full map, pooling, distance map, 1x1, normalisation, sum."""

import math

import numpy as np

from tests.references import resampling

SOFTNESS = 0.2


def conv3x3(x, weight, bias):
    """(C, H, W) -> (D, H, W), zeros outside, as a cross-correlation."""
    channels, height, width = x.shape
    padded = np.zeros((channels, height + 2, width + 2))
    padded[:, 1:-1, 1:-1] = x
    out = np.zeros((len(weight), height, width))
    for d in range(len(weight)):
        out[d] = bias[d]
        for c in range(channels):
            for a in range(3):
                for b in range(3):
                    out[d] += weight[d, c, a, b] * padded[c, a : a + height, b : b + width]
    return out


def texture_map(image, convs, value_range):
    """(C, H, W) in value_range -> (D, H, W)."""
    low, high = value_range
    x = (image - low) / (high - low) * 2 - 1
    for weight, bias in convs:
        x = np.maximum(conv3x3(x, weight, bias), 0)
    return x


def pool(features, dst_hw):
    """(C, H, W) -> (C, h, w): the feature at the top-left neighbour of every output pixel."""
    _, height, width = features.shape
    out = np.empty((len(features), *dst_hw))
    for i in range(dst_hw[0]):
        for j in range(dst_hw[1]):
            top = resampling.clamp(resampling.left_neighbor(i, height, dst_hw[0]), height)
            left = resampling.clamp(resampling.left_neighbor(j, width, dst_hw[1]), width)
            out[:, i, j] = features[:, top, left]
    return out


def resample_line(values, count):
    """Linear interpolation of samples that are the centres of equal cells, at the centres of `count` equal cells."""
    positions = (np.arange(count) + 0.5) * len(values) / count - 0.5
    return np.interp(positions, np.arange(len(values)), values)


def distance_vector(distance, i, j, src_hw, dst_hw, counts, slots):
    """The relative-distance channels of output pixel (i, j); counts are the neighbours on the two axes."""
    if distance is None:
        return []
    (height, width), (h, w) = src_hw, dst_hw
    if distance == 'offset':
        cy, cx = resampling.centre(i, height, h), resampling.centre(j, width, w)
        return [float(cx - math.floor(cx)), float(cy - math.floor(cy))]
    lines = []
    for o, src, dst, count in ((i, height, h, counts[0]), (j, width, w, counts[1])):
        if distance in ('bilinear', 'bicubic'):
            line = resampling.tap_weights(distance, src, dst, {'bilinear': 2, 'bicubic': 4}[distance])[:, o]
        else:
            line = resampling.tap_weights(distance, src, dst, count)[:, o]
            if count != slots:
                line = resample_line(line, slots) * count / slots
        lines.append(line)
    return [y * x for y in lines[0] for x in lines[1]]


def softmax(logits):
    powers = [math.exp(v - max(logits)) for v in logits]
    return [p / sum(powers) for p in powers]


def sigmoid(v):
    return 1 / (1 + math.exp(-v)) if v > 0 else math.exp(v) / (1 + math.exp(v))


def tilted(prior, logits, normalize):
    """A distribution tilted by logits."""
    if normalize == 'softmax':
        return softmax([math.log(q) + v for q, v in zip(prior, logits)])
    scores = [sigmoid(math.log(q / (1 - q)) + v) for q, v in zip(prior, logits)]
    return [s / sum(scores) for s in scores]


def from_scratch(logits, normalize):
    """Coefficients without a kernel: the paper's sigmoid divided by the sum, softmax, raw numbers, or these shifted to sum 1."""
    if normalize == 'none':
        return logits
    if normalize == 'signed':
        return [v + (1 - sum(logits)) / len(logits) for v in logits]
    if normalize == 'softmax':
        return softmax(logits)
    scores = [sigmoid(v) for v in logits]
    return [s / sum(scores) for s in scores]


def from_kernel(weights, logits, normalize):
    """Coefficients that are the kernel's where the logits are 0: soften, tilt, sharpen, cut, divide by the sum."""
    if normalize == 'none':
        return [w + v for w, v in zip(weights, logits)]
    if normalize == 'signed':
        return [w + v - sum(logits) / len(logits) for w, v in zip(weights, logits)]
    count = len(weights)
    prior = [(1 - SOFTNESS) * w + SOFTNESS / count for w in weights]
    sharp = [(p - SOFTNESS / count) / (1 - SOFTNESS) for p in tilted(prior, logits, normalize)]
    folded = [max(x, 0.0) for x in sharp]
    return [x / sum(folded) for x in folded]


def stretch_slots(grid, counts):
    """(slots, slots) -> counts, linearly, one axis after the other."""
    grid = np.stack([resample_line(column, counts[0]) for column in grid.T], 1)
    return np.stack([resample_line(row, counts[1]) for row in grid])


def downsize_net(
    image,
    dst_hw,
    *,
    convs,
    fusion_weight,
    fusion_bias,
    counts,
    slots,
    distance,
    normalize,
    start,
    value_range=(0.0, 255.0),
):
    """(C, H, W) -> (C, h, w) and the coefficients (Ky * Kx, h, w); counts = (Ky, Kx), slots the side of the 1x1's output."""
    image = image.astype(np.float64)
    src_hw = image.shape[1:]
    texture = pool(texture_map(image, convs, value_range), dst_hw) if convs else np.zeros((0, *dst_hw))
    tables = None
    if start != 'random':
        tables = [resampling.tap_weights(start, s, d, k) for s, d, k in zip(src_hw, dst_hw, counts)]
    out = np.zeros((len(image), *dst_hw))
    coefficients = np.zeros((counts[0] * counts[1], *dst_hw))
    for i in range(dst_hw[0]):
        rows = [resampling.clamp(r, src_hw[0]) for r in resampling.neighbors_of(i, src_hw[0], dst_hw[0], counts[0])]
        for j in range(dst_hw[1]):
            cols = [resampling.clamp(c, src_hw[1]) for c in resampling.neighbors_of(j, src_hw[1], dst_hw[1], counts[1])]
            inputs = np.array([*texture[:, i, j], *distance_vector(distance, i, j, src_hw, dst_hw, counts, slots)])
            logits = (fusion_weight @ inputs + fusion_bias).reshape(slots, slots)
            logits = stretch_slots(logits, counts).ravel() if counts != (slots, slots) else logits.ravel()
            if tables is None:
                a = from_scratch(logits, normalize)
            else:
                a = from_kernel([y * x for y in tables[0][:, i] for x in tables[1][:, j]], logits, normalize)
            coefficients[:, i, j] = a
            for k, r in enumerate(rows):
                for m, c in enumerate(cols):
                    out[:, i, j] += a[k * counts[1] + m] * image[:, r, c]
    return out, coefficients
