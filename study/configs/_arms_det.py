# As _arms.py, for a detector: a downsizer is fitted with the detector's own loss, on labels.
_base_ = './_resizers.py'

arms = {name: dict(downsizer=dict(type='FixedResizer', **kernel), train=False) for name, kernel in _base_.fixed.items()}
for name in ('downsizenet_6x6_area', 'downsizenet_paper', 'talebi'):
    arms[name] = dict(downsizer=_base_.learned[name], options=_base_.at_rates)
