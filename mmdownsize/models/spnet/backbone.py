"""SPNet's backbone: mmseg's ResNetV1c with strip pooling modules in some of its blocks."""

from __future__ import annotations

from typing import Any

from mmseg.models.backbones import ResNetV1c
from mmseg.models.backbones.resnet import Bottleneck
from mmseg.models.utils import ResLayer

from mmdownsize.models.spnet.strip_pooling import StripPoolingModule
from mmdownsize.refusal import Refusal
from mmdownsize.registry import MODELS


@MODELS.register_module()
class SPResNetV1c(ResNetV1c):
    """Gate the last block of each stage, and all blocks of the last stage, by a strip pooling module.

    The module stands behind the 3x3 convolution of a bottleneck, its norm and its ReLU, and keeps that channel count.
    Everything else, the names of parameters included, is mmseg's ResNetV1c, whose pretrained weights fit; they lack the
    modules (``spm``), which start as they are built: He's normal for the convolutions, 1 and 0 for the norms.

    SPNet has it dilated to stride 8, ``strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4)``. ``frozen_stages`` freezes the
    modules of those stages too, so that it makes sense only with weights of an SPNet.

    Args:
        depth: 50, 101 or 152.
        kwargs: All others of mmseg's ResNetV1c, but ``plugins``.

    Raises:
        ValueError: If ``depth`` is another, or ``plugins`` are given.

    Source: paper, section 3.3. Where we differ: the stem has mmseg's 32, 32 and 64 channels, not the 64, 64 and 128 of
    the authors' code, so that mmseg's ImageNet weights fit.
    """

    def __init__(self, *, depth: int, plugins: None = None, **kwargs: Any) -> None:
        bottlenecks = [known for known, (block, _) in self.arch_settings.items() if block is Bottleneck]
        if depth not in bottlenecks:
            raise Refusal(f'depth must be one of {bottlenecks}, which have bottlenecks to gate, got {depth}')
        if plugins is not None:
            raise Refusal(f'SPResNetV1c has its own plugin, the strip pooling module; got plugins={plugins}')
        super().__init__(depth=depth, **kwargs)

    def make_res_layer(self, **kwargs: Any) -> ResLayer:
        """Build a stage, called once a stage in order, and gate its last block, or all of the last stage."""
        stage = super().make_res_layer(**kwargs)
        is_last = len(self.res_layers) == self.num_stages - 1
        for block in stage if is_last else [stage[-1]]:
            self._gate(block)
        return stage

    def _gate(self, block: Bottleneck) -> None:
        # What the block's own argument ``plugins`` does; mmseg passes that one to all blocks of a stage alike.
        block.spm = StripPoolingModule(block.planes, conv_cfg=self.conv_cfg, norm_cfg=self.norm_cfg)
        block.with_plugins = True
        block.after_conv1_plugin_names = []
        block.after_conv2_plugin_names = ['spm']
        block.after_conv3_plugin_names = []
