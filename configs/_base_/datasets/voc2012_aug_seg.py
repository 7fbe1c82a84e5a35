# PASCAL VOC 2012 masks and those of SBD: 10582 images for training, 1449 for validation. Images keep their own sizes, at most
# 500 px.
_base_ = './voc2012_seg.py'

data_root = 'data/VOCdevkit/VOC2012'
train_pipeline = [step for step in _base_.train_pipeline if step.type != 'Resize']
test_pipeline = [step for step in _base_.test_pipeline if step.type != 'Resize']
train_dataloader = dict(
    batch_size=16,
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        datasets=[
            dict(
                _base_.train_dataloader.dataset,
                data_root=data_root,
                data_prefix=dict(img_path='JPEGImages', seg_map_path=masks),
                ann_file=f'ImageSets/Segmentation/{images}.txt',
                pipeline=train_pipeline,
            )
            for masks, images in (('SegmentationClass', 'train'), ('SegmentationClassAug', 'aug'))
        ],
    ),
)
val_dataloader = dict(batch_size=1, dataset=dict(data_root=data_root, pipeline=test_pipeline))
test_dataloader = val_dataloader
