# As _arms.py, for a detector: the downsizers are fitted with its own loss.
_base_ = './_resizers.py'

arms = {name: dict(downsizer=dict(type='FixedResizer', **kernel), train=False) for name, kernel in _base_.fixed.items()}
arms.update({name: dict(downsizer=downsizer, options=_base_.at_rates) for name, downsizer in _base_.learned.items()})
