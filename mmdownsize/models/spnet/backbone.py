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
    """mmseg's ResNetV1c with a strip pooling module in the last block of each stage and in all blocks of the last stage.

    The module follows the 3x3 convolution of a bottleneck, its norm and its ReLU, and gates their result. All other layers
    and the names of their parameters are those of mmseg's ResNetV1c, so its pretrained weights fit. These weights do not have
    the modules (``spm``), which start at random: He's normal for the convolutions, 1 and 0 for the norms.

    SPNet's backbone has stride 8: ``strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4)``. ``frozen_stages`` also freezes the modules
    of those stages, so it needs the weights of a trained SPNet.

    Args:
        depth: 50, 101 or 152.
        plugins: None. The strip pooling modules take the place of plugins.
        kwargs: Other arguments of mmseg's ResNetV1c.

    Raises:
        ValueError: If ``depth`` is another number, or ``plugins`` are given.

    Source: paper, section 3.3. What differs: the stem has mmseg's 32, 32 and 64 channels, so that mmseg's ImageNet weights
    fit. The authors' code has 64, 64 and 128.
    """

    def __init__(self, *, depth: int, plugins: None = None, **kwargs: Any) -> None:
        bottlenecks = [known for known, (block, _) in self.arch_settings.items() if block is Bottleneck]
        if depth not in bottlenecks:
            raise Refusal(f'depth must be one of {bottlenecks}, which have bottlenecks to gate, got {depth}')
        if plugins is not None:
            raise Refusal(f'SPResNetV1c has its own plugin, the strip pooling module; got plugins={plugins}')
        super().__init__(depth=depth, **kwargs)

    def make_res_layer(self, **kwargs: Any) -> ResLayer:
        """Build the next stage and gate its last block, or all blocks if it is the last stage. mmseg calls it once a stage."""
        stage = super().make_res_layer(**kwargs)
        is_last = len(self.res_layers) == self.num_stages - 1
        for block in stage if is_last else [stage[-1]]:
            self._gate(block)
        return stage

    def _gate(self, block: Bottleneck) -> None:
        # Sets what the argument ``plugins`` of a block sets. mmseg can only pass it to all blocks of a stage.
        block.spm = StripPoolingModule(block.planes, conv_cfg=self.conv_cfg, norm_cfg=self.norm_cfg)
        block.with_plugins = True
        block.after_conv1_plugin_names = []
        block.after_conv2_plugin_names = ['spm']
        block.after_conv3_plugin_names = []
