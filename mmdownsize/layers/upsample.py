"""DownsizeNet as a layer: resizes feature maps of any number of channels, up or down."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from numbers import Real

import torch
import torch.nn.functional as F
from torch import Tensor

from mmdownsize.layers.sealed import Sealed
from mmdownsize.ops import downsize, learned_coefficients, neighbor_indices
from mmdownsize.ops.gather import interpolate_lean
from mmdownsize.ops.recording import is_tracing
from mmdownsize.refusal import Refusal
from mmdownsize.registry import MODELS
from mmdownsize.resizers import DownsizeNet
from mmdownsize.resizers.phases import Phases

BACKENDS = ('auto', 'dense')  # the others of mmdownsize.ops are made for images


def _pair(name: str, value: float | Sequence[float]) -> tuple[float, float]:
    pair = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value, value)
    if len(pair) != 2 or not all(isinstance(side, Real) and 0 < side < math.inf for side in pair):
        raise Refusal(f'{name} must be a number above 0 or a pair (h, w) of them, got {value!r}')
    return pair


@lru_cache(maxsize=64)
def _nearest_weights(src: int, dst: int, neighbors: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return (neighbors, dst) weights, 1 at the neighbour that ``F.interpolate(mode='nearest')`` takes.

    PyTorch takes the pixel at ``floor(o * src / dst)``, an output pixel's corner instead of its centre, in float32,
    which now and then rounds an exact hit down: so it is asked, and not imitated.
    """
    with torch.inference_mode(False), torch.no_grad():
        ramp = torch.arange(src, dtype=torch.float32)[None, None]
        chosen = F.interpolate(ramp, size=dst, mode='nearest')[0, 0].long()
        hit = neighbor_indices(src, dst, neighbors, clamp=False) == chosen
        if not hit.any(0).all():
            raise Refusal(
                f"start='nearest' takes pixels outside the {neighbors} neighbours at {src} -> {dst} px: "
                f"set neighbors={neighbors + 2} or more, or start='bilinear'"
            )
        return hit.to(device, dtype)


@MODELS.register_module()
class TextureUpsample(Sealed, DownsizeNet):
    """Resize feature maps with coefficients that a small CNN reads off them, one set for all channels.

    The mathematics is :class:`~mmdownsize.resizers.DownsizeNet`'s. Before training the layer is PyTorch's
    ``F.interpolate(maps, size=...)``, up to rounding: with ``start='bilinear'`` ``mode='bilinear',
    align_corners=False``; with ``start='nearest'`` ``mode='nearest'``, for which a DownsizeNet takes the nearest centre
    (``'nearest-exact'``). Coordinates come from the actual sizes, as they do in ``F.interpolate`` with ``size`` or with a
    whole ``scale_factor``.

    For ``mmcv.cnn.build_upsample_layer``: ``dict(type='mmdownsize.TextureUpsample', in_channels=256, scale_factor=2)``.
    All that depends on C is the first convolution and the sum itself, of which the backward pass keeps one copy of the
    maps and nothing of the target's size.

    Args:
        in_channels: Channels C of the maps.
        scale_factor: What both sides, or (h, w), are multiplied by and rounded down, as in ``nn.Upsample``.
        size: The target size instead, in px: a side or (h, w). With neither, the size is given in each call.
        start: The kernel that the layer equals before training, as in DownsizeNet.
        num_convs: Number of 3x3 convolutions, 1 to 4.
        channels: Channels of each.
        neighbors: Side of the neighbourhood, an even number or ``'auto'``.
        distance: Encoding of the relative distance.
        normalize: How logits become coefficients.
        texture: Whether the coefficients depend on the map.
        backend: ``'auto'``; or ``'dense'``: plain operators only, for tracing, export and gradients of gradients.

    Raises:
        ValueError: If an argument is not as above, or both ``scale_factor`` and ``size`` are given.

    Source: Ma et al., "DownsizeNet", sections on texture, floating-point pooling and fusion. Maps instead of images, and
    the start at PyTorch's nearest neighbour, are ours.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        scale_factor: float | Sequence[float] | None = None,
        size: int | Sequence[int] | None = None,
        start: str = 'bilinear',
        num_convs: int = 2,
        channels: int = 16,
        neighbors: int | str = 2,
        distance: str | None = 'bilinear',
        normalize: str = 'softmax',
        texture: bool = True,
        backend: str = 'auto',
    ) -> None:
        if backend not in BACKENDS:
            raise Refusal(f'unknown backend {backend!r}, choose one of {", ".join(BACKENDS)}')
        super().__init__(
            in_channels=in_channels,
            start=start,
            num_convs=num_convs,
            channels=channels,
            neighbors=neighbors,
            distance=distance,
            normalize=normalize,
            texture=texture,
            backend=backend,
            value_range=(-1.0, 1.0),  # maps are read as they are
        )
        if scale_factor is not None and size is not None:
            raise Refusal(f'give scale_factor or size, not both: got {scale_factor!r} and {size!r}')
        self.scale_factor = None if scale_factor is None else _pair('scale_factor', scale_factor)
        self.size = None if size is None else _pair('size', size)

    def forward(self, maps: Tensor, dst_hw: Sequence[int] | None = None) -> Tensor:
        """Resize a batch of maps.

        Args:
            maps: (N, C, H, W), floating point.
            dst_hw: Target size (h, w) in px; by default as ``size`` or ``scale_factor`` says.

        Returns:
            (N, C, h, w), contiguous, dtype of ``maps``. Differentiable in them and in the parameters.

        Raises:
            ValueError: If there is no target size, it has no pixels, or the maps have another shape.
        """
        if dst_hw is None:
            dst_hw = self.size or self._scaled(maps)
        return super().forward(maps, dst_hw)

    def _scaled(self, maps: Tensor) -> tuple[int, int]:
        if self.scale_factor is None:
            raise Refusal('no target size: call the layer as layer(maps, (h, w)), or set scale_factor or size')
        return tuple(math.floor(side * factor) for side, factor in zip(maps.shape[-2:], self.scale_factor))

    def resize(self, images: Tensor, dst_hw: tuple[int, int]) -> Tensor:
        """Resize checked maps: see :meth:`forward`."""
        around, base, texture = self._parts(images, dst_hw)
        with self._without_autocast(images):
            if self.backend == 'dense' or is_tracing():
                return downsize(images, around, base, texture, normalize=self._normalize, backend='dense')
            coefficients = learned_coefficients(images, around, base, texture, normalize=self._normalize)
            return interpolate_lean(images, coefficients, around.rows, around.cols).to(images.dtype)

    def _phases(self, images: Tensor, dst_hw: tuple[int, int]) -> Phases:
        phases = super()._phases(images, dst_hw)
        if self.start != 'nearest':
            return phases
        around = phases.around
        weights_y, weights_x = (
            _nearest_weights(src, dst, len(weights), weights.device, weights.dtype)
            for src, dst, weights in zip(images.shape[2:], dst_hw, (around.weights_y, around.weights_x))
        )
        return replace(phases, around=replace(around, weights_y=weights_y, weights_x=weights_x))

    def extra_repr(self) -> str:
        """Return the settings for ``repr``."""
        return f'in_channels={self.in_channels}, scale_factor={self.scale_factor}, {super().extra_repr()}'
