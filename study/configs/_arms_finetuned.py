# The arms of the study where a finished model is fine-tuned with what stands in front of it, for tools/compare.py --arms.
_base_ = './_resizers.py'

arms = {name: dict(downsizer=dict(type='FixedResizer', **kernel)) for name, kernel in _base_.fixed.items()}
arms.update({name: dict(downsizer=downsizer, options=_base_.at_rates) for name, downsizer in _base_.learned.items()})
# All of the downsizer at the rate of the head: the model has to follow what its images become.
arms['downsizenet_6x6_sharp_area_slow'] = dict(
    downsizer=_base_.learned['downsizenet_6x6_sharp_area'], options=_base_.slowly
)
