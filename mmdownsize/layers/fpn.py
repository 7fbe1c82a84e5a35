"""mmdet's feature pyramids with learned upsampling in the top-down path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from mmcv.cnn import build_upsample_layer
from mmdet.models.necks import FPN, PAFPN
from mmengine.model import ModuleList
from torch import Tensor

from mmdownsize.refusal import Refusal
from mmdownsize.registry import MODELS

UPSAMPLE = dict(type='mmdownsize.TextureUpsample', start='nearest')


class TextureTopDown:
    """What the pyramids share: mmdet's call ``F.interpolate`` themselves, so their steps are taken here one by one.

    A mixin in front of the pyramid, with its arguments and its parameters besides those of the new layers, so that its
    checkpoints load.

    Args:
        args: The pyramid's.
        upsample_cfg: Config of the layer that upsamples, one a step of the top-down path; called as ``layer(coarse, (h,
            w))``. The default starts as the pyramid's own nearest neighbour.
        kwargs: The pyramid's.

    Raises:
        ValueError: If the layer's config says a size: a map is upsampled to the size of the next finer one.
    """

    def __init__(self, *args: Any, upsample_cfg: dict[str, Any] = UPSAMPLE, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ('scale_factor', 'size'):
            if name in upsample_cfg:
                raise Refusal(
                    f'upsample_cfg has {name}={upsample_cfg[name]!r}, but a map is upsampled to the size of the next '
                    'finer one: leave it out'
                )
        steps = len(self.lateral_convs) - 1
        self.upsamplers = ModuleList(
            build_upsample_layer(dict(upsample_cfg), in_channels=self.out_channels) for _ in range(steps)
        )

    def _merged(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """Return the lateral maps, from the finest, each with what the coarser ones have to say added to it."""
        if len(inputs) != self.num_ins:
            raise Refusal(f'{self.num_ins} maps are needed, one an entry of in_channels, got {len(inputs)}')
        merged = [lateral(inputs[self.start_level + i]) for i, lateral in enumerate(self.lateral_convs)]
        for fine in reversed(range(len(self.upsamplers))):
            coarse = self.upsamplers[fine](merged[fine + 1], merged[fine].shape[-2:])
            merged[fine] = merged[fine] + coarse
        return merged

    def _extended(self, outs: list[Tensor], inputs: Sequence[Tensor], merged: list[Tensor]) -> tuple[Tensor, ...]:
        """Return the maps and the coarser ones, as many as ``num_outs`` asks for, that are made of them."""
        outs = list(outs)
        convs = self.fpn_convs[len(merged) :]  # none where extra levels are pooled
        while len(outs) < self.num_outs:
            extra = len(outs) - len(merged)
            if not self.add_extra_convs:
                outs.append(F.max_pool2d(outs[-1], 1, stride=2))
            elif extra == 0:
                sources = {
                    'on_input': inputs[self.backbone_end_level - 1],
                    'on_lateral': merged[-1],
                    'on_output': outs[-1],
                }
                outs.append(convs[0](sources[self.add_extra_convs]))
            else:
                outs.append(convs[extra](F.relu(outs[-1]) if self.relu_before_extra_convs else outs[-1]))
        return tuple(outs)


@MODELS.register_module()
class TextureFPN(TextureTopDown, FPN):
    """mmdet's ``FPN`` with learned upsampling: see :class:`TextureTopDown`."""

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return the pyramid, (N, ``out_channels``, h, w) a level from the finest, of the backbone's maps."""
        merged = self._merged(inputs)
        outs = [conv(level) for conv, level in zip(self.fpn_convs, merged)]
        return self._extended(outs, inputs, merged)


@MODELS.register_module()
class TexturePAFPN(TextureTopDown, PAFPN):
    """mmdet's ``PAFPN`` with learned upsampling: see :class:`TextureTopDown`. The way up again stays convolutions."""

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return the pyramid, (N, ``out_channels``, h, w) a level from the finest, of the backbone's maps."""
        merged = self._merged(inputs)
        levels = [conv(level) for conv, level in zip(self.fpn_convs, merged)]
        for i, down in enumerate(self.downsample_convs):
            levels[i + 1] = levels[i + 1] + down(levels[i])
        outs = [levels[0], *(conv(level) for conv, level in zip(self.pafpn_convs, levels[1:]))]
        return self._extended(outs, inputs, merged)
