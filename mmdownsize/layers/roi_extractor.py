"""mmdet's RoI extractor with learned weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from torch import Tensor

from mmdownsize.layers.roi_align import TextureRoIAlign
from mmdownsize.refusal import Refusal
from mmdownsize.registry import MODELS

FIXED = {'type': 'RoIAlign', 'aligned': True, 'pool_mode': 'avg', 'use_torchvision': False}


@MODELS.register_module()
class TextureRoIExtractor(SingleRoIExtractor):
    """mmdet's ``SingleRoIExtractor`` with :class:`~mmdownsize.layers.roi_align.TextureRoIAlign` on every map.

    It takes the config of the extractor that it replaces. Only ``sampling_ratio``, which is 0 in mmdet's configs, must be at
    least 1. Before training its features are those of the replaced extractor with that ``sampling_ratio``, up to rounding.

    Args:
        roi_layer: Config of an ``RoIAlign`` with ``aligned=True``.
        out_channels: Channels of the maps.
        featmap_strides: Strides of the maps in px of the image.
        num_convs: Number of 3x3 convolutions that read the texture.
        channels: Channels of each 3x3 convolution.
        kwargs: Other arguments of ``SingleRoIExtractor``.

    Raises:
        ValueError: If ``roi_layer`` is another pooling, or its number of samples is not fixed.
    """

    def __init__(
        self,
        roi_layer: dict[str, Any],
        out_channels: int,
        featmap_strides: Sequence[int],
        *,
        num_convs: int = 2,
        channels: int = 16,
        **kwargs: Any,
    ) -> None:
        asked = dict(roi_layer)
        for name, value in FIXED.items():
            if asked.pop(name, value if name != 'type' else None) != value:
                raise Refusal(
                    f'roi_layer must be an RoIAlign with {name}={value!r}: only that can have learned weights, got {roi_layer!r}'
                )
        if asked.get('sampling_ratio', 0) < 1:
            raise Refusal(
                f'roi_layer needs a sampling_ratio of at least 1, got {roi_layer!r}: with 0 the number of samples '
                'differs from RoI to RoI; set roi_layer.sampling_ratio=2'
            )
        super().__init__(
            dict(type=TextureRoIAlign, in_channels=out_channels, num_convs=num_convs, channels=channels, **asked),
            out_channels,
            featmap_strides,
            **kwargs,
        )

    def forward(self, feats: tuple[Tensor, ...], rois: Tensor, roi_scale_factor: float | None = None) -> Tensor:
        """Return the features (R, C, p, p) of RoIs (R, 5), as ``SingleRoIExtractor`` does."""
        found = super().forward(feats, rois, roi_scale_factor)
        if len(rois):
            return found
        # Distributed training waits for the gradient of every parameter, so all of them must be in the graph.
        return found + 0 * sum(tensor.sum() for tensor in (*feats, *self.parameters()))
