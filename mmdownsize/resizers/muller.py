"""MULLER, the multilayer Laplacian resizer: Tu, Milanfar & Talebi, ICCV 2023."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmdownsize import arguments
from mmdownsize.refusal import Refusal
from mmdownsize.resizers.fixed import FixedResizer
from mmdownsize.resizers.trainable import TrainableResizer


class MullerResizer(TrainableResizer):
    """Resize with a fixed kernel and add bands of detail, each with a learned gain and offset.

    ::

        out = resize(image) + sum over layers l of tanh(weight_l * resize(blur^l(image) - blur^(l - 1)(image)) + bias_l)

    on images mapped to 0..1, with two parameters a layer. They start at 0, where it equals the fixed kernel.

    Args:
        num_layers: Number of bands; 2 in the paper.
        kernel_size: Side of the Gaussian blur, odd.
        stddev: Standard deviation of the blur in source px.
        kernel: The fixed kernel: a name that :class:`FixedResizer` takes.
        antialias: Stretch that kernel by the scale when downsizing.
        value_range: (lowest, highest) value of the images.
        frozen: Do not train: no parameter requires a gradient.
        init_cfg: Initialisation in mmengine's form, applied by the data preprocessor.

    Raises:
        ValueError: If an argument is out of its range.

    At the image's border the blur repeats the edge pixel. The authors' code reads 0 there, which darkens the border.
    """

    ARGUMENTS = ('num_layers', 'kernel_size', 'stddev', 'kernel', 'antialias', 'value_range')

    def __init__(
        self,
        *,
        num_layers: int = 2,
        kernel_size: int = 5,
        stddev: float = 1.0,
        kernel: str = 'bilinear',
        antialias: bool = False,
        value_range: tuple[float, float] = (0.0, 255.0),
        frozen: bool = False,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(frozen=frozen, init_cfg=init_cfg)
        self.num_layers = num_layers = arguments.integer('num_layers', num_layers, 1)
        self.kernel_size = arguments.integer('kernel_size', kernel_size, 1)
        if kernel_size % 2 == 0:
            raise Refusal(f'kernel_size must be an odd number, got {kernel_size}')
        self.fixed = FixedResizer(kernel=kernel, antialias=antialias)
        self.kernel, self.antialias = self.fixed.kernel, self.fixed.antialias
        self.value_range = arguments.value_range(value_range)
        self.stddev = arguments.positive('stddev', stddev)
        self.weights = nn.Parameter(torch.zeros(num_layers))
        self.biases = nn.Parameter(torch.zeros(num_layers))
        self._finish()

    def _start(self) -> None:
        nn.init.zeros_(self.weights)
        nn.init.zeros_(self.biases)

    def _blur(self, images: Tensor) -> Tensor:
        radius = self.kernel_size // 2
        x = torch.arange(-radius, radius + 1, dtype=images.dtype, device=images.device)
        line = torch.exp(-(x**2) / (2 * self.stddev**2))
        line = line / line.sum()
        channels = int(images.shape[1])  # a constant of a recorded graph, as a convolution's must be
        padded = F.pad(images, (radius, radius, radius, radius), mode='replicate')
        for shape in ((1, -1), (-1, 1)):
            kernel = line.view(1, 1, *shape).expand(channels, -1, -1, -1)
            padded = F.conv2d(padded, kernel, groups=channels)
        return padded

    def resize(self, images: Tensor, dst_hw: tuple[int, int]) -> Tensor:
        """Resize checked images: see :meth:`forward`."""
        if len(images) == 0:
            return images.new_empty((0, images.shape[1], *dst_hw))
        low, high = self.value_range
        finer = images.to(torch.promote_types(images.dtype, self.weights.dtype))
        out = self.fixed.resize(finer, dst_hw)
        for weight, bias in zip(self.weights, self.biases):
            coarser = self._blur(finer)
            band = self.fixed.resize((coarser - finer) / (high - low), dst_hw)
            out = out + torch.tanh(weight * band + bias) * (high - low)
            finer = coarser
        return out.to(images.dtype)

    def extra_repr(self) -> str:
        """Return the settings for ``repr``."""
        return f'num_layers={self.num_layers}, kernel_size={self.kernel_size}, stddev={self.stddev}'
