"""From source pixels to output pixels, on the back end that is fastest here.

:func:`downsize` is all of DownsizeNet's work on an image. Four back ends give the same result up to rounding:

``native``
    Compiled code over tiles that stay in a core's cache, forward and backward (``backends/csrc``). On a CPU, in float32.
``triton``
    Kernels for a GPU, from source pixels to output pixels in one launch. On an NVIDIA GPU, in float32.
``banded``
    PyTorch's own operators, the convolutions over bands of source rows. Everywhere, in every dtype.
``dense``
    The same on whole feature maps: plain operators only, for tracing, export and gradients of gradients.
"""

from __future__ import annotations

from types import ModuleType

from torch import Tensor

from mmdownsize.ops.backends import native, operators
from mmdownsize.ops.backends.triton import check as triton_check
from mmdownsize.ops.backends.triton import launch as triton_backend
from mmdownsize.ops.coefficients import NORMALIZATIONS
from mmdownsize.ops.neighborhood import Neighborhood, Texture
from mmdownsize.ops.recording import is_tracing
from mmdownsize.refusal import Refusal

BACKENDS = ('auto', 'native', 'triton', 'banded', 'dense')


def downsize(
    images: Tensor,
    around: Neighborhood,
    static_logits: Tensor,
    texture: Texture | None,
    *,
    normalize: str = 'softmax',
    backend: str = 'auto',
) -> Tensor:
    """Give every output pixel the sum of its neighbours, with coefficients that depend on the texture around it.

    Args:
        images: (N, C, H, W), floating point or uint8.
        around: Every output pixel's neighbours, and what the kernel at the start gives them.
        static_logits: (Ky * Kx, h, w), the part of the logits that does not depend on the image, neighbours in row-major order.
        texture: The convolutions, and the linear map from their features to logits, which are added to ``static_logits``. None:
            no texture.
        normalize: ``'softmax'``, ``'sigmoid'`` or ``'none'``: see :func:`~mmdownsize.ops.coefficients.coefficients_of`.
        backend: ``'native'``, ``'triton'``, ``'banded'``, ``'dense'``, or ``'auto'``: native where it can; else triton where
            it can, passes its check (:mod:`mmdownsize.ops.backends.triton.check`) and ``MMDOWNSIZE_TRITON=0`` is not in the
            environment; else banded. While a graph is traced, banded becomes dense.

    Returns:
        (N, C, h, w) in the dtype of ``images``, float32 for uint8. Differentiable in ``static_logits``, all of ``texture`` and,
        with ``'banded'`` and ``'dense'``, ``images``; twice with ``'dense'`` only.

    Raises:
        ValueError: If ``backend`` or ``normalize`` is unknown, shapes do not fit each other, or ``backend='native'`` or
            ``'triton'`` cannot be used here: says why.
    """
    if backend not in BACKENDS:
        raise Refusal(f'unknown backend {backend!r}, choose one of {", ".join(BACKENDS)}')
    if normalize not in NORMALIZATIONS:
        raise Refusal(f'unknown normalize {normalize!r}, choose one of {", ".join(NORMALIZATIONS)}')
    if not is_tracing():  # while a graph is recorded, shapes may be unknown
        _check_shapes(images, around, static_logits, texture)
    candidates: dict[str, ModuleType] = {'native': native, 'triton': triton_backend}
    for name, module in candidates.items():
        if backend in ('auto', name):
            reason = module.refusal(images, around, static_logits, texture)
            if reason is None and (backend, name) == ('auto', 'triton'):
                reason = triton_check.failure(images, around, static_logits, texture, normalize)
            if reason is None:
                result: Tensor = module.downsize(images, around, static_logits, texture, normalize)
                return result
            if backend == name:
                raise Refusal(f"backend='{name}' cannot be used here: {reason}; backend='auto' takes another one")
    banded = backend != 'dense' and not is_tracing()  # bands are cut for one size
    return operators.downsize(images, around, static_logits, texture, normalize, banded=banded)


def _check_shapes(images: Tensor, around: Neighborhood, static_logits: Tensor, texture: Texture | None) -> None:
    # The compiled back end would read past the end of a tensor that is too small.
    count, h, w = len(around.rows) * len(around.cols), len(around.top), len(around.left)
    wanted = {
        'static_logits': (static_logits, (count, h, w)),
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
