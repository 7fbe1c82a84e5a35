# A segmentor for the 11 classes of CamVid: images of 360 x 480 (h x w) are downsized to 108 x 144. A config adds the head.
_base_ = './efficientnet-lite0_segmentor.py'

model = dict(
    data_preprocessor=dict(scale_factor=0.3, size=(360, 480)),
    # At the backbone's own stride of 32, an image of 108 x 144 leaves 4 x 5 pixels, one for a whole car. Its stage of stride 16,
    # dilated to stride 8, gives 14 x 18, and the last stage, the widest, is left out.
    backbone=dict(out_indices=(1, 3), output_stride=8),
    decode_head=dict(
        in_channels=112,
        num_classes=11,
        # With cross entropy alone, the model does not predict the rare classes (poles, signs, pedestrians, bicyclists) after so
        # short a schedule. Class weights are not possible: mmseg also looks them up for the void label 255 and fails.
        loss_decode=[
            dict(type='CrossEntropyLoss', loss_name='loss_ce', avg_non_ignore=True),
            dict(type='LovaszLoss', loss_name='loss_lovasz', reduction='none'),
        ],
    ),
)
