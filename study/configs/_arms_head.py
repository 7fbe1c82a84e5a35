# A finished segmentor's head is trained on behind a fixed resizer, or together with a downsizer, with labels and the model's
# own loss (voc2012_head_*). The backbone stays as it is. For tools/compare.py --arms.
_base_ = './_resizers.py'

from_sharp_area = _base_.learned.downsizenet_6x6_sharp_area
both = {'custom_hooks.0.parts': ['decode_head', 'data_preprocessor']}
arms = {name: dict(downsizer=dict(type='FixedResizer', **kernel)) for name, kernel in _base_.fixed.items()}
arms['downsizenet_6x6_sharp_area'] = dict(downsizer=from_sharp_area, options={**_base_.at_rates, **both})
# All of the downsizer at the rate of the head.
arms['downsizenet_6x6_sharp_area_slow'] = dict(downsizer=from_sharp_area, options={**_base_.slowly, **both})
