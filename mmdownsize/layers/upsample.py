"""DownsizeNet as a layer: resizes feature maps of any number of channels, up or down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from mmdownsize.layers.sealed import Sealed
from mmdownsize.layers.target import Target
from mmdownsize.ops import downsize, learned_coefficients, neighbor_indices
from mmdownsize.ops.gather import interpolate_lean
from mmdownsize.ops.recording import is_tracing
from mmdownsize.refusal import Refusal
from mmdownsize.registry import MODELS
from mmdownsize.resizers import DownsizeNet
from mmdownsize.resizers.phases import Phases

BACKENDS = ('auto', 'dense')  # the other backends of mmdownsize.ops are for images only


@lru_cache(maxsize=64)
def _nearest_weights(src: int, dst: int, neighbors: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return (neighbors, dst) weights, 1 at the neighbour that ``F.interpolate(mode='nearest')`` takes.

    PyTorch takes the pixel at ``floor(o * src / dst)``: the position of an output pixel's corner, not of its centre. It
    computes in float32, and rounding sometimes changes the pixel. So the indices come from PyTorch itself.
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
    """Resize feature maps with coefficients that a small CNN computes from them, the same for all channels.

    The mathematics is that of :class:`~mmdownsize.resizers.DownsizeNet`. Before training the layer equals PyTorch's
    ``F.interpolate(maps, size=...)``, up to rounding. ``start='bilinear'`` equals ``mode='bilinear', align_corners=False``.
    ``start='nearest'`` equals ``mode='nearest'``; a DownsizeNet with this start takes the nearest centre
    (``'nearest-exact'``). Coordinates come from the actual sizes, as in ``F.interpolate`` with ``size`` or a whole
    ``scale_factor``.

    For ``mmcv.cnn.build_upsample_layer``: ``dict(type='mmdownsize.TextureUpsample', in_channels=256, scale_factor=2)``.
    Only the first convolution and the weighted sum depend on C. The backward pass keeps one copy of the maps and no tensor of
    the target size with C channels.

    Args:
        in_channels: Channels C of the maps.
        scale_factor: Factor for both sides, or for (h, w). Sizes are rounded down, as in ``nn.Upsample``.
        size: Target size in px, a side or (h, w), instead of ``scale_factor``. Without both, each call gives the size.
        start: The fixed kernel that the layer equals before training, as in DownsizeNet.
        num_convs: Number of 3x3 convolutions, 1 to 4.
        channels: Channels of each 3x3 convolution.
        neighbors: Side of the neighbourhood in px, an even number or ``'auto'``.
        distance: Encoding of the relative distance.
        normalize: How logits become coefficients.
        texture: Whether the coefficients depend on the map.
        backend: ``'auto'``, or ``'dense'``: only PyTorch's own operators, for tracing, export and second derivatives.

    Raises:
        ValueError: If an argument is out of its range, or both ``scale_factor`` and ``size`` are given.

    Source: Ma et al., "DownsizeNet", sections on texture, floating-point pooling and fusion. To apply it to maps instead of
    images and to start at PyTorch's nearest neighbour are ours.
    """

    CHECKS_RANGE = False  # maps have none

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
            value_range=(-1.0, 1.0),  # maps are not normalised
        )
        self.target = Target(scale_factor, size)

    def forward(self, maps: Tensor, dst_hw: Sequence[int] | None = None) -> Tensor:
        """Resize a batch of maps.

        Args:
            maps: (N, C, H, W), floating point.
            dst_hw: Target size (h, w) in px. None: from ``size`` or ``scale_factor``.

        Returns:
            (N, C, h, w), contiguous, dtype of ``maps``. Differentiable in the maps and in the parameters.

        Raises:
            ValueError: If there is no target size, it has no pixels, or the maps have another shape.
        """
        return super().forward(maps, self.target.of(maps) if dst_hw is None else dst_hw)

    def resize(self, images: Tensor, dst_hw: tuple[int, int]) -> Tensor:
        """Resize maps whose shape has been checked: see :meth:`forward`."""
        around, static_logits, texture = self._parts(images, dst_hw)
        with self._without_autocast(images):
            if self.backend == 'dense' or is_tracing():
                return downsize(images, around, static_logits, texture, normalize=self._normalize, backend='dense')
            coefficients = learned_coefficients(images, around, static_logits, texture, normalize=self._normalize)
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
        return f'in_channels={self.in_channels}, scale_factor={self.target.scale_factor}, {super().extra_repr()}'
