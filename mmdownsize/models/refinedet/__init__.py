"""RefineDet (Zhang et al., CVPR 2018): backbone, neck and head for mmdet's ``SingleStageDetector``."""

from mmdownsize.models.refinedet.backbone import RefineDetVGG16
from mmdownsize.models.refinedet.head import RefineDetHead
from mmdownsize.models.refinedet.neck import RefineDetNeck, TransferConnectionBlock

__all__ = ['RefineDetHead', 'RefineDetNeck', 'RefineDetVGG16', 'TransferConnectionBlock']
