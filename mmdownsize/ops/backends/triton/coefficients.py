"""Coefficients and their gradient for a block of pixels, in Triton: :mod:`mmdownsize.ops.coefficients` for the kernels.

Shapes: B output pixels a program, T neighbours, rounded up to a power of two; what is beyond is 0.
"""

import triton
import triton.language as tl


@triton.jit
def relu(x):
    """Cut below 0; not a number stays what it is."""
    return tl.where(x < 0, 0.0, x)


@triton.jit
def coefficients_of(
    logits,
    weights,
    COUNT: tl.constexpr,
    KERNEL: tl.constexpr,
    NORMALIZE: tl.constexpr,
    SOFTNESS: tl.constexpr,
    LIMIT: tl.constexpr,
    ODDS: tl.constexpr,
):
    """Do what :func:`mmdownsize.ops.coefficients.coefficients_of` does, for (B, T), term by term.

    Returns:
        The coefficients and what their gradient is made of: prior, tilt, the tilt's slope by the logit but for the sum, the
        coefficients before they are cut, all (B, T), and what the cut ones are multiplied with, (B,).
    """
    used = tl.arange(0, logits.shape[1])[None, :] < COUNT
    if NORMALIZE == 'none':
        value = logits + weights if KERNEL else logits
        value = tl.where(used, value, 0.0)
        return value, value, value, value, value, tl.sum(value, 1)
    else:
        prior = weights * (1 - SOFTNESS) + SOFTNESS / COUNT if KERNEL else tl.full(logits.shape, 1 / COUNT, tl.float32)
        prior = tl.where(used, prior, 0.0)
        logits = tl.where(used, logits, float('-inf'))
        if NORMALIZE == 'softmax':
            tilt = tl.exp(logits - tl.max(logits, 1)[:, None])
            slope = tilt
        else:
            clipped = tl.where(logits < -LIMIT, -LIMIT, tl.where(logits > LIMIT, LIMIT, logits))
            grown = tl.exp(clipped)
            share = ODDS * prior
            below = tl.div_rn(1.0, 1 + share * (grown - 1))
            tilt = grown * below
            slope = tl.where(clipped == logits, tilt * (1 - share) * below, 0.0)
            # Relative to the largest, or the sum of many tiny ratios would be lost in 1 - 1.
            unpeak = tl.div_rn(1.0, tl.max(tilt, 1))[:, None]
            tilt, slope = tilt * unpeak, slope * unpeak
        untotal = tl.div_rn(1.0, 1 + tl.sum(prior * (tilt - 1), 1))[:, None]
        tilt, slope = tilt * untotal, slope * untotal
        if KERNEL:
            sharp = weights + prior * (tilt - 1) * (1 / (1 - SOFTNESS))
            cut = relu(sharp)
            scale = tl.div_rn(1.0, 1 + tl.sum(cut - weights, 1))
            return cut * scale[:, None], prior, tilt, slope, sharp, scale
        else:
            value = prior * tilt
            return value, prior, tilt, slope, value, tl.sum(value, 1)


@triton.jit
def coefficients_backward(
    grad,
    value,
    prior,
    tilt,
    slope,
    sharp,
    scale,
    KERNEL: tl.constexpr,
    NORMALIZE: tl.constexpr,
    SOFTNESS: tl.constexpr,
    LEAK: tl.constexpr,
):
    """Return the gradient of the logits, of that of the coefficients, which is 0 for neighbours that do not exist; (B, T)."""
    if NORMALIZE == 'none':
        return grad
    else:
        if KERNEL:
            grad = (grad - tl.sum(grad * value, 1)[:, None]) * scale[:, None]
            grad = tl.where(sharp < 0, grad * LEAK, grad) * (1 / (1 - SOFTNESS))
        grad = grad * prior
        return (grad - prior * tl.sum(grad * tilt, 1)[:, None]) * slope
