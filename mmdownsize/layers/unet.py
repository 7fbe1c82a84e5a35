"""mmseg's U-Net with learned upsampling in its decoder."""

from __future__ import annotations

from typing import Any

from mmcv.cnn import build_upsample_layer
from mmseg.models.backbones.unet import InterpConv

from mmdownsize.registry import MODELS


@MODELS.register_module()
class TextureInterpConv(InterpConv):
    """mmseg's ``InterpConv`` with learned upsampling: ``upsample_cfg=dict(type='mmdownsize.TextureInterpConv')`` of a UNet.

    Parameters have the same names as in ``InterpConv``, so its checkpoints load. It starts as bilinear upsampling, as
    ``InterpConv`` does.

    Args:
        in_channels: Channels of the coarse map.
        out_channels: Channels of the result.
        conv_first: Whether the convolution comes before upsampling.
        upsample_cfg: Config of the layer that upsamples.
        kwargs: Other arguments of ``InterpConv``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        conv_first: bool = False,
        upsample_cfg: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(in_channels, out_channels, conv_first=conv_first, **kwargs)
        cfg = {'type': 'mmdownsize.TextureUpsample', 'scale_factor': 2, **(upsample_cfg or {})}
        channels = out_channels if conv_first else in_channels
        self.interp_upsample[int(conv_first)] = build_upsample_layer(cfg, in_channels=channels)
