"""Position-sensitive RoI align: each bin (i, j) of a RoI has its own channels of the map."""

from __future__ import annotations

from typing import Any

import torch
from mmcv.ops import roi_align
from mmdet.models.roi_heads.roi_extractors import BaseRoIExtractor
from torch import Tensor, nn

from mmdownsize.refusal import Refusal
from mmdownsize.registry import MODELS


def ps_roi_align(
    feats: Tensor, rois: Tensor, output_size: int, *, spatial_scale: float = 1.0, sampling_ratio: int = 2
) -> Tensor:
    """Divide each RoI into p x p bins and average the channels of each bin over evenly spaced bilinear samples.

    Channels are in R-FCN's order, class-major: output channel c at bin (i, j), row i from the top and column j from the
    left, reads input channel (c * p + i) * p + j. Samples are those of mmcv's ``RoIAlign`` with ``aligned=True``:
    ``sampling_ratio`` x ``sampling_ratio`` a bin, each in the middle of its part of the bin, pixel centres at + 1/2.

    It calls mmcv's ``roi_align``: each bin is a RoI with a single bin, and the p * p groups of channels are a batch. This
    computes N * C * p * p values. To compute all channels of all bins and then choose would take p * p times as many.

    Args:
        feats: (B, C * p * p, H, W).
        rois: (N, 5): index of the image, then x1, y1, x2, y2 in px of the image, x1 <= x2 and y1 <= y2. No gradient.
        output_size: p, the number of bins a side.
        spatial_scale: Factor from px of the image to px of ``feats``.
        sampling_ratio: Samples a side of a bin.

    Returns:
        (N, C, p, p), dtype of ``feats``, differentiable with respect to ``feats``, also for N = 0. Half-precision maps are
        converted to float32 first: 16 bits are too few for the position of a box in the image.

    Raises:
        ValueError: If ``feats`` or ``rois`` have another shape, or the number of channels is not a multiple of p * p.

    Source: Dai et al., "R-FCN", 2016, section 3 (position-sensitive RoI pooling); He et al., "Mask R-CNN", 2017, section
    3 (RoIAlign). Li et al., "Light-Head R-CNN", 2017, section 4, combine both. The authors' published code takes the largest
    sample of a bin and has pixel centres at whole numbers; this function takes the mean, as RoIAlign does.
    """
    bins = output_size * output_size
    if feats.ndim != 4 or feats.shape[1] % bins:
        raise Refusal(
            f'feats must be (B, C * {output_size} * {output_size}, H, W), with channels a multiple of {bins}, '
            f'got {tuple(feats.shape)}'
        )
    if rois.ndim != 2 or rois.shape[1] != 5:
        raise Refusal(f'rois must be (N, 5): image, x1, y1, x2, y2, got {tuple(rois.shape)}')
    batch, height, width = feats.shape[0], *feats.shape[-2:]
    channels = feats.shape[1] // bins
    if len(rois) == 0:  # kernels cannot run on nothing; distributed training needs the whole graph
        return feats.new_zeros(0, channels, output_size, output_size) + feats.sum() * 0

    dtype = feats.dtype if feats.dtype == torch.float64 else torch.float32
    groups = feats.to(dtype).view(batch, channels, bins, height, width).transpose(1, 2)
    groups = groups.reshape(batch * bins, channels, height, width).contiguous()  # mmcv's kernels need contiguous memory
    pooled = roi_align(
        groups, _rois_of_bins(rois.to(dtype), output_size), 1, spatial_scale, sampling_ratio, 'avg', True
    )
    pooled = pooled.view(len(rois), bins, channels).transpose(1, 2)  # (N, C, p * p)
    return pooled.reshape(len(rois), channels, output_size, output_size).to(feats.dtype)


def _rois_of_bins(rois: Tensor, output_size: int) -> Tensor:
    """Return every bin of every RoI as a RoI (N * p * p, 5), for the channel groups as a batch. Rows come before columns."""
    edges = torch.linspace(0, 1, output_size + 1, dtype=rois.dtype, device=rois.device)
    top_left, extent = rois[:, None, 1:3], (rois[:, 3:5] - rois[:, 1:3])[:, None]
    x, y = (top_left + extent * edges[:, None]).unbind(-1)  # (N, p + 1) each
    shape = (len(rois), output_size, output_size)
    x1, x2 = (side[:, None, :].expand(shape) for side in (x[:, :-1], x[:, 1:]))
    y1, y2 = (side[:, :, None].expand(shape) for side in (y[:, :-1], y[:, 1:]))
    bins = torch.arange(output_size * output_size, device=rois.device).view(1, output_size, output_size)
    images = rois[:, 0, None, None] * output_size * output_size + bins
    return torch.stack((images, x1, y1, x2, y2), dim=-1).flatten(0, 2)


class PSRoIAlign(nn.Module):
    """:func:`ps_roi_align` as a layer."""

    def __init__(self, output_size: int, spatial_scale: float, sampling_ratio: int) -> None:
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale
        self.sampling_ratio = sampling_ratio

    def forward(self, feats: Tensor, rois: Tensor) -> Tensor:
        """Return (N, C, p, p) for feats (B, C * p * p, H, W) and RoIs (N, 5)."""
        return ps_roi_align(
            feats, rois, self.output_size, spatial_scale=self.spatial_scale, sampling_ratio=self.sampling_ratio
        )


@MODELS.register_module()
class PSRoIAlignExtractor(BaseRoIExtractor):
    """RoI extractor for one map, with :func:`ps_roi_align`.

    Source: Li et al., "Light-Head R-CNN", 2017, sections 3.1 and 4. The paper does not say how many samples a bin
    has; the authors' code takes 2 x 2.

    Args:
        in_channels: Channels of the map, C * p * p.
        output_size: p, the number of bins a side.
        featmap_stride: Stride of the map in px of the image.
        sampling_ratio: Samples a side of a bin.
        init_cfg: Initialisation, as in mmengine; the extractor has no weights.

    Raises:
        ValueError: If ``in_channels`` is not a multiple of p * p, or another argument is out of its range.
    """

    def __init__(
        self,
        *,
        in_channels: int = 490,
        output_size: int = 7,
        featmap_stride: int = 16,
        sampling_ratio: int = 2,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> None:
        if output_size < 1:
            raise Refusal(f'output_size must be at least 1, got {output_size}')
        bins = output_size * output_size
        if in_channels < 1 or in_channels % bins:
            fits = max(in_channels // bins, 1) * bins
            raise Refusal(
                f'in_channels must be a multiple of output_size * output_size = {output_size} * {output_size} = {bins}, '
                f'one group of channels a bin, got {in_channels}: take {fits} or {fits + bins}'
            )
        if featmap_stride <= 0:
            raise Refusal(f'featmap_stride must be above 0, got {featmap_stride}')
        if sampling_ratio < 1:
            # With 0 RoIAlign derives the number of samples from the size of a bin, and rounding changes that number.
            raise Refusal(f'sampling_ratio must be at least 1, got {sampling_ratio}')
        super().__init__(
            roi_layer=dict(type=PSRoIAlign, output_size=output_size, sampling_ratio=sampling_ratio),
            out_channels=in_channels // bins,
            featmap_strides=[featmap_stride],
            init_cfg=init_cfg,
        )
        self.in_channels = in_channels
        self.output_size = output_size

    def forward(self, feats: tuple[Tensor, ...], rois: Tensor, roi_scale_factor: float | None = None) -> Tensor:
        """Return the RoIs' features.

        Args:
            feats: One map (B, C * p * p, H, W).
            rois: (N, 5): index of the image, then x1, y1, x2, y2 in px of the image.
            roi_scale_factor: Factor that each RoI is enlarged by around its centre. None: not enlarged.

        Returns:
            (N, C, p, p), bin (i, j) at row i from the top and column j from the left.
        """
        if roi_scale_factor is not None:
            rois = self.roi_rescale(rois, roi_scale_factor)
        return self.roi_layers[0](feats[0], rois)
