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
    """Mixin that gives a pyramid of mmdet learned upsampling in its top-down path.

    mmdet's ``forward`` calls ``F.interpolate``, so the mixin repeats its steps with a layer instead. The pyramid keeps its
    arguments and the names of its parameters, so its checkpoints load.

    Args:
        args: Arguments of the pyramid.
        upsample_cfg: Config of the layer that upsamples. There is one layer for each step of the top-down path, called as
            ``layer(coarse, (h, w))``. With the default it starts as the nearest neighbour interpolation of the pyramid.
        kwargs: Arguments of the pyramid.

    Raises:
        ValueError: If ``upsample_cfg`` has a size: a map is upsampled to the size of the next finer one.
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
        """Return the lateral maps, the finest first, each with the upsampled coarser maps added."""
        if len(inputs) != self.num_ins:
            raise Refusal(f'{self.num_ins} maps are needed, one an entry of in_channels, got {len(inputs)}')
        merged = [lateral(inputs[self.start_level + i]) for i, lateral in enumerate(self.lateral_convs)]
        for fine in reversed(range(len(self.upsamplers))):
            coarse = self.upsamplers[fine](merged[fine + 1], merged[fine].shape[-2:])
            merged[fine] = merged[fine] + coarse
        return merged

    def _extended(self, outs: list[Tensor], inputs: Sequence[Tensor], merged: list[Tensor]) -> tuple[Tensor, ...]:
        """Return the maps and the extra coarser ones, ``num_outs`` maps in all."""
        outs = list(outs)
        convs = self.fpn_convs[len(merged) :]  # empty if extra levels are pooled
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
        """Return the pyramid of the backbone's maps: (N, ``out_channels``, h, w) for each level, the finest first."""
        merged = self._merged(inputs)
        outs = [conv(level) for conv, level in zip(self.fpn_convs, merged)]
        return self._extended(outs, inputs, merged)


@MODELS.register_module()
class TexturePAFPN(TextureTopDown, PAFPN):
    """mmdet's ``PAFPN`` with learned upsampling: see :class:`TextureTopDown`. The bottom-up path keeps its convolutions."""

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return the pyramid of the backbone's maps: (N, ``out_channels``, h, w) for each level, the finest first."""
        merged = self._merged(inputs)
        levels = [conv(level) for conv, level in zip(self.fpn_convs, merged)]
        for i, down in enumerate(self.downsample_convs):
            levels[i + 1] = levels[i + 1] + down(levels[i])
        outs = [levels[0], *(conv(level) for conv, level in zip(self.pafpn_convs, levels[1:]))]
        return self._extended(outs, inputs, merged)
