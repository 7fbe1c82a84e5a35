"""Light-Head R-CNN: Li et al., "Light-Head R-CNN: In Defense of Two-Stage Object Detector", arXiv 1711.07264, 2017.

This package has the parts that mmdet does not have: the thin map (:class:`LargeSeparableConv`), its position-sensitive RoI
align (:class:`PSRoIAlignExtractor`) and the RoI head that uses both (:class:`LightRoIHead`). The other parts are mmdet's:
``FasterRCNN``, ``RPNHead``, and ``ConvFCBBoxHead`` with one shared fully connected layer of 2048 channels as the R-CNN subnet.
"""

from mmdownsize.models.light_head_rcnn.ps_roi_align import PSRoIAlignExtractor, ps_roi_align
from mmdownsize.models.light_head_rcnn.roi_head import LightRoIHead
from mmdownsize.models.light_head_rcnn.thin_map import LargeSeparableConv

__all__ = ['LargeSeparableConv', 'LightRoIHead', 'PSRoIAlignExtractor', 'ps_roi_align']
