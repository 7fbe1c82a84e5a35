# As _arms.py, for a detector: the downsizers are fitted with its own loss.
_base_ = './_resizers.py'

arms = {name: dict(downsizer=dict(type='FixedResizer', **kernel), train=False) for name, kernel in _base_.fixed.items()}
arms.update({name: dict(downsizer=downsizer, options=_base_.at_rates) for name, downsizer in _base_.learned.items()})
# Two epochs, as the others, of five times the steps (for voc2012_det_shifted_100.py).
arms['downsizenet_6x6_area_positions'] = dict(
    downsizer=_base_.from_area, options={**_base_.at_rates, **_base_.in_five_positions}
)
