# FCN on PASCAL VOC 2012 without a downsizer, with mmseg's data and crops of 512 x 512. The paper trains on whole images, one by
# one; they are about as large as the crops, at most 500 px.
_base_ = [
    '../_base_/models/fcn_vgg16-d8.py',
    'mmseg::_base_/datasets/pascal_voc12_aug.py',
    'mmseg::_base_/schedules/schedule_20k.py',
    'mmseg::_base_/default_runtime.py',
]

model = dict(data_preprocessor=dict(size=(512, 512)))

# DeepLab's rates for VGG16 (Chen et al., 2016, section 4.1): 1e-3, and ten times that for new layers.
optim_wrapper = dict(
    _delete_=True,
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=1e-3, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(custom_keys=dict(decode_head=dict(lr_mult=10.0), auxiliary_head=dict(lr_mult=10.0))),
    clip_grad=dict(max_norm=35, norm_type=2),
)
param_scheduler = [dict(type='PolyLR', eta_min=1e-5, power=0.9, begin=0, end=20000, by_epoch=False)]
