# As _arms.py, for a detector: the downsizers are fitted with its own loss.
_base_ = './_resizers.py'

arms = {name: dict(downsizer=dict(type='FixedResizer', **kernel), train=False) for name, kernel in _base_.fixed.items()}
arms.update({name: dict(downsizer=downsizer, options=_base_.at_rates) for name, downsizer in _base_.learned.items()})
# Two epochs, as the others, of five times the steps (for voc2012_det_shifted_100.py).
arms['downsizenet_6x6_area_positions'] = dict(
    downsizer=_base_.from_area, options={**_base_.at_rates, **_base_.in_five_positions}
)
# Five epochs of images that never recur, as in _arms.py.
varied_images = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='RandomResize', scale=(300, 300), ratio_range=(1.0, 1.5), keep_ratio=False),
    dict(type='RandomCrop', crop_size=(300, 300), allow_negative_crop=True),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackDetInputs'),
]
varied = {**_base_.at_rates, 'train_dataloader.dataset.dataset.pipeline': varied_images, **_base_.epochs.five}
arms['downsizenet_6x6_area_varied_images'] = dict(downsizer=_base_.from_area, options=varied)
