"""Shipped models of mmdet and mmseg, shrunk through their configs, without and with the two edited lines."""

import warnings

import pytest
from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.registry import MODELS, DefaultScope

import mmdownsize.registry  # noqa: F401  # 'mmseg::' in every stack

NUM_CLASSES = 3

_R18 = dict(depth=18, base_channels=8, init_cfg=None)  # 8, 16, 32 and 64 channels
_FPN = dict(in_channels=[8, 16, 32, 64], out_channels=16)
_RPN = dict(in_channels=16, feat_channels=16)
_ROI = dict(
    bbox_roi_extractor=dict(out_channels=16),
    bbox_head=dict(in_channels=16, fc_out_channels=32, num_classes=NUM_CLASSES),
)
_ATTENTION = dict(embed_dims=32, num_heads=2)
_FFN = dict(embed_dims=32, feedforward_channels=32)
_V1C = dict(depth=18, base_channels=8, stem_channels=8, norm_cfg=dict(type='BN'))  # SyncBN does not run on CPUs
_SEG_HEAD = dict(num_classes=NUM_CLASSES, norm_cfg=dict(type='BN'))
_AUXILIARY = dict(in_channels=32, channels=8, **_SEG_HEAD)

DETECTORS = {
    'detr': (
        'mmdet::detr/detr_r50_8xb2-150e_coco.py',
        dict(
            num_queries=6,
            backbone=_R18,
            neck=dict(in_channels=[64], out_channels=32),
            encoder=dict(num_layers=1, layer_cfg=dict(self_attn_cfg=_ATTENTION, ffn_cfg=_FFN)),
            decoder=dict(
                num_layers=2, layer_cfg=dict(self_attn_cfg=_ATTENTION, cross_attn_cfg=_ATTENTION, ffn_cfg=_FFN)
            ),
            positional_encoding=dict(num_feats=16),
            bbox_head=dict(embed_dims=32, num_classes=NUM_CLASSES),
            test_cfg=dict(max_per_img=6),
        ),
    ),
    'centernet': (
        'mmdet::centernet/centernet_r18-dcnv2_8xb16-crop512-140e_coco.py',
        dict(
            data_preprocessor=dict(pad_size_divisor=32),  # the test pipeline pads to this before downsizing
            backbone=_R18,
            neck=dict(in_channels=64, num_deconv_filters=(16, 8, 8)),
            bbox_head=dict(num_classes=NUM_CLASSES, in_channels=8, feat_channels=8),
        ),
    ),
    'faster_rcnn': (
        'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py',
        dict(backbone=_R18, neck=_FPN, rpn_head=_RPN, roi_head=_ROI),
    ),
    'mask_rcnn': (
        'mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py',
        dict(
            backbone=_R18,
            neck=_FPN,
            rpn_head=_RPN,
            roi_head=dict(
                **_ROI,
                mask_roi_extractor=dict(out_channels=16),
                mask_head=dict(num_convs=1, in_channels=16, conv_out_channels=8, num_classes=NUM_CLASSES),
            ),
        ),
    ),
    'fast_rcnn': (
        'mmdet::fast_rcnn/fast-rcnn_r50_fpn_1x_coco.py',
        dict(backbone=_R18, neck=_FPN, roi_head=_ROI),
    ),
}

SEGMENTORS = {
    'fcn': (
        'mmseg::fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1024.py',
        dict(
            pretrained=None,
            data_preprocessor=dict(size=(64, 96)),
            backbone=_V1C,
            decode_head=dict(in_channels=64, channels=16, **_SEG_HEAD),
            auxiliary_head=_AUXILIARY,
        ),
    ),
    'deeplabv3plus': (
        'mmseg::deeplabv3plus/deeplabv3plus_r50-d8_4xb2-40k_cityscapes-512x1024.py',
        dict(
            pretrained=None,
            data_preprocessor=dict(size=(64, 96)),
            backbone=_V1C,
            decode_head=dict(in_channels=64, channels=16, c1_in_channels=8, c1_channels=4, **_SEG_HEAD),
            auxiliary_head=_AUXILIARY,
        ),
    ),
    'segformer': (
        'mmseg::segformer/segformer_mit-b0_8xb1-160k_cityscapes-1024x1024.py',
        dict(
            data_preprocessor=dict(size=(64, 96)),
            backbone=dict(init_cfg=None, embed_dims=8, num_layers=[1, 1, 1, 1], num_heads=[1, 2, 2, 2]),
            decode_head=dict(in_channels=[8, 16, 16, 16], channels=16, **_SEG_HEAD),
            test_cfg=dict(crop_size=(32, 32), stride=(24, 24)),  # a sliding window, in downsized px
        ),
    ),
    'mask2former': (
        'mmseg::mask2former/mask2former_r50_8xb2-90k_cityscapes-512x1024.py',
        dict(
            data_preprocessor=dict(size=(64, 96)),
            backbone=dict(**_R18, norm_cfg=dict(type='BN', requires_grad=False)),
            decode_head=dict(
                in_channels=[8, 16, 32, 64],
                feat_channels=32,
                out_channels=32,
                num_classes=NUM_CLASSES,
                num_queries=6,
                pixel_decoder=dict(
                    encoder=dict(num_layers=1, layer_cfg=dict(self_attn_cfg=_ATTENTION, ffn_cfg=_FFN)),
                    positional_encoding=dict(num_feats=16),
                ),
                positional_encoding=dict(num_feats=16),
                transformer_decoder=dict(
                    num_layers=1,
                    layer_cfg=dict(self_attn_cfg=_ATTENTION, cross_attn_cfg=_ATTENTION, ffn_cfg=_FFN),
                ),
                loss_cls=dict(class_weight=[1.0] * NUM_CLASSES + [0.1]),
                train_cfg=dict(num_points=64),
            ),
        ),
    ),
}

_TRANSFORMER = dict(num_layers=1, layer_cfg=dict(self_attn_cfg=_ATTENTION, cross_attn_cfg=_ATTENTION, ffn_cfg=_FFN))
STUFF = 2  # classes besides the things

# Predictions of every score are kept: those of fresh weights are low.
MASK_MODELS = {
    'panoptic_fpn': (
        'mmdet::panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco.py',
        dict(
            backbone=_R18,
            neck=_FPN,
            rpn_head=_RPN,
            roi_head=DETECTORS['mask_rcnn'][1]['roi_head'],
            semantic_head=dict(
                num_things_classes=NUM_CLASSES,
                num_stuff_classes=STUFF,
                in_channels=16,
                inner_channels=8,
                norm_cfg=dict(type='GN', num_groups=2),
            ),
            panoptic_fusion_head=dict(num_things_classes=NUM_CLASSES, num_stuff_classes=STUFF),
            test_cfg=dict(rcnn=dict(score_thr=0.0), panoptic=dict(score_thr=0.0, stuff_area_limit=1)),
        ),
    ),
    'maskformer': (
        'mmdet::maskformer/maskformer_r50_ms-16xb1-75e_coco.py',
        dict(
            backbone=_R18,
            panoptic_head=dict(
                in_channels=[8, 16, 32, 64],
                feat_channels=32,
                out_channels=32,
                num_things_classes=NUM_CLASSES,
                num_stuff_classes=STUFF,
                num_queries=6,
                pixel_decoder=dict(
                    encoder=dict(num_layers=1, layer_cfg=dict(self_attn_cfg=_ATTENTION, ffn_cfg=_FFN)),
                    positional_encoding=dict(num_feats=16),
                ),
                positional_encoding=dict(num_feats=16),
                transformer_decoder=_TRANSFORMER,
                loss_cls=dict(class_weight=[1.0] * (NUM_CLASSES + STUFF) + [0.1]),
            ),
            panoptic_fusion_head=dict(num_things_classes=NUM_CLASSES, num_stuff_classes=STUFF),
            test_cfg=dict(object_mask_thr=0.0, iou_thr=0.0, instance_on=True, max_per_image=6),
        ),
    ),
    'solo': (
        'mmdet::solo/solo_r50_fpn_1x_coco.py',
        dict(
            backbone=_R18,
            neck=_FPN,
            mask_head=dict(
                num_classes=NUM_CLASSES,
                in_channels=16,
                feat_channels=16,
                stacked_convs=1,
                norm_cfg=dict(type='GN', num_groups=2),
            ),
            test_cfg=dict(score_thr=0.0, filter_thr=0.0, mask_thr=0.0),
        ),
    ),
}

_TYPES = {'mmdet': 'mmdownsize.DetDownsizePreprocessor', 'mmseg': 'mmdownsize.SegDownsizePreprocessor'}


def config_of(name, tmp_path, *, swapped=True, target='scale_factor=0.5', **overrides):
    """The shipped config through _base_, with the two edited lines or without, shrunk.

    Args:
        target: The line's text behind the downsizer.
        overrides: More overrides of ``model``.
    """
    base, shrunk = (DETECTORS | SEGMENTORS | MASK_MODELS)[name]
    pytest.importorskip(base[:5])
    if name == 'mask2former':  # mmsegmentation takes its parts from mmdet
        pytest.importorskip('mmdet')
    text = f'_base_ = {base!r}\n'
    if swapped:
        text += (
            'model = dict(data_preprocessor=dict(\n'
            f'    type={_TYPES[base[:5]]!r},\n'
            f"    downsizer=dict(type='DownsizeNet'), {target}))\n"
        )
    path = tmp_path / f'{name}_{"swapped" if swapped else "shipped"}.py'
    path.write_text(text)
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', 'pkg_resources is deprecated')
        config = Config.fromfile(path)
    config.merge_from_dict(dict(model=shrunk))
    config.merge_from_dict(dict(model=overrides))
    return config


def built(config):
    """The model of a config, as the Runner builds it."""
    with DefaultScope.overwrite_default_scope(config.default_scope):
        return MODELS.build(config.model)


def initialised(name, tmp_path, **kwargs):
    """The model of that name with its weights initialised."""
    model = built(config_of(name, tmp_path, **kwargs))
    model.init_weights()
    return model


class RecordingOptimWrapper(OptimWrapper):
    """An optimizer wrapper that keeps the gradients that every step used."""

    def __init__(self, model, optimizer):
        super().__init__(optimizer)
        self.model = model
        self.gradients = []

    def step(self, **kwargs):
        self.gradients.append(
            {name: None if p.grad is None else p.grad.detach().clone() for name, p in self.model.named_parameters()}
        )
        super().step(**kwargs)
