# As _arms.py, for a detector: the downsizers are fitted with its own loss.
_base_ = './_resizers.py'

arms = {name: dict(downsizer=dict(type='FixedResizer', **kernel), train=False) for name, kernel in _base_.fixed.items()}
arms.update(
    downsizenet_6x6_area=dict(downsizer=_base_.from_area),
    downsizenet_6x6_bicubic=dict(downsizer=dict(_base_.from_area, distance='bicubic', start='bicubic')),
    downsizenet_paper=dict(downsizer=dict(type='DownsizeNet', start='random', normalize='sigmoid')),
    talebi=dict(downsizer=dict(type='LearnedResizer')),
)
