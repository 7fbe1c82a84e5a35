# PASCAL VOC 2012 boxes, every image stretched to 300 x 300 as for SSD: 1050 images for training, 299 for validation.
# A relative folder starts at the one that the training is started in. The environment variable MMDOWNSIZE_DATA names another.
_base_ = './voc2007_det.py'

data_root = '{{$MMDOWNSIZE_DATA:../shared/data}}/voc2012/VOCdevkit/'
train_dataloader = dict(
    batch_size=8,
    num_workers=2,
    dataset=dict(
        data_root=data_root,
        ann_file='VOC2012/ImageSets/Main/train.txt',
        data_prefix=dict(sub_data_root='VOC2012/'),
    ),
)
val_dataloader = dict(
    num_workers=2,
    dataset=dict(
        data_root=data_root,
        ann_file='VOC2012/ImageSets/Main/val.txt',
        data_prefix=dict(sub_data_root='VOC2012/'),
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(eval_mode='area')
test_evaluator = val_evaluator
