"""DownsizeNet's kernels for a GPU, in Triton: imported when one is to run, not before.

A program takes a block of output pixels. What it needs of the first convolution's features, 3 x 3 positions around each
selected pixel, it makes itself from the image: at the scales of downsizing neighbours share few of them, so making them
again costs less than a feature map would to write and to read. Nothing is added up across programs but through
partial sums, in a fixed order: results are the same to the last bit in every run on the same machine.

Shapes: B output pixels a program, T neighbours and F numbers of a patch, each rounded up to a power of two; what is
beyond is 0. Tensors are contiguous, but for images and the gradient of the output. Products are float32, not TF32.
"""

import triton
import triton.language as tl

from mmdownsize.ops.backends.triton.coefficients import coefficients_backward, coefficients_of, relu

CHANNELS = tl.constexpr(16)  # of a feature map
# Not compiled anew for sizes that are 1 or multiples of 16, as Triton would: sizes change from batch to batch.
SIZES = ('batch', 'src_h', 'src_w', 'dst_h', 'dst_w')
SIZES += tuple(f'{prefix}stride_{axis}' for prefix in ('', 'grad_') for axis in 'ncyx')


@triton.jit
def product(a, b):
    """Return the matrix product of (M, K) and (K, N), K at least 16."""
    return tl.dot(a, b, input_precision='ieee')


@triton.jit
def block_of(block, top, left, dst_h, dst_w, B: tl.constexpr):
    """Return a block's output pixels: their number, row and column, whether they exist, and where their texture is selected."""
    pixel = block * B + tl.arange(0, B)
    there = pixel < dst_h * dst_w
    i, j = pixel // dst_w, pixel % dst_w
    y = tl.load(top + i, mask=there, other=0).to(tl.int32)
    x = tl.load(left + j, mask=there, other=0).to(tl.int32)
    return pixel, i, j, there, y, x


@triton.jit
def patch_around(
    image, y, x, there, src_h, src_w, stride_c, stride_y, stride_x, shift, gain, COLORS: tl.constexpr, F: tl.constexpr
):
    """Return (B, F), what a convolution centred on (y, x) reads, in the order of its weights."""
    number = tl.arange(0, F)[None, :]
    rows, cols = y[:, None] + number // 3 % 3 - 1, x[:, None] + number % 3 - 1
    inside = there[:, None] & (number < 9 * COLORS) & (rows >= 0) & (rows < src_h) & (cols >= 0) & (cols < src_w)
    pixels = tl.load(image + number // 9 * stride_c + rows * stride_y + cols * stride_x, mask=inside, other=0)
    return tl.where(inside, (pixels.to(tl.float32) - shift) * gain, 0.0)


@triton.jit
def first_weights(weight, COLORS: tl.constexpr, F: tl.constexpr):
    """Return the first convolution's weights as (F, CHANNELS)."""
    number, outputs = tl.arange(0, F)[:, None], tl.arange(0, CHANNELS)[None, :]
    return tl.load(weight + outputs * (9 * COLORS) + number, mask=number < 9 * COLORS, other=0.0)


@triton.jit
def second_weights(weight, tap):
    """Return the second convolution's weights at one of its 9 positions as (CHANNELS in, CHANNELS out)."""
    inputs, outputs = tl.arange(0, CHANNELS)[:, None], tl.arange(0, CHANNELS)[None, :]
    return tl.load(weight + (outputs * CHANNELS + inputs) * 9 + tap)


@triton.jit
def neighbors_of(rows, cols, i, j, there, dst_h, dst_w, TAPS_Y: tl.constexpr, TAPS_X: tl.constexpr, T: tl.constexpr):
    """Return what a neighbour has along each axis, an index or a weight, both (B, T), and which neighbours exist."""
    tap = tl.arange(0, T)[None, :]
    exist = there[:, None] & (tap < TAPS_Y * TAPS_X)
    by_row = tl.load(rows + tap // TAPS_X * dst_h + i[:, None], mask=exist, other=0)
    by_col = tl.load(cols + tap % TAPS_X * dst_w + j[:, None], mask=exist, other=0)
    return by_row, by_col, exist


@triton.jit
def logits_of(
    static_logits, to_logits, features, pixel, exist, pixels, COUNT: tl.constexpr, DEPTH: tl.constexpr, T: tl.constexpr
):
    """Return the logits, (B, T), of the features, (B, CHANNELS)."""
    tap = tl.arange(0, T)
    logits = tl.load(static_logits + tap[None, :] * pixels + pixel[:, None], mask=exist, other=0.0)
    if DEPTH:
        at = to_logits + tap[None, :] * CHANNELS + tl.arange(0, CHANNELS)[:, None]
        logits += product(features, tl.load(at, mask=tap[None, :] < COUNT, other=0.0))
    return logits


@triton.jit
def features_backward(grad, to_logits, B: tl.constexpr, COUNT: tl.constexpr, T: tl.constexpr):
    """Return the gradient of the features, (B, CHANNELS), of that of the logits, (B, T)."""
    tap, channel = tl.arange(0, T), tl.arange(0, CHANNELS)
    if T >= 16:
        at = to_logits + tap[:, None] * CHANNELS + channel[None, :]
        return product(grad, tl.load(at, mask=tap[:, None] < COUNT, other=0.0))
    else:
        # Too narrow for a product. A sum of products over a broadcast axis, Triton would turn into one in TF32.
        flowing = tl.zeros((B, CHANNELS), tl.float32)
        for t in tl.static_range(COUNT):
            one = tl.sum(tl.where(tap[None, :] == t, grad, 0.0), 1)
            flowing += one[:, None] * tl.load(to_logits + t * CHANNELS + channel)[None, :]
        return flowing


@triton.jit(do_not_specialize=SIZES)
def forward(
    out,
    kept_features,
    images,
    top,
    left,
    rows,
    cols,
    weights_y,
    weights_x,
    static_logits,
    to_logits,
    weight_0,
    bias_0,
    weight_1,
    bias_1,
    src_h,
    src_w,
    dst_h,
    dst_w,
    stride_n,
    stride_c,
    stride_y,
    stride_x,
    shift,
    gain,
    COLORS: tl.constexpr,
    DEPTH: tl.constexpr,
    TAPS_Y: tl.constexpr,
    TAPS_X: tl.constexpr,
    KERNEL: tl.constexpr,
    NORMALIZE: tl.constexpr,
    SOFTNESS: tl.constexpr,
    LIMIT: tl.constexpr,
    ODDS: tl.constexpr,
    B: tl.constexpr,
    T: tl.constexpr,
    F: tl.constexpr,
):
    """From source pixels to output pixels. Grid: (blocks of output pixels, images).

    out: (N, COLORS, h, w). kept_features: (N, h, w, CHANNELS) or None.
    """
    COUNT: tl.constexpr = TAPS_Y * TAPS_X
    n, pixels = tl.program_id(1).to(tl.int64), dst_h * dst_w
    image = images + n * stride_n
    pixel, i, j, there, y, x = block_of(tl.program_id(0), top, left, dst_h, dst_w, B)
    features = tl.zeros((B, CHANNELS), tl.float32)
    if DEPTH:
        channel = tl.arange(0, CHANNELS)
        w_0, b_0 = first_weights(weight_0, COLORS, F), tl.load(bias_0 + channel)[None, :]
        if DEPTH == 1:
            patch = patch_around(image, y, x, there, src_h, src_w, stride_c, stride_y, stride_x, shift, gain, COLORS, F)
            features = relu(product(patch, w_0) + b_0)
        else:
            features += tl.load(bias_1 + channel)[None, :]
            for tap in range(9):
                at_y, at_x = y + tap // 3 - 1, x + tap % 3 - 1
                inside = there & (at_y >= 0) & (at_y < src_h) & (at_x >= 0) & (at_x < src_w)
                patch = patch_around(
                    image, at_y, at_x, inside, src_h, src_w, stride_c, stride_y, stride_x, shift, gain, COLORS, F
                )
                below = tl.where(inside[:, None], relu(product(patch, w_0) + b_0), 0.0)
                features += product(below, second_weights(weight_1, tap))
            features = relu(features)
        if kept_features is not None:
            at = kept_features + n * pixels * CHANNELS + pixel[:, None] * CHANNELS + channel[None, :]
            tl.store(at, features, mask=there[:, None])
    row, col, exist = neighbors_of(rows, cols, i, j, there, dst_h, dst_w, TAPS_Y, TAPS_X, T)
    by_y, by_x, _ = neighbors_of(weights_y, weights_x, i, j, there, dst_h, dst_w, TAPS_Y, TAPS_X, T)
    logits = logits_of(static_logits, to_logits, features, pixel, exist, pixels, COUNT, DEPTH, T)
    value, _, _, _, _, _ = coefficients_of(logits, by_y * by_x, COUNT, KERNEL, NORMALIZE, SOFTNESS, LIMIT, ODDS)
    offset = row.to(tl.int32) * stride_y + col.to(tl.int32) * stride_x
    for c in tl.static_range(COLORS):
        source = tl.load(image + c * stride_c + offset, mask=exist, other=0).to(tl.float32)
        tl.store(out + (n * COLORS + c) * pixels + pixel, tl.sum(value * source, 1), mask=there)


@triton.jit(do_not_specialize=SIZES)
def logits_backward(
    grad_static_logits,
    to_logits_sums,
    last_bias_sums,
    grad_features,
    grad_out,
    features,
    images,
    top,
    left,
    rows,
    cols,
    weights_y,
    weights_x,
    static_logits,
    to_logits,
    batch,
    dst_h,
    dst_w,
    stride_n,
    stride_c,
    stride_y,
    stride_x,
    grad_stride_n,
    grad_stride_c,
    grad_stride_y,
    grad_stride_x,
    COLORS: tl.constexpr,
    DEPTH: tl.constexpr,
    TAPS_Y: tl.constexpr,
    TAPS_X: tl.constexpr,
    KERNEL: tl.constexpr,
    NORMALIZE: tl.constexpr,
    SOFTNESS: tl.constexpr,
    LEAK: tl.constexpr,
    LIMIT: tl.constexpr,
    ODDS: tl.constexpr,
    B: tl.constexpr,
    T: tl.constexpr,
):
    """From the output's gradient to that of the logits and of the last features. Grid: (blocks of output pixels,).

    A program does all images: their gradients of `static_logits` have the same place. grad_features: (N, h, w, CHANNELS), before
    the ReLU; to_logits_sums: (blocks, neighbours, CHANNELS); last_bias_sums: (blocks, CHANNELS).
    """
    COUNT: tl.constexpr = TAPS_Y * TAPS_X
    block, pixels = tl.program_id(0), dst_h * dst_w
    pixel, i, j, there, _, _ = block_of(block, top, left, dst_h, dst_w, B)
    row, col, exist = neighbors_of(rows, cols, i, j, there, dst_h, dst_w, TAPS_Y, TAPS_X, T)
    by_y, by_x, _ = neighbors_of(weights_y, weights_x, i, j, there, dst_h, dst_w, TAPS_Y, TAPS_X, T)
    offset = row.to(tl.int32) * stride_y + col.to(tl.int32) * stride_x
    tap, channel = tl.arange(0, T), tl.arange(0, CHANNELS)
    static_logits_sum = tl.zeros((B, T), tl.float32)
    to_logits_sum = tl.zeros((T, CHANNELS), tl.float32)
    bias_sum = tl.zeros((CHANNELS,), tl.float32)
    for n in range(batch):
        first = tl.cast(n, tl.int64)
        feature = tl.zeros((B, CHANNELS), tl.float32)
        at_features = first * pixels * CHANNELS + pixel[:, None] * CHANNELS + channel[None, :]
        if DEPTH:
            feature = tl.load(features + at_features, mask=there[:, None], other=0.0)
        logits = logits_of(static_logits, to_logits, feature, pixel, exist, pixels, COUNT, DEPTH, T)
        value, prior, tilt, slope, sharp, scale = coefficients_of(
            logits, by_y * by_x, COUNT, KERNEL, NORMALIZE, SOFTNESS, LIMIT, ODDS
        )
        grad = tl.zeros((B, T), tl.float32)
        for c in tl.static_range(COLORS):
            at = grad_out + first * grad_stride_n + c * grad_stride_c + i * grad_stride_y + j * grad_stride_x
            source = tl.load(images + first * stride_n + c * stride_c + offset, mask=exist, other=0).to(tl.float32)
            grad += tl.load(at, mask=there, other=0.0)[:, None] * source
        grad = coefficients_backward(grad, value, prior, tilt, slope, sharp, scale, KERNEL, NORMALIZE, SOFTNESS, LEAK)
        static_logits_sum += grad
        if DEPTH:
            to_logits_sum += product(tl.trans(grad), feature)
            flowing = tl.where(feature > 0, features_backward(grad, to_logits, B, COUNT, T), 0.0)
            tl.store(grad_features + at_features, flowing, mask=there[:, None])
            bias_sum += tl.sum(flowing, 0)
    tl.store(grad_static_logits + tap[None, :] * pixels + pixel[:, None], static_logits_sum, mask=exist)
    if DEPTH:
        at = to_logits_sums + (block * COUNT + tap[:, None]) * CHANNELS + channel[None, :]
        tl.store(at, to_logits_sum, mask=tap[:, None] < COUNT)
        tl.store(last_bias_sums + block * CHANNELS + channel, bias_sum)


@triton.jit(do_not_specialize=SIZES)
def texture_backward(
    weight_0_sums,
    bias_0_sums,
    weight_1_sums,
    grad_features,
    images,
    top,
    left,
    weight_0,
    bias_0,
    weight_1,
    batch,
    src_h,
    src_w,
    dst_h,
    dst_w,
    stride_n,
    stride_c,
    stride_y,
    stride_x,
    shift,
    gain,
    COLORS: tl.constexpr,
    DEPTH: tl.constexpr,
    B: tl.constexpr,
    F: tl.constexpr,
):
    """From the last features' gradient to those of the convolutions' weights. Grid: (programs, positions).

    A program does every so many-th block of all images, for one of the 9 positions that the second convolution
    reads, or for the only one that there is to do without a second. weight_0_sums: (positions, programs, CHANNELS out,
    9 * COLORS); bias_0_sums: (positions, programs, CHANNELS); weight_1_sums: (positions, programs, CHANNELS in, CHANNELS out).
    """
    program, programs, tap = tl.program_id(0), tl.num_programs(0), tl.program_id(1)
    pixels = dst_h * dst_w
    blocks = tl.cdiv(pixels, B)
    channel, number = tl.arange(0, CHANNELS), tl.arange(0, F)
    weight_0_sum = tl.zeros((F, CHANNELS), tl.float32)
    weight_1_sum = tl.zeros((CHANNELS, CHANNELS), tl.float32)
    bias_0_sum = tl.zeros((CHANNELS,), tl.float32)
    if DEPTH == 2:
        w_0, b_0 = first_weights(weight_0, COLORS, F), tl.load(bias_0 + channel)[None, :]
        back_1 = tl.trans(second_weights(weight_1, tap))
    for unit in range(program, batch * blocks, programs):
        n = tl.cast(unit // blocks, tl.int64)
        pixel, _, _, there, y, x = block_of(unit % blocks, top, left, dst_h, dst_w, B)
        at = grad_features + n * pixels * CHANNELS + pixel[:, None] * CHANNELS + channel[None, :]
        grad = tl.load(at, mask=there[:, None], other=0.0)
        if DEPTH == 2:
            y, x = y + tap // 3 - 1, x + tap % 3 - 1
            there = there & (y >= 0) & (y < src_h) & (x >= 0) & (x < src_w)
        patch = patch_around(
            images + n * stride_n, y, x, there, src_h, src_w, stride_c, stride_y, stride_x, shift, gain, COLORS, F
        )
        if DEPTH == 2:
            below = tl.where(there[:, None], relu(product(patch, w_0) + b_0), 0.0)
            weight_1_sum += product(tl.trans(below), grad)
            grad = tl.where(below > 0, product(grad, back_1), 0.0)
            bias_0_sum += tl.sum(grad, 0)
        weight_0_sum += product(tl.trans(patch), grad)
    sums = tap * programs + program
    at = weight_0_sums + (sums * CHANNELS + channel[None, :]) * (9 * COLORS) + number[:, None]
    tl.store(at, weight_0_sum, mask=number[:, None] < 9 * COLORS)
    if DEPTH == 2:
        tl.store(bias_0_sums + sums * CHANNELS + channel, bias_0_sum)
        tl.store(weight_1_sums + (sums * CHANNELS + channel[:, None]) * CHANNELS + channel[None, :], weight_1_sum)


INTERPRETED = not isinstance(forward, triton.JITFunction)
