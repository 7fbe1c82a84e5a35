# The arms of the study where a finished model is fine-tuned with what stands in front of it, for tools/compare.py --arms.
_base_ = './_resizers.py'

learned = dict(
    downsizenet_6x6_area=_base_.from_area,
    downsizenet_6x6_area_distance_only=dict(_base_.from_area, texture=False),
    downsizenet_4x4_area_softmax=dict(type='DownsizeNet', neighbors=4, distance='area', start='area'),
)
# On VOC 2012 at 60 x 60 four times the model's rate was better than area and sixteen times worse.
faster = {'optim_wrapper.paramwise_cfg.custom_keys.data_preprocessor.lr_mult': 4.0}
arms = {name: dict(downsizer=dict(type='FixedResizer', **kernel)) for name, kernel in _base_.fixed.items()}
arms.update({name: dict(downsizer=downsizer, options=faster) for name, downsizer in learned.items()})
