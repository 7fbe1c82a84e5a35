"""Light-Head R-CNN: Li et al., "Light-Head R-CNN: In Defense of Two-Stage Object Detector", arXiv 1711.07264, 2017.

What mmdet lacks of it: the thin map (:class:`LargeSeparableConv`), its position-sensitive RoI align
(:class:`PSRoIAlignExtractor`) and the RoI head that joins them (:class:`LightRoIHead`). The rest is mmdet's: ``FasterRCNN``,
``RPNHead``, and ``ConvFCBBoxHead`` with one shared fc of 2048 channels as the R-CNN subnet.
"""

from mmdownsize.models.light_head_rcnn.ps_roi_align import PSRoIAlignExtractor, ps_roi_align
from mmdownsize.models.light_head_rcnn.roi_head import LightRoIHead
from mmdownsize.models.light_head_rcnn.thin_map import LargeSeparableConv

__all__ = ['LargeSeparableConv', 'LightRoIHead', 'PSRoIAlignExtractor', 'ps_roi_align']
