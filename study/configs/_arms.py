# The arms of the study, for tools/compare.py --arms. A fixed resizer is only tested before the finished model. The others are
# fitted to it without labels: the target is what the model itself says at full resolution.
_base_ = './_resizers.py'

distilled = {
    **_base_.at_rates,
    'model.type': 'mmdownsize.SelfDistilledEncoderDecoder',
    'model.memory_mb': 300,  # what the model says of 1050 images, 21 classes at 75 x 75, is 237 MiB
    'model.memory_folder': 'work_dirs/study/said',  # kept on disk for the next fit to the same model
    'model.data_preprocessor.type': 'mmdownsize.SegPairDownsizePreprocessor',
}
arms = {name: dict(downsizer=dict(type='FixedResizer', **kernel), train=False) for name, kernel in _base_.fixed.items()}
# Each image in one position, as often as the config says.
for name in ('downsizenet_6x6_area', 'downsizenet_6x6_area_distance_only'):
    arms[name] = dict(downsizer=_base_.learned[name], options=distilled)
# Each class of the training counts by the root of the pixels it covers, not by the pixels.
balanced = {**distilled, 'model.class_balance': 0.5}
arms['downsizenet_6x6_area_balanced'] = dict(downsizer=_base_.from_area, options=balanced)
# The paper's form before it has learned anything: about the mean of 2 x 2 pixels.
arms['downsizenet_paper_untrained'] = dict(downsizer=_base_.learned['downsizenet_paper'], train=False)

# For the *_shifted_* configs: each image in five positions, one epoch of them or two.
positions = {**distilled, **_base_.in_five_positions, 'model.memory_mb': 1200}
once = {**positions, **_base_.epochs.one}
arms['downsizenet_6x6_area_positions'] = dict(downsizer=_base_.from_area, options={**positions, **_base_.epochs.two})
for name in ('downsizenet_6x6_area', 'downsizenet_paper', 'talebi', 'talebi_bilinear'):
    arms[f'{name}_positions_once'] = dict(downsizer=_base_.learned[name], options=once)
# Each class counts as much as any other.
arms['downsizenet_6x6_area_balanced_1_positions_once'] = dict(
    downsizer=_base_.from_area, options={**once, 'model.class_balance': 1.0}
)
# The recipe with one thing of its DownsizeNet changed.
for name, setting in {
    '2x2': dict(neighbors=2),
    '4x4': dict(neighbors=4),
    '8x8': dict(neighbors=8),
    '1_conv': dict(num_convs=1),
    '4_convs': dict(num_convs=4),
    'softmax': dict(normalize='softmax'),
}.items():
    arms[f'downsizenet_{name}_positions_once'] = dict(downsizer=dict(_base_.from_area, **setting), options=once)
# As many steps as `once`, on images that never recur: resized, cut and mirrored at random. So there is nothing to remember.
varied_images = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=(300, 300), ratio_range=(1.0, 1.5), keep_ratio=False),
    dict(type='RandomCrop', crop_size=(300, 300)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
varied = {
    **{name: value for name, value in distilled.items() if 'memory' not in name},
    'train_dataloader.dataset.dataset.pipeline': varied_images,
    **_base_.epochs.five,
}
arms['downsizenet_6x6_area_varied_images'] = dict(downsizer=_base_.from_area, options=varied)
