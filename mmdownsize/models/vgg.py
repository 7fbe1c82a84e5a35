"""VGG as an OpenMMLab backbone, with optional dilation for denser maps."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from mmcv.cnn import VGG as MMCVVGG
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmdownsize.refusal import Refusal
from mmdownsize.registry import MODELS

STAGE_CHANNELS = (64, 128, 256, 512, 512)


@MODELS.register_module()
class VGG(MMCVVGG, BaseModule):
    """Return the last map of VGG's convolution stages: conv1_2, conv2_2, conv3_3, conv4_3 and conv5_3 of VGG16.

    The layers and their names (``features.0.weight``) are those of ``mmcv.cnn.VGG``, so the standard weights fit:
    ``init_cfg=dict(type='Pretrained', checkpoint='open-mmlab://vgg16_caffe')``. They expect RGB images with
    ``mean=[123.675, 116.28, 103.53], std=[1, 1, 1]``. mmcv's ``forward`` returns each map after the pooling of its stage.
    Detectors and segmentors read it before the pooling, and so does this class. Stages after the last map in
    ``out_indices`` are not built.

    Source: Simonyan & Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2015, table 1.
    Dense pooling: Chen et al., "DeepLab", 2016, section 3.1 (atrous convolution).

    Args:
        depth: 11, 13, 16 or 19.
        with_bn: Whether each convolution is followed by a batch norm.
        out_indices: Stages whose last map is returned, 0 to 4, ascending.
        strides: Stride of the pooling *before* each of the 5 stages, 2 or 1. The first is 1: that stage has no pooling before
            it. A stride of 1 keeps the resolution: there is a maximum for every pixel.
        dilations: Dilation of the convolutions of each of the 5 stages. With ``strides=(1, 2, 2, 2, 1)`` and
            ``dilations=(1, 1, 1, 1, 2)``, conv5_3 has stride 8. Every second pixel of it is what the strided network computes.
        ceil_mode: Whether a strided pooling keeps a last odd row or column instead of dropping it.
        frozen_stages: Stages 0 to this one are frozen (no gradient, batch norm in eval mode). -1: no stage.
        norm_eval: Keep every batch norm in eval mode while training.
        init_cfg: Initialisation. Default: Kaiming for convolutions, 1 for batch norms.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self,
        *,
        depth: int = 16,
        with_bn: bool = False,
        out_indices: Sequence[int] = (4,),
        strides: Sequence[int] = (1, 2, 2, 2, 2),
        dilations: Sequence[int] = (1, 1, 1, 1, 1),
        ceil_mode: bool = False,
        frozen_stages: int = -1,
        norm_eval: bool = False,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> None:
        stages = len(STAGE_CHANNELS)
        if depth not in self.arch_settings:
            raise Refusal(f'depth must be one of {sorted(self.arch_settings)}, got {depth}')
        if not out_indices or list(out_indices) != sorted({i for i in out_indices if i in range(stages)}):
            raise Refusal(f'out_indices must be ascending stages among 0 to {stages - 1}, got {out_indices}')
        if len(strides) != stages or strides[0] != 1 or not set(strides) <= {1, 2}:
            raise Refusal(f'strides must be {stages}, one a stage, each 1 or 2 and the first 1, got {strides}')
        if len(dilations) != stages or min(dilations) < 1:
            raise Refusal(f'dilations must be {stages}, one a stage, each at least 1, got {dilations}')
        if frozen_stages not in range(-1, stages):
            raise Refusal(f'frozen_stages must be -1 (none) to {stages - 1} (all), got {frozen_stages}')
        used = out_indices[-1] + 1
        super().__init__(
            depth,
            with_bn=with_bn,
            num_stages=used,
            dilations=tuple(dilations[:used]),
            out_indices=tuple(out_indices),
            bn_eval=False,  # this class does it, and frozen_stages, which is a number of stages in mmcv
            ceil_mode=ceil_mode,
            with_last_pool=False,
        )
        self.init_cfg = init_cfg or [
            dict(type='Kaiming', layer='Conv2d'),
            dict(type='Constant', val=1, layer='BatchNorm2d'),
        ]
        self.out_channels = tuple(STAGE_CHANNELS[i] for i in out_indices)
        self.frozen_stages = min(frozen_stages, used - 1)
        self.norm_eval = norm_eval
        self._min_side = 1 if ceil_mode else prod(strides[:used])
        for stage in range(1, used):
            if strides[stage] == 1:
                self.features[self._pool_before(stage)] = _dense_pool(dilations[stage - 1])
        self._freeze()

    def init_weights(self) -> None:
        """Initialise by ``init_cfg``."""
        BaseModule.init_weights(self)  # mmcv's VGG has another way to load weights

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the maps of ``out_indices``, each before the pooling of its stage.

        Args:
            images: (N, 3, H, W), normalised.

        Returns:
            For each stage i of ``out_indices``, (N, ``STAGE_CHANNELS[i]``, H / s, W / s), where s is the product of
            ``strides`` up to i. Each halving rounds down, or up with ``ceil_mode``.

        Raises:
            ValueError: If the images are so small that the last map has no pixel.
        """
        if min(images.shape[-2:]) < self._min_side:
            raise Refusal(
                f'images must be at least {self._min_side} x {self._min_side} px for out_indices={self.out_indices}, '
                f'got {tuple(images.shape[-2:])} (h, w)'
            )
        x = images
        maps = []
        for stage, (start, end) in enumerate(self.range_sub_modules):
            if stage > 0:
                x = self.features[self._pool_before(stage)](x)
            last = stage == len(self.range_sub_modules) - 1
            for index in range(start, end if last else end - 1):
                x = self.features[index](x)
            if stage in self.out_indices:
                maps.append(x)
        return tuple(maps)

    def train(self, mode: bool = True) -> VGG:
        """Set training mode, except for frozen stages and, with ``norm_eval``, batch norms."""
        BaseModule.train(self, mode)  # mmcv's train returns None
        self._freeze()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def _pool_before(self, stage: int) -> int:
        """Return the index of the pooling layer before a stage. mmcv counts this layer to the previous stage."""
        return self.range_sub_modules[stage - 1][1] - 1

    def _freeze(self) -> None:
        for start, end in self.range_sub_modules[: self.frozen_stages + 1]:
            for index in range(start, end):
                self.features[index].eval().requires_grad_(False)


def _dense_pool(dilation: int) -> nn.Sequential:
    """Return a 2 x 2 max pooling of stride 1, with the dilation of the convolutions before it.

    It pads with zeros on the right and below. They are never larger than a pixel, because pooling follows a ReLU.
    """
    return nn.Sequential(nn.ZeroPad2d((0, dilation, 0, dilation)), nn.MaxPool2d(2, stride=1, dilation=dilation))
