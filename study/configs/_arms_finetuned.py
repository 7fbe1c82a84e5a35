# A finished model is fine-tuned behind a fixed resizer, or together with a downsizer. For tools/compare.py --arms.
_base_ = './_resizers.py'

from_sharp_area = _base_.learned.downsizenet_6x6_sharp_area
arms = {name: dict(downsizer=dict(type='FixedResizer', **kernel)) for name, kernel in _base_.fixed.items()}
arms['downsizenet_6x6_sharp_area'] = dict(downsizer=from_sharp_area, options=_base_.at_rates)
# All of the downsizer at the rate of the head.
arms['downsizenet_6x6_sharp_area_slow'] = dict(downsizer=from_sharp_area, options=_base_.slowly)
