"""Pure functions on tensors: the sampling grid, kernels, coefficients and the weighted sum of neighbours.

Geometry, here and everywhere (docs/conventions.md): pixel ``i`` covers ``[i, i + 1)``, an output centre ``o + 1/2`` projects to
``(o + 1/2) * src / dst``, and outside the image is the edge pixel. Needs torch only.
"""

from mmdownsize.ops.backends.operators import interpolate, learned_coefficients
from mmdownsize.ops.coefficients import NORMALIZATIONS, coefficients_of, exact_start, sigmoid_tilt, soften, softmax_tilt
from mmdownsize.ops.grid import neighbor_indices, project, relative_distances
from mmdownsize.ops.kernels import KERNELS, Kernel, axis_weights, get_kernel
from mmdownsize.ops.neighborhood import Neighborhood, Texture
from mmdownsize.ops.recording import is_tracing
from mmdownsize.ops.resample import BACKENDS, downsize
from mmdownsize.ops.texture import select, texture_at

__all__ = [
    'BACKENDS',
    'KERNELS',
    'NORMALIZATIONS',
    'Kernel',
    'Neighborhood',
    'Texture',
    'axis_weights',
    'coefficients_of',
    'downsize',
    'exact_start',
    'get_kernel',
    'interpolate',
    'is_tracing',
    'learned_coefficients',
    'neighbor_indices',
    'project',
    'relative_distances',
    'select',
    'sigmoid_tilt',
    'soften',
    'softmax_tilt',
    'texture_at',
]
