# FCN on PASCAL VOC 2012: images of any size, as they are in their files, are downsized to 100 x 100 before the model.
_base_ = [
    '../_base_/models/fcn_vgg16-d8.py',
    '../_base_/datasets/voc2012_aug_seg.py',
    '../_base_/runtimes/mmseg.py',
]

model = dict(
    data_preprocessor=dict(
        type='mmdownsize.SegDownsizePreprocessor',
        downsizer=dict(type='DownsizeNet'),
        scale=(100, 100),
        size=(500, 500),  # before downsizing
    )
)

# DeepLab's rates for VGG16 (Chen et al., 2016, section 4.1): 1e-3, and ten times that for new layers.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=1e-3, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(custom_keys=dict(decode_head=dict(lr_mult=10.0), auxiliary_head=dict(lr_mult=10.0))),
    clip_grad=dict(max_norm=35, norm_type=2),
)
max_epochs = 30
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=500),
    dict(type='PolyLR', power=0.9, eta_min=0, by_epoch=True, begin=0, end=max_epochs, convert_to_iter_based=True),
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=5)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')
