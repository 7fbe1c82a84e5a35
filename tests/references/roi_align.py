"""RoI align with learned weights, one sample and one pixel at a time."""

import math

import numpy as np

from tests.references.downsize_net import from_kernel, softmax, texture_map


def taps(row, column, hw):
    """The four pixels around a point, their bilinear coefficients, and whether the map is there; or None."""
    (height, width), found = hw, []
    there = -1 <= row <= height and -1 <= column <= width
    row, column = min(max(row, 0.0), height - 1.0), min(max(column, 0.0), width - 1.0)
    top, left = math.floor(row), math.floor(column)
    for r in (top, top + 1):
        for c in (left, left + 1):
            # A pixel beyond the edge has weight 0 and is the edge pixel.
            found.append(((min(r, height - 1), min(c, width - 1)), (1 - abs(row - r)) * (1 - abs(column - c))))
    return found, there


def roi_align(feats, rois, output_hw, spatial_scale, samples, *, convs, weight, bias, place):
    """(R, C, p_h, p_w); weight (5, D + 4) and bias (5,) of the 1x1, place (S * S,)."""
    p_h, p_w = output_hw
    out = np.zeros((len(rois), feats.shape[1], p_h, p_w))
    textures = [texture_map(image, convs, (-1.0, 1.0)) for image in feats]
    for n, (image, x1, y1, x2, y2) in enumerate(rois):
        image = int(image)
        bin_h, bin_w = (y2 - y1) * spatial_scale / p_h, (x2 - x1) * spatial_scale / p_w
        for i in range(p_h):
            for j in range(p_w):
                values, scores = [], []
                for a in range(samples):
                    for b in range(samples):
                        row = y1 * spatial_scale + (i + (a + 0.5) / samples) * bin_h - 0.5
                        column = x1 * spatial_scale + (j + (b + 0.5) / samples) * bin_w - 0.5
                        pixels, there = taps(row, column, feats.shape[2:])
                        (top, left), _ = pixels[0]
                        kernel = [w for _, w in pixels]
                        logits = weight @ np.array([*textures[image][:, top, left], *kernel]) + bias
                        coefficients = from_kernel(kernel, list(logits[:4]), 'softmax')
                        value = sum(q * feats[image, :, r, c] for q, ((r, c), _) in zip(coefficients, pixels))
                        values.append(value if there else 0 * value)
                        scores.append(logits[4] + place[a * samples + b])
                for q, value in zip(softmax(scores), values):
                    out[n, :, i, j] += q * value
    return out
