"""From logits and source pixels to output pixels: the weighted sum of neighbours, on whatever back end is fastest.

:func:`downsize` is all of DownsizeNet's work on an image, in one of four ways that give the same result up to rounding:

``native``
    One pass of compiled code over tiles that stay in a core's cache, forward and backward (``csrc``). On a CPU, in float32.
``triton``
    Kernels for a GPU that go from source pixels to output pixels in one launch. On an NVIDIA GPU, in float32.
``banded``
    PyTorch's own operators, the convolutions over bands of source rows. Everywhere, in every dtype.
``dense``
    The same on whole feature maps: plain operators only, for tracing, export and gradients of gradients.
"""

from __future__ import annotations

from types import ModuleType

import torch
from torch import Tensor

from mmdownsize.ops.backends import native
from mmdownsize.ops.backends.triton import check as triton_check
from mmdownsize.ops.backends.triton import launch as triton_backend
from mmdownsize.ops.coefficients import coefficients_of
from mmdownsize.ops.lengths import are_known
from mmdownsize.ops.neighborhood import Neighborhood, Texture
from mmdownsize.ops.recording import is_tracing
from mmdownsize.ops.texture import texture_at
from mmdownsize.refusal import Refusal

BACKENDS = ('auto', 'native', 'triton', 'banded', 'dense')
NORMALIZATIONS = ('softmax', 'sigmoid', 'none')


def interpolate(images: Tensor, coefficients: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
    """Give every output pixel the sum of its neighbours, weighted by its own coefficients.

    ``out[n, c, i, j] = sum over k, l of coefficients[n, k * Kx + l, i, j] * images[n, c, rows[k, i], cols[l, j]]``; the same
    coefficients for every channel.

    Args:
        images: (N, C, H, W), floating point.
        coefficients: (N or 1, Ky * Kx, h, w), neighbours in row-major order.
        rows: (Ky, h) int64 in [0, H): source rows of the neighbours of each output row.
        cols: (Kx, w) int64 in [0, W): source columns of the neighbours of each output column.

    Returns:
        (N, C, h, w) in the promoted dtype of images and coefficients. Differentiable in both.

    Raises:
        ValueError: If the number of coefficients is not Ky * Kx.
    """
    dtype = torch.promote_types(images.dtype, coefficients.dtype)
    images = images.to(dtype)
    coefficients = coefficients.to(dtype)
    if not are_known(rows.shape[0], cols.shape[0]):
        return _interpolate_any(images, coefficients, rows, cols)
    if coefficients.shape[1] != len(rows) * len(cols):
        raise Refusal(
            f'{len(rows)} x {len(cols)} neighbours need {len(rows) * len(cols)} coefficients, got {coefficients.shape[1]}'
        )
    out: Tensor | None = None
    for k, row in enumerate(rows):
        band = images.index_select(2, row)  # (N, C, h, W)
        for j, col in enumerate(cols):
            tap = k * len(cols) + j
            term = band.index_select(3, col) * coefficients[:, tap : tap + 1]  # (N, C, h, w)
            out = term if out is None else out + term
    assert out is not None
    return out


def _interpolate_any(images: Tensor, coefficients: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
    """Return :func:`interpolate`, recorded for any number of neighbours: all of them at once."""
    (taps_y, h), (taps_x, w) = rows.shape, cols.shape
    gathered = images.index_select(2, rows.flatten()).index_select(3, cols.flatten())  # (N, C, Ky * h, Kx * w)
    gathered = gathered.view(images.shape[0], images.shape[1], taps_y, h, taps_x, w)
    by_tap = coefficients.reshape(coefficients.shape[0], 1, taps_y, taps_x, h, w).transpose(3, 4)
    return (gathered * by_tap).sum((2, 4))


def learned_coefficients(
    images: Tensor,
    around: Neighborhood,
    base: Tensor,
    texture: Texture | None,
    *,
    normalize: str = 'softmax',
    banded: bool = True,
) -> Tensor:
    """Return the coefficients that :func:`downsize` interpolates with: same arguments.

    Returns:
        (N, Ky * Kx, h, w) in the dtype of ``around.weights_y``, neighbours in row-major order. Differentiable.
    """
    logits = base[None]
    if texture is not None:
        features = texture_at(
            images,
            texture.weights,
            texture.biases,
            around.top,
            around.left,
            shift=texture.shift,
            gain=texture.gain,
            dtype=texture.dtype,
            banded=banded,
        )
        # A matrix product rather than a convolution: its result is contiguous along pixels, which all that follows
        # is fast on.
        # Features may be in half precision; what is made of them is in float32 at least, from the first sum on: logits
        # that shall add up to 0 would not.
        exact = around.weights_y.dtype
        pixels = features.permute(0, 2, 3, 1).flatten(1, 2).to(exact)  # (N, h * w, channels)
        by_texture = texture.to_logits.to(exact) @ pixels.transpose(1, 2)  # (N, K, h * w)
        logits = by_texture.view(-1, *base.shape) + logits
    logits = logits.to(around.weights_y.dtype)
    coefficients = coefficients_of(logits, around.weights if around.kernel else None, normalize)
    return coefficients.expand(images.shape[0], -1, -1, -1)


def downsize(
    images: Tensor,
    around: Neighborhood,
    base: Tensor,
    texture: Texture | None,
    *,
    normalize: str = 'softmax',
    backend: str = 'auto',
) -> Tensor:
    """Give every output pixel the sum of its neighbours, with coefficients that depend on the texture around it.

    Args:
        images: (N, C, H, W), floating point or uint8.
        around: Where every output pixel's neighbours are, and what the kernel that it starts at gives them.
        base: (Ky * Kx, h, w), the logits' part that does not depend on the image, in row-major order of neighbours.
        texture: The convolutions, and the linear map from their features to logits, which is added to ``base``; None: no
            texture.
        normalize: ``'softmax'``, ``'sigmoid'`` or ``'none'``: see :func:`~mmdownsize.ops.coefficients.coefficients_of`.
        backend: ``'native'``, ``'triton'``, ``'banded'``, ``'dense'``, or ``'auto'``: native where it can, else triton where
            it can, has passed its check (:mod:`mmdownsize.ops.backends.triton.check`) and ``MMDOWNSIZE_TRITON=0`` is not in the
            environment, else banded. While a graph is being traced banded becomes dense.

    Returns:
        (N, C, h, w) in the dtype of ``images``, float32 for uint8. Differentiable in ``base``, all of ``texture`` and,
        with ``'banded'`` and ``'dense'``, ``images``; twice with ``'dense'`` only.

    Raises:
        ValueError: If ``backend`` or ``normalize`` is unknown, shapes do not fit each other, or ``backend='native'`` or
            ``'triton'`` cannot do what is asked for; says why.
    """
    if backend not in BACKENDS:
        raise Refusal(f'unknown backend {backend!r}, choose one of {", ".join(BACKENDS)}')
    if normalize not in NORMALIZATIONS:
        raise Refusal(f'unknown normalize {normalize!r}, choose one of {", ".join(NORMALIZATIONS)}')
    if not is_tracing():  # where a graph is recorded shapes may be open
        _check_shapes(images, around, base, texture)
    candidates: dict[str, ModuleType] = {'native': native, 'triton': triton_backend}
    for name, module in candidates.items():
        if backend in ('auto', name):
            reason = module.refusal(images, around, base, texture)
            if reason is None and (backend, name) == ('auto', 'triton'):
                reason = triton_check.failure(images, around, base, texture, normalize, _by_operators)
            if reason is None:
                result: Tensor = module.downsize(images, around, base, texture, normalize)
                return result
            if backend == name:
                raise Refusal(f"backend='{name}' cannot be used here: {reason}; backend='auto' takes another one")
    banded = backend != 'dense' and not is_tracing()  # bands are cut for one size
    return _by_operators(images, around, base, texture, normalize, banded=banded)


def _by_operators(
    images: Tensor,
    around: Neighborhood,
    base: Tensor,
    texture: Texture | None,
    normalize: str,
    *,
    banded: bool = False,
) -> Tensor:
    if images.dtype == torch.uint8:
        images = images.float()
    coefficients = learned_coefficients(images, around, base, texture, normalize=normalize, banded=banded)
    return interpolate(images, coefficients, around.rows, around.cols).to(images.dtype)


def _check_shapes(images: Tensor, around: Neighborhood, base: Tensor, texture: Texture | None) -> None:
    # The compiled back end would read what lies behind a tensor that is too small.
    count, h, w = len(around.rows) * len(around.cols), len(around.top), len(around.left)
    wanted = {
        'base': (base, (count, h, w)),
        'rows': (around.rows, (len(around.rows), h)),
        'cols': (around.cols, (len(around.cols), w)),
        'weights_y': (around.weights_y, (len(around.rows), h)),
        'weights_x': (around.weights_x, (len(around.cols), w)),
    }
    if texture is not None:
        channels = [images.shape[1], *(len(weight) for weight in texture.weights)]
        wanted['to_logits'] = (texture.to_logits, (count, channels[-1]))
        for i, (weight, bias) in enumerate(zip(texture.weights, texture.biases, strict=True)):
            wanted[f'weights[{i}]'] = (weight, (channels[i + 1], channels[i], 3, 3))
            wanted[f'biases[{i}]'] = (bias, (channels[i + 1],))
    for name, (tensor, shape) in wanted.items():
        if tuple(tensor.shape) != shape:
            raise Refusal(f'{name} must be {shape} for images {tuple(images.shape)}, got {tuple(tensor.shape)}')
