# As _arms.py, for a detector: the downsizers are fitted with its own loss.
fixed = dict(
    bilinear=dict(kernel='bilinear'),
    antialiased=dict(kernel='bilinear', antialias=True),
    area=dict(kernel='area'),
    bicubic=dict(kernel='bicubic'),
    bicubic_antialiased=dict(kernel='bicubic', antialias=True),
    lanczos_antialiased=dict(kernel='lanczos', antialias=True),
)
from_area = dict(type='DownsizeNet', neighbors=6, distance='area', start='area', normalize='signed')
arms = {name: dict(downsizer=dict(type='FixedResizer', **kernel), train=False) for name, kernel in fixed.items()}
arms.update(
    downsizenet_6x6_area=dict(downsizer=from_area),
    downsizenet_6x6_bicubic=dict(downsizer=dict(from_area, distance='bicubic', start='bicubic')),
    downsizenet_paper=dict(downsizer=dict(type='DownsizeNet', start='random', normalize='sigmoid')),
    talebi=dict(downsizer=dict(type='LearnedResizer')),
)
del fixed, from_area
