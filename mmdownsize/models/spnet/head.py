"""SPNet's decode head: mixed pooling modules on the last map of the backbone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmcv.cnn import ConvModule
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from mmdownsize.models.spnet.mixed_pooling import MixedPoolingModule
from mmdownsize.refusal import Refusal
from mmdownsize.registry import MODELS


@MODELS.register_module()
class SPHead(BaseDecodeHead):
    """Reduce the channels, apply ``num_mpms`` mixed pooling modules, classify every pixel.

    A 1x1 convolution (2048 to 1024 channels), two :class:`MixedPoolingModule` and a 3x3 convolution (to ``channels``, 512),
    each with norm and ReLU, then the dropout and the 1x1 classifier of every mmseg head. Losses and predictions are mmseg's.

    Args:
        mpm_channels: Channels of the mixed pooling modules, a multiple of 4.
        num_mpms: Number of mixed pooling modules, at least 1.
        pool_sizes: Bins a side of their pyramids. The map must have at least as many px a side. At stride 8, 20 bins need an
            image of 153 px.
        kwargs: Other arguments of mmseg's ``BaseDecodeHead``, except ``act_cfg``: SPNet always has ReLUs. ``align_corners``
            also holds for the pyramids.

    Raises:
        ValueError: If ``mpm_channels``, ``num_mpms`` or ``pool_sizes`` are out of their ranges, ``act_cfg`` is given, or
            several maps are selected (``input_transform='multiple_select'``).

    Source: paper, section 3.3, and the authors' code, which interpolates with ``align_corners=True``. mmseg has one such
    argument for all its interpolation, also for the prediction, where corners must not be aligned.
    """

    def __init__(
        self, *, mpm_channels: int = 1024, num_mpms: int = 2, pool_sizes: Sequence[int] = (20, 12), **kwargs: Any
    ) -> None:
        if num_mpms < 1:
            raise Refusal(f'num_mpms must be 1 or more, got {num_mpms}')
        if 'act_cfg' in kwargs:
            raise Refusal(f'SPHead has ReLUs and no other activation, got act_cfg={kwargs["act_cfg"]}')
        if kwargs.get('input_transform') == 'multiple_select':
            raise Refusal("SPHead reads one map: give input_transform None or 'resize_concat', not 'multiple_select'")
        super().__init__(**kwargs)
        cfg = dict(conv_cfg=self.conv_cfg, norm_cfg=self.norm_cfg)
        self.reduce = ConvModule(self.in_channels, mpm_channels, 1, **cfg)
        self.mpms = nn.Sequential(
            *(
                MixedPoolingModule(mpm_channels, pool_sizes=pool_sizes, align_corners=self.align_corners, **cfg)
                for _ in range(num_mpms)
            )
        )
        self.bottleneck = ConvModule(mpm_channels, self.channels, 3, padding=1, **cfg)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Return logits (N, classes, H, W).

        Args:
            inputs: Maps of the backbone. The map at ``in_index`` is (N, ``in_channels``, H, W).

        Raises:
            ValueError: If that map is smaller than the largest of ``pool_sizes``.
        """
        x = self.reduce(self._transform_inputs(inputs))
        return self.cls_seg(self.bottleneck(self.mpms(x)))
