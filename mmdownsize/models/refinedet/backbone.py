"""VGG16 as RefineDet uses it: conv4_3, conv5_3 and fc7."""

from __future__ import annotations

from typing import Any

from mmdet.models.backbones import SSDVGG
from torch import nn

from mmdownsize.registry import MODELS

CONV4_3, CONV5_3, FC7 = 22, 29, 34  # positions in `features`, each of the ReLU after it
POOL5, FC6 = 30, 31


@MODELS.register_module()
class RefineDetVGG16(SSDVGG):
    """Return the maps of conv4_3, conv5_3 and fc7 at strides 8, 16 and 32.

    This is mmdet's ``SSDVGG`` with two layers changed. SSD keeps fc6 and fc7 at stride 16: pool5 is 3 x 3 with stride 1, and
    fc6 has dilation 6. In RefineDet pool5 halves the map, as in VGG. fc6 is a 3 x 3 convolution with dilation 3, which sees
    as much of the image on a map half as large. Parameters keep SSDVGG's names, so ``open-mmlab://vgg16_caffe`` fits (RGB
    images normalised by ``mean=[123.675, 116.28, 103.53], std=[1, 1, 1]``). Pooling rounds sizes up, as in Caffe: a map of
    stride s has ceil(H / s) x ceil(W / s) pixels. All weights are trained, as in the paper.

    Args:
        init_cfg: Initialisation, as in mmengine. Default: Kaiming, as in SSDVGG.

    Source: the paper, section 3.4 (backbone network), and the authors' network for Caffe (``VGGNetBody`` with
    ``reduced=True, dilated=False``).
    """

    def __init__(self, *, init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None) -> None:
        super().__init__(depth=16, ceil_mode=True, out_feature_indices=(CONV4_3, CONV5_3, FC7), init_cfg=init_cfg)
        self.features[POOL5] = nn.MaxPool2d(kernel_size=2, stride=2, ceil_mode=True)
        self.features[FC6] = nn.Conv2d(512, 1024, kernel_size=3, padding=3, dilation=3)
        self.out_channels = (512, 512, 1024)
