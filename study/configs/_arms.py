# The arms of the study, for tools/compare.py --arms. Fixed resizers are tested as they are in front of the finished model.
# The others are fitted to it without labels: what the model itself says at full resolution is the target.
_base_ = './_resizers.py'

distilled = {
    **_base_.at_rates,
    'model.type': 'mmdownsize.SelfDistilledEncoderDecoder',
    'model.memory_mb': 300,  # what the model says of 1050 images, 21 classes at 75 x 75, is 237 MiB
    'model.memory_folder': 'work_dirs/study/said',  # by each of the models, for the next fit to it
    'model.data_preprocessor.type': 'mmdownsize.SegPairDownsizePreprocessor',
}
arms = {name: dict(downsizer=dict(type='FixedResizer', **kernel), train=False) for name, kernel in _base_.fixed.items()}
arms.update({name: dict(downsizer=downsizer, options=distilled) for name, downsizer in _base_.learned.items()})
# What the paper's form is before it has learned anything: about the mean of 2 x 2 pixels.
arms['downsizenet_paper_untrained'] = dict(downsizer=_base_.learned['downsizenet_paper'], train=False)
# Each class of a batch counts, by the root of what it covers, and not each pixel as much as any other.
balanced = {**distilled, 'model.class_balance': 0.5}
arms['downsizenet_6x6_area_balanced'] = dict(downsizer=_base_.from_area, options=balanced)
# Short and middle schedules, for the transfer (_arms_retrained.py); the long one has ten epochs.
for name, schedule in dict(short=_base_.epochs.one, middle=_base_.epochs.three).items():
    arms[f'downsizenet_6x6_area_balanced_{name}'] = dict(downsizer=_base_.from_area, options={**balanced, **schedule})
# Tried against what a fit learns of its images alone: target sizes that vary a little, and a longer average of weights that
# keep moving.
near = {'model.data_preprocessor.train_scale_factor': (0.28, 0.4)}
averaged = {**distilled, 'param_scheduler.1.eta_min': 1e-3, 'custom_hooks.1.momentum': 0.003}
arms['downsizenet_6x6_area_balanced_near'] = dict(downsizer=_base_.from_area, options={**balanced, **near})
arms['downsizenet_6x6_area_averaged'] = dict(downsizer=_base_.from_area, options=averaged)
arms['downsizenet_6x6_area_averaged_near'] = dict(downsizer=_base_.from_area, options={**averaged, **near})
# Each image in five positions, ten times in all (as in ten epochs) or five, for the *_shifted_* configs: the recipe, its rivals.
positions = {**distilled, **_base_.in_five_positions, 'model.memory_mb': 1200}
twice = {**positions, **_base_.epochs.two}
once = {**positions, **_base_.epochs.one}
for name in (
    'downsizenet_6x6_area',
    'downsizenet_6x6_bicubic',
    'downsizenet_paper',
    'talebi',
    'talebi_bilinear',
    'muller',
):
    arms[f'{name}_positions'] = dict(downsizer=_base_.learned[name], options=twice)
    arms[f'{name}_positions_once'] = dict(downsizer=_base_.learned[name], options=once)
# What the recipe's DownsizeNet is made of, one thing at a time.
for name, setting in {
    '2x2': dict(neighbors=2),
    '4x4': dict(neighbors=4),
    '8x8': dict(neighbors=8),
    '1_conv': dict(num_convs=1),
    '4_convs': dict(num_convs=4),
    '8_channels': dict(channels=8),
    '32_channels': dict(channels=32),
    'softmax': dict(normalize='softmax'),
    'distance_only': dict(texture=False),
    'random_start': dict(start='random'),
    'bilinear_start': dict(start='bilinear'),
    'antialiased_start': dict(start='triangle'),
    'sharp_area_start': dict(start='sharp_area'),
}.items():
    arms[f'downsizenet_{name}_positions_once'] = dict(downsizer=dict(_base_.from_area, **setting), options=once)
for name, balance in dict(balanced=0.5, balanced_1=1.0).items():
    for start in ('area', 'bicubic'):
        arms[f'downsizenet_6x6_{start}_{name}_positions_once'] = dict(
            downsizer=_base_.learned[f'downsizenet_6x6_{start}'], options={**once, 'model.class_balance': balance}
        )
# As many steps as once, on images that never recur: of other sizes, cut elsewhere, mirrored. Nothing can be remembered of them.
varied = {}
for suffix, (width, height), schedule in [
    ('', (300, 300), _base_.epochs.five),
    ('_camvid', (480, 360), _base_.epochs.fourteen),
]:
    varied_images = [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations'),
        dict(type='RandomResize', scale=(width, height), ratio_range=(1.0, 1.5), keep_ratio=False),
        dict(type='RandomCrop', crop_size=(height, width)),
        dict(type='RandomFlip', prob=0.5),
        dict(type='PackSegInputs'),
    ]
    varied[suffix] = {
        **{name: value for name, value in distilled.items() if 'memory' not in name},
        'train_dataloader.dataset.dataset.pipeline': varied_images,
        **schedule,
    }
    for name in ('downsizenet_6x6_area', 'downsizenet_6x6_area_distance_only', 'downsizenet_paper', 'talebi_bilinear'):
        arms[f'{name}_varied_images{suffix}'] = dict(downsizer=_base_.learned[name], options=varied[suffix])
# From an area mean that lies 2 source pixels further down and right, as fits come to lie (docs/study/recipe.md).
displaced = dict(type='DownsizeNet', pretrained='study/fitted/area_displaced_2.safetensors')
arms['downsizenet_displaced_varied_images'] = dict(downsizer=displaced, options=varied[''])
# On from the fit that ships, slowly, to keep what it has learned elsewhere.
shipped = dict(type='DownsizeNet', pretrained='downsizenet_6x6_signed_voc2012')
arms['shipped_positions_once'] = dict(downsizer=shipped, options={**once, **_base_.slowly})
# From the best fixed kernel, and drawn back to it: of what the fusion has learned 0.8 % decay in a step at the full rate.
decayed = {
    **distilled,
    'optim_wrapper.optimizer.weight_decay': 1.0,
    'optim_wrapper.paramwise_cfg.custom_keys': {
        'data_preprocessor.downsizer.fusion': dict(lr_mult=8.0),
        'data_preprocessor.downsizer.texture': dict(lr_mult=1.0, decay_mult=0.0),
    },
}
arms['downsizenet_6x6_sharp_area_decayed'] = dict(
    downsizer=_base_.learned['downsizenet_6x6_sharp_area'], options=decayed
)
# With labels and the model's own loss.
arms['downsizenet_6x6_area_labels'] = dict(downsizer=_base_.from_area, options=_base_.at_rates)
