"""SPNet for mmseg: a dilated ResNet with strip pooling in its blocks, and a head of mixed pooling modules.

Hou, Zhang, Cheng and Feng, "Strip Pooling: Rethinking Spatial Pooling for Scene Parsing", CVPR 2020.
"""

from mmdownsize.models.spnet.backbone import SPResNetV1c
from mmdownsize.models.spnet.head import SPHead
from mmdownsize.models.spnet.mixed_pooling import MixedPoolingModule
from mmdownsize.models.spnet.strip_pooling import StripPooling, StripPoolingModule

__all__ = ['MixedPoolingModule', 'SPHead', 'SPResNetV1c', 'StripPooling', 'StripPoolingModule']
