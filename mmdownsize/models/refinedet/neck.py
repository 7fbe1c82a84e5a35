"""RefineDet's neck: the maps for the anchor refinement module (ARM) and those for the object detection module (ODM)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmcv.cnn import ConvModule
from mmdet.models.necks.ssd_neck import L2Norm
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmdownsize.refusal import Refusal
from mmdownsize.registry import MODELS

XAVIER = dict(type='Xavier', layer=['Conv2d', 'ConvTranspose2d'], distribution='uniform', bias=0)


class TransferConnectionBlock(nn.Module):
    """Turn a map for the ARM into one for the ODM, with context from the next coarser level.

    ::

        P = ReLU(conv(ReLU(conv(ReLU(conv(source))) + deconv(coarser P))))        every conv 3x3, the deconv 2x2 / 2

    The coarsest level adds nothing. The deconvolution makes 2h x 2w pixels of h x w. If the finer map has an odd side, one row
    or column is too many: the last one is cut off, so that pixels stay aligned. The authors' image sizes are multiples of
    64 px, for which this does not happen.

    Args:
        in_channels: Channels of the source.
        channels: Channels of the result and of all layers between.
        coarsest: Whether this is the coarsest level.

    Source: the paper, section 3.1 and figure 2. The figure has a 4x4 deconvolution. We follow the authors' code, which has 2x2
    with stride 2.
    """

    def __init__(self, in_channels: int, channels: int, *, coarsest: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, kernel_size=3, padding=1)
        self.deconv = None if coarsest else nn.ConvTranspose2d(channels, channels, kernel_size=2, stride=2)
        self.conv3 = nn.Conv2d(channels, channels, kernel_size=3, padding=1)

    def forward(self, source: Tensor, coarser: Tensor | None = None) -> Tensor:
        """Return (N, channels, h, w) for a source (N, in_channels, h, w) and the result of the next coarser level.

        Args:
            source: The map for the ARM, (N, in_channels, h, w).
            coarser: (N, channels, ceil(h / 2), ceil(w / 2)). None only for the coarsest level.

        Raises:
            ValueError: If ``coarser`` is not half as large as ``source``.
        """
        x = self.conv2(torch.relu(self.conv1(source)))
        if self.deconv is not None:
            hw = tuple(x.shape[-2:])
            half_hw = tuple(-(-side // 2) for side in hw)
            if tuple(coarser.shape[-2:]) != half_hw:
                raise Refusal(
                    f'each level must have half as many pixels as the one before, rounded up: (h, w) = {half_hw} after '
                    f'{hw}, got {tuple(coarser.shape[-2:])}; choose maps of the backbone whose strides double'
                )
            x = x + self.deconv(coarser)[..., : hw[0], : hw[1]]
        return torch.relu(self.conv3(torch.relu(x)))


@MODELS.register_module()
class RefineDetNeck(BaseModule):
    """Make the maps for the ARM from those of the backbone, and the maps for the ODM from those for the ARM.

    The first maps have larger features than later layers. They are normalised to a learned norm for each channel. Each extra
    level has half the size of the level before it; it is made by conv6_1 (1x1, to half the channels) and conv6_2 (3x3,
    stride 2). A chain of :class:`TransferConnectionBlock` then goes from the coarsest level to the finest.

    Args:
        in_channels: Channels of the backbone's maps, from fine to coarse. Strides double from one map to the next.
        extra_channels: Channels of each extra level.
        l2_norm_scales: Initial norm of each of the backbone's maps, above 0; None for a map that is not normalised. In the
            paper: 10 for conv4_3 and 8 for conv5_3 of VGG16, none for ResNet-101.
        out_channels: Channels of the maps for the ODM.
        init_cfg: Initialisation, as in mmengine. Default: Xavier, as the authors do.

    Raises:
        ValueError: If ``in_channels`` is empty, ``l2_norm_scales`` has another length or a scale that is not above 0, or
            an extra level has an odd number of channels.

    Source: the paper, sections 3.1 and 3.4; the authors' ``AddExtraLayers``.
    """

    def __init__(
        self,
        *,
        in_channels: Sequence[int] = (512, 512, 1024),
        extra_channels: Sequence[int] = (512,),
        l2_norm_scales: Sequence[float | None] = (10.0, 8.0, None),
        out_channels: int = 256,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = XAVIER,
    ) -> None:
        if not in_channels:
            raise Refusal('in_channels must name the channels of at least one map of the backbone, got none')
        if len(l2_norm_scales) != len(in_channels):
            raise Refusal(
                f'l2_norm_scales has {len(l2_norm_scales)} entries for {len(in_channels)} maps of {tuple(in_channels)} '
                'channels: give one each, None for a map that is not normalised'
            )
        if any(scale is not None and scale <= 0 for scale in l2_norm_scales):
            raise Refusal(f'l2_norm_scales must be above 0, or None, got {tuple(l2_norm_scales)}')
        if any(channels % 2 for channels in extra_channels):
            raise Refusal(f'extra_channels must be even, their first layer has half of them, got {extra_channels}')
        super().__init__(init_cfg=init_cfg)
        self.in_channels = tuple(in_channels)
        self.source_channels = (*in_channels, *extra_channels)

        self.l2_norms = nn.ModuleList(
            nn.Identity() if scale is None else _l2_norm(channels, scale)
            for channels, scale in zip(in_channels, l2_norm_scales)
        )
        self.extra_layers = nn.ModuleList(
            nn.Sequential(
                ConvModule(before, channels // 2, 1), ConvModule(channels // 2, channels, 3, stride=2, padding=1)
            )
            for before, channels in zip(self.source_channels[len(in_channels) - 1 :], extra_channels)
        )
        coarsest = len(self.source_channels) - 1
        self.transfer_connections = nn.ModuleList(
            TransferConnectionBlock(channels, out_channels, coarsest=level == coarsest)
            for level, channels in enumerate(self.source_channels)
        )

    def forward(self, inputs: Sequence[Tensor]) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Return the maps for the ARM and those for the ODM.

        Args:
            inputs: The backbone's maps (N, ``in_channels[i]``, h_i, w_i), from fine to coarse. Each has half the size of the
                one before, rounded up.

        Returns:
            The maps for the ARM (N, ``source_channels[i]``, h_i, w_i) and those for the ODM (N, ``out_channels``, h_i, w_i),
            both from fine to coarse.

        Raises:
            ValueError: If the number of inputs differs from that of ``in_channels``, or their sizes do not halve.
        """
        if len(inputs) != len(self.in_channels):
            raise Refusal(
                f'{len(self.in_channels)} maps of {self.in_channels} channels are expected of the backbone, got '
                f'{len(inputs)} of {tuple(x.shape[1] for x in inputs)}: set its out_indices or in_channels of the neck'
            )
        outer = inputs[-1]  # conv6_1 reads fc7 before any normalisation
        sources = [norm(x) for norm, x in zip(self.l2_norms, inputs)]
        for layer in self.extra_layers:
            outer = layer(outer)
            sources.append(outer)
        transferred: list[Tensor] = []
        for block, source in zip(reversed(self.transfer_connections), reversed(sources)):
            transferred.append(block(source, transferred[-1] if transferred else None))
        return tuple(sources), tuple(reversed(transferred))


def _l2_norm(channels: int, scale: float) -> L2Norm:
    norm = L2Norm(channels, scale)
    nn.init.constant_(norm.weight, scale)  # mmdet leaves the weight uninitialised until an init_cfg sets it
    return norm
