# The arms of the study where a finished segmentor's head is trained on behind a resizer (voc2012_head_*), for
# tools/compare.py --arms: fixed ones, and downsizers that are trained with the head, on the labels and with the model's own
# loss. The backbone stays.
_base_ = './_resizers.py'

with_the_head = {**_base_.at_rates, 'custom_hooks.0.parts': ['decode_head', 'data_preprocessor']}
arms = {name: dict(downsizer=dict(type='FixedResizer', **kernel)) for name, kernel in _base_.fixed.items()}
arms.update({name: dict(downsizer=downsizer, options=with_the_head) for name, downsizer in _base_.learned.items()})
# All of the downsizer at the rate of the head.
arms['downsizenet_6x6_sharp_area_slow'] = dict(
    downsizer=_base_.learned['downsizenet_6x6_sharp_area'], options={**with_the_head, **_base_.slowly}
)
