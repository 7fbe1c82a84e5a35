# FCN on 1050 images of PASCAL VOC 2012, for a machine without a GPU: EfficientNet-Lite0 instead of VGG16, a narrow head, a
# short schedule. Images of any size are downsized to 100 x 100.
_base_ = [
    '../_base_/models/fcn_vgg16-d8.py',
    '../_base_/datasets/voc2012_seg.py',
    '../_base_/schedules/voc2012_seg.py',
    '../_base_/runtimes/mmseg.py',
]

model = dict(
    data_preprocessor=dict(
        type='mmdownsize.SegDownsizePreprocessor',
        downsizer=dict(type='DownsizeNet'),
        scale=(100, 100),
        size=(500, 500),  # before downsizing
        # EfficientNet-Lite0's weights expect RGB images with this mean and deviation: 0.498 and 0.502 of 255.
        mean=[126.99, 126.99, 126.99],
        std=[128.01, 128.01, 128.01],
    ),
    # The stage of stride 16, dilated to stride 8, gives 13 x 13 pixels.
    backbone=dict(_delete_=True, type='mmdownsize.EfficientNetLite', out_indices=(2, 3), output_stride=8),
    decode_head=dict(in_channels=112, channels=128),
    auxiliary_head=dict(in_channels=40, channels=64),
)

train_pipeline = [step for step in _base_.train_pipeline if step.type != 'Resize']
test_pipeline = [step for step in _base_.test_pipeline if step.type != 'Resize']
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
