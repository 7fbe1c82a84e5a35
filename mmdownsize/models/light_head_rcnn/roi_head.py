"""The RoI head of Light-Head R-CNN: it makes a thin map once for each image, so that each RoI costs little."""

from __future__ import annotations

from typing import Any

from mmdet.models.roi_heads import StandardRoIHead
from mmdet.structures import SampleList
from mmdet.utils import InstanceList
from torch import Tensor

from mmdownsize.refusal import Refusal
from mmdownsize.registry import MODELS


@MODELS.register_module()
class LightRoIHead(StandardRoIHead):
    """mmdet's ``StandardRoIHead`` on a thin map instead of the backbone's.

    The RPN reads the backbone's map, the RoI extractor the thin one. The R-CNN subnet of the paper, one fully connected
    layer of 2048 channels and then one for the classes and one for a box shared by all classes, is mmdet's
    ``ConvFCBBoxHead`` with ``num_shared_fcs=1, fc_out_channels=2048, reg_class_agnostic=True``.

    Source: Li et al., "Light-Head R-CNN", 2017, section 3.1 and figure 2 C.

    Args:
        thin: Config of the layer that makes the thin map from the last map of the backbone:
            ``dict(type='mmdownsize.LargeSeparableConv', in_channels=512)``.
        kwargs: Arguments of ``StandardRoIHead``.

    Raises:
        ValueError: If the channels of the thin map differ from those of the RoI extractor, or the extractor's channels and
            bins differ from those of the box head.
    """

    def __init__(self, *, thin: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.thin = MODELS.build(thin)
        extractor, head = self.bbox_roi_extractor, self.bbox_head
        if self.thin.out_channels != extractor.in_channels:
            raise Refusal(
                f'the thin map has out_channels={self.thin.out_channels}, the RoI extractor reads '
                f'in_channels={extractor.in_channels}: set them equal'
            )
        given = (extractor.out_channels, extractor.output_size, extractor.output_size)
        if given != (head.in_channels, *head.roi_feat_size):
            raise Refusal(
                f'the RoI extractor gives {given} (channels, bins, bins), the box head reads '
                f'{(head.in_channels, *head.roi_feat_size)}: set its in_channels={given[0]}, roi_feat_size={given[1]}'
            )

    def forward(
        self, x: tuple[Tensor, ...], rpn_results_list: InstanceList, batch_data_samples: SampleList | None = None
    ) -> tuple[Tensor, ...]:
        """Return class scores (N, classes + 1) and box deltas (N, 4) of all proposals of the batch."""
        return super().forward(self._thinned(x), rpn_results_list, batch_data_samples)

    def loss(
        self, x: tuple[Tensor, ...], rpn_results_list: InstanceList, batch_data_samples: SampleList
    ) -> dict[str, Tensor]:
        """Return the losses of the proposals that are sampled for training."""
        return super().loss(self._thinned(x), rpn_results_list, batch_data_samples)

    def predict(
        self,
        x: tuple[Tensor, ...],
        rpn_results_list: InstanceList,
        batch_data_samples: SampleList,
        rescale: bool = False,
    ) -> InstanceList:
        """Return the detected objects of each image, in px of the original image if ``rescale``."""
        return super().predict(self._thinned(x), rpn_results_list, batch_data_samples, rescale=rescale)

    def _thinned(self, x: tuple[Tensor, ...]) -> tuple[Tensor]:
        return (self.thin(x[-1]),)
