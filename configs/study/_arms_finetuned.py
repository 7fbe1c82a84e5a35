# The arms of the study where a finished model is fine-tuned with what stands in front of it, for tools/compare.py --arms.
_base_ = './_resizers.py'

arms = {name: dict(downsizer=dict(type='FixedResizer', **kernel)) for name, kernel in _base_.fixed.items()}
arms.update({name: dict(downsizer=downsizer, options=_base_.at_rates) for name, downsizer in _base_.learned.items()})
