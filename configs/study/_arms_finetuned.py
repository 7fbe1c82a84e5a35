# The arms of the study where a finished model is fine-tuned with what stands in front of it, for tools/compare.py --arms.
_base_ = './_resizers.py'

learned = dict(
    downsizenet_6x6_area=_base_.from_area,
    downsizenet_6x6_area_distance_only=dict(_base_.from_area, texture=False),
    downsizenet_4x4_area_softmax=dict(type='DownsizeNet', neighbors=4, distance='area', start='area'),
)
# The fusion, which decides how coefficients follow what the convolutions say, learns fast; the convolutions learn at the
# model's rate. Faster, their features can fall silent within some hundred steps: the coefficients are then the same
# everywhere, a better kernel but one kernel.
rates = {
    'data_preprocessor.downsizer.fusion': dict(lr_mult=8.0),
    'data_preprocessor.downsizer.texture': dict(lr_mult=1.0),
}
options = {'optim_wrapper.paramwise_cfg.custom_keys': rates}
arms = {name: dict(downsizer=dict(type='FixedResizer', **kernel)) for name, kernel in _base_.fixed.items()}
arms.update({name: dict(downsizer=downsizer, options=options) for name, downsizer in learned.items()})
