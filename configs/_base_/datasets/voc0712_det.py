# PASCAL VOC 2007 and 2012 together: 16551 images for training, the 4952 of VOC 2007 for testing.
_base_ = './voc2007_det.py'

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        ignore_keys=['dataset_type'],  # their years, which differ
        datasets=[
            dict(
                type='VOCDataset',
                data_root=_base_.data_root,
                ann_file=f'VOC{year}/ImageSets/Main/trainval.txt',
                data_prefix=dict(sub_data_root=f'VOC{year}/'),
                filter_cfg=dict(filter_empty_gt=True, min_size=32),
                pipeline=_base_.train_pipeline,
            )
            for year in (2007, 2012)
        ],
    )
)
