# DeepLabv3+ on PASCAL VOC 2012: images of 300 x 300 are downsized to 100 x 100 before the model.
_base_ = [
    '../_base_/models/efficientnet-lite0_segmentor.py',
    '../_base_/datasets/voc2012_seg.py',
    '../_base_/schedules/voc2012_seg.py',
    '../_base_/runtimes/mmseg.py',
]

model = dict(
    data_preprocessor=dict(scale=(100, 100), size=(300, 300)),
    # The whole backbone, at stride 16: 7 x 7 pixels. 1050 images are too few for new statistics of its norms.
    backbone=dict(out_indices=(1, 4), output_stride=16, norm_eval=True),
    decode_head=dict(
        type='DepthwiseSeparableASPPHead',
        in_channels=320,
        dilations=(1, 2, 4),
        c1_in_channels=24,
        c1_channels=32,
        num_classes=21,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True),
    ),
)
