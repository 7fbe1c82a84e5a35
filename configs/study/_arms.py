# The arms of the study, for tools/compare.py --arms. Fixed resizers are tested as they are in front of the finished model.
# The others are fitted to it without labels: what the model itself says at full resolution is the target.
_base_ = './_resizers.py'

learned = dict(
    downsizenet_6x6_area=_base_.from_area,
    downsizenet_6x6_bicubic=dict(_base_.from_area, distance='bicubic', start='bicubic'),
    downsizenet_6x6_area_distance_only=dict(_base_.from_area, texture=False),
    downsizenet_8x8_area=dict(_base_.from_area, neighbors=8),
    downsizenet_4x4_area_softmax=dict(type='DownsizeNet', neighbors=4, distance='area', start='area'),
    downsizenet_paper=dict(type='DownsizeNet', start='random', normalize='sigmoid'),
    talebi=dict(type='LearnedResizer'),
)
distilled = {
    'model.type': 'mmdownsize.SelfDistilledEncoderDecoder',
    'model.data_preprocessor.type': 'mmdownsize.SegPairDownsizePreprocessor',
}
arms = {name: dict(downsizer=dict(type='FixedResizer', **kernel), train=False) for name, kernel in _base_.fixed.items()}
arms.update({name: dict(downsizer=downsizer, options=distilled) for name, downsizer in learned.items()})
arms['downsizenet_6x6_area_labels'] = dict(downsizer=_base_.from_area)  # with the model's own loss
