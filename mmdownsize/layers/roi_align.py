"""RoI align with learned weights: texture and distance weight the pixels of a sample, and the samples of a bin."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mmdownsize.layers.sealed import Sealed
from mmdownsize.ops import coefficients_of, texture_at
from mmdownsize.ops.gather import weighted_gather
from mmdownsize.refusal import Refusal
from mmdownsize.resizers.settings import KeepsSettings

TAPS = 4  # pixels around a sample


def sample_positions(
    rois: Tensor, output_hw: tuple[int, int], spatial_scale: float, sampling_ratio: int
) -> tuple[Tensor, Tensor]:
    """Return the positions at which RoI align samples, for each axis: the grid of a RoI is separable.

    Args:
        rois: (R, 5): image, then x1, y1, x2, y2 in px of the image.
        output_hw: Bins (p_h, p_w).
        spatial_scale: Factor from px of the image to px of the map.
        sampling_ratio: Samples S a side of a bin, each in the middle of its part of the bin.

    Returns:
        Rows (R, p_h * S) and columns (R, p_w * S) in px, pixel centres at 0, 1, 2, ...
    """
    axes = []
    for bins, low, high in ((output_hw[0], rois[:, 2], rois[:, 4]), (output_hw[1], rois[:, 1], rois[:, 3])):
        begin, extent = low * spatial_scale - 0.5, (high - low) * spatial_scale
        places = torch.arange(bins * sampling_ratio, dtype=rois.dtype, device=rois.device) + 0.5
        axes.append(begin[:, None] + extent[:, None] * places / (bins * sampling_ratio))
    return axes[0], axes[1]


def taps_of(positions: Tensor, length: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the two pixels around each position on an axis and their weights in linear interpolation.

    As in mmcv's RoIAlign, the map repeats its edge up to one pixel beyond the outermost centres. Farther out it is 0.

    Args:
        positions: (R, P) in px, pixel centres at 0, 1, 2, ...
        length: Length of the axis in px.

    Returns:
        Indices (R, P, 2) int64 in [0, length), weights (R, P, 2) with sum 1, and (R, P) bool, False where the map is 0.
    """
    there = (positions >= -1) & (positions <= length)
    inside = positions.clamp(0, length - 1)
    low = inside.floor()
    offset = inside - low
    indices = torch.stack([low.long(), (low.long() + 1).clamp(max=length - 1)], -1)
    return indices, torch.stack([1 - offset, offset], -1), there


class TextureRoIAlign(KeepsSettings, Sealed):
    """RoIAlign with learned weights: a sample is a weighted mean of four pixels, a bin a weighted mean of its samples.

    For each of the S x S samples of a bin, P is the top-left of the four pixels around it::

        f = ReLU(conv3x3(... ReLU(conv3x3(map)) ...)) at P            texture, selected
        l = conv1x1([f, bilinear coefficients])                       five logits a sample
        a = softmax(l[:4], tilting the bilinear coefficients)         of the pixels
        b = softmax(l[4] + place in the bin, over the bin's samples)  of the samples
        bin = sum over samples of b * sum over pixels of a * pixel

    All channels have the same weights. The 1x1 convolution starts at 0. A bin is then that of mmcv's ``RoIAlign`` with
    ``aligned=True`` and the same ``sampling_ratio``, up to rounding. Samples outside the map are 0, as in mmcv.

    Args:
        in_channels: Channels C of the map.
        output_size: Number of bins: a side or (p_h, p_w).
        spatial_scale: Factor from px of the image to px of the map.
        sampling_ratio: Samples S a side of a bin.
        num_convs: Number of 3x3 convolutions.
        channels: Channels of each 3x3 convolution.

    Raises:
        ValueError: If an argument is out of its range.

    Source: He et al., "Mask R-CNN", 2017, section 3 (RoIAlign); Ma et al., "DownsizeNet" (coefficients from texture and
    distance). The combination is ours.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        output_size: int | tuple[int, int],
        spatial_scale: float = 1.0,
        sampling_ratio: int = 2,
        num_convs: int = 2,
        channels: int = 16,
    ) -> None:
        super().__init__()
        self.output_size = (output_size, output_size) if isinstance(output_size, int) else tuple(output_size)
        if len(self.output_size) != 2 or min(self.output_size) < 1:
            raise Refusal(f'output_size must be a side or (h, w) of at least 1, got {output_size!r}')
        if sampling_ratio < 1:
            raise Refusal(
                f'sampling_ratio must be at least 1, got {sampling_ratio}: with 0 RoIAlign takes as many samples as a bin '
                'has pixels, a number that differs from RoI to RoI; 2 is usual'
            )
        if min(in_channels, num_convs, channels) < 1:
            raise Refusal(
                f'in_channels, num_convs and channels must be at least 1, got {in_channels}, {num_convs} and {channels}'
            )
        self.in_channels = in_channels
        self.spatial_scale = float(spatial_scale)
        self.sampling_ratio = sampling_ratio
        self.texture = nn.ModuleList(
            nn.Conv2d(in_channels if i == 0 else channels, channels, 3, padding=1) for i in range(num_convs)
        )
        self.fusion = nn.Conv2d(channels + TAPS, TAPS + 1, 1)
        self.place = nn.Parameter(torch.empty(sampling_ratio * sampling_ratio))
        self.reset_parameters()

    def settings(self) -> dict[str, Any]:
        """Return what decides which pixels the weights weigh: a state dict holds it."""
        return {'spatial_scale': self.spatial_scale, 'sampling_ratio': self.sampling_ratio}

    def reset_parameters(self) -> None:
        """Set all parameters to their values before training."""
        for conv in self.texture:
            nn.init.kaiming_normal_(conv.weight, nonlinearity='relu')
            nn.init.zeros_(conv.bias)
        for parameter in (*self.fusion.parameters(), self.place):
            nn.init.zeros_(parameter)

    def forward(self, feats: Tensor, rois: Tensor) -> Tensor:
        """Return the RoIs' features.

        Args:
            feats: (B, C, H, W), floating point, any memory format.
            rois: (R, 5): index of the image, then x1, y1, x2, y2 in px of the image, x1 <= x2 and y1 <= y2. No
                gradient. R may be 0.

        Returns:
            (R, C, p_h, p_w), dtype of ``feats``. Differentiable in ``feats`` and the parameters, once.

        Raises:
            ValueError: If ``feats`` or ``rois`` have another shape.
        """
        if feats.ndim != 4 or feats.shape[1] != self.in_channels:
            raise Refusal(f'feats must be (B, {self.in_channels}, H, W), got {tuple(feats.shape)}')
        if rois.ndim != 2 or rois.shape[1] != 5:
            raise Refusal(f'rois must be (R, 5): image, x1, y1, x2, y2, got {tuple(rois.shape)}')
        device = feats.device.type
        autocast = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
        with torch.autocast(device, enabled=False):
            indices, weights = self._samples(feats, rois.detach(), autocast or self.fusion.weight.dtype)
            bins = weighted_gather(feats.to(weights.dtype), indices, weights)
        shape = (len(rois), *self.output_size, self.in_channels)
        return bins.view(shape).permute(0, 3, 1, 2).contiguous().to(feats.dtype)

    def _samples(self, feats: Tensor, rois: Tensor, texture_dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return the pixels of every bin and their weights, (R * p_h * p_w, S * S * 4) each, in row-major order."""
        dtype = torch.promote_types(torch.promote_types(feats.dtype, self.fusion.weight.dtype), torch.float32)
        height, width = feats.shape[2:]
        y, x = sample_positions(rois.to(dtype), self.output_size, self.spatial_scale, self.sampling_ratio)
        (rows, weights_y, there_y), (cols, weights_x, there_x) = taps_of(y, height), taps_of(x, width)
        first = rois[:, 0].long()[:, None, None] * (height * width)
        pixels = first[..., None, None] + (rows * width)[:, :, None, :, None] + cols[:, None, :, None, :]
        pixels = pixels.flatten(3)  # (R, y, x, 4), as all tensors below
        bilinear = (weights_y[:, :, None, :, None] * weights_x[:, None, :, None, :]).flatten(3)

        weight, bias = self.fusion.weight.flatten(1).to(dtype), self.fusion.bias.to(dtype)  # (5, channels + 4)
        by_texture = self._texture(feats, texture_dtype) @ weight[:, :-TAPS].T.to(texture_dtype)  # (B * H * W, 5)
        logits = by_texture.to(dtype)[pixels[..., 0]] + bilinear @ weight[:, -TAPS:].T + bias

        of_pixels = coefficients_of(*(_neighbors_first(t) for t in (logits[..., :TAPS], bilinear)), 'softmax')
        of_pixels = of_pixels[0].permute(1, 2, 0).view(pixels.shape)
        by_sample = _neighbors_first(self._by_bin(logits[..., TAPS:]) + self.place.to(dtype))
        of_samples = coefficients_of(by_sample, None, 'softmax')[0].permute(1, 2, 0)  # (R, bins, S * S)
        there = self._by_bin((there_y[:, :, None] & there_x[:, None, :])[..., None])
        weights = self._by_bin(of_pixels).unflatten(2, (of_samples.shape[2], TAPS)) * (of_samples * there)[..., None]
        return self._by_bin(pixels).flatten(0, 1), weights.flatten(2).flatten(0, 1)

    def _texture(self, feats: Tensor, dtype: torch.dtype) -> Tensor:
        """Return the features of every pixel, (B * H * W, channels)."""
        rows, cols = (torch.arange(side, device=feats.device) for side in feats.shape[2:])
        weights, biases = ([getattr(conv, name) for conv in self.texture] for name in ('weight', 'bias'))
        return texture_at(feats, weights, biases, rows, cols, dtype=dtype).permute(0, 2, 3, 1).flatten(0, 2)

    def _by_bin(self, values: Tensor) -> Tensor:
        """Group the values of samples (R, p_h * S, p_w * S, K) by bin: (R, p_h * p_w, S * S * K)."""
        (p_h, p_w), s = self.output_size, self.sampling_ratio
        count = values.shape[-1]
        bins = values.view(len(values), p_h, s, p_w, s, count).transpose(2, 3)
        return bins.reshape(len(values), p_h * p_w, s * s * count)

    def extra_repr(self) -> str:
        """Return the settings for ``repr``."""
        return f'output_size={self.output_size}, sampling_ratio={self.sampling_ratio}'


def _neighbors_first(values: Tensor) -> Tensor:
    """Turn (R, ..., K) into the layout of images, (1, K, R, the rest)."""
    return values.flatten(1, -2).permute(2, 0, 1)[None]
