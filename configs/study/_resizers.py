# What the arms of the study have in common: the fixed resizers, and the downsizer that the others vary.
fixed = dict(
    bilinear=dict(kernel='bilinear'),
    antialiased=dict(kernel='bilinear', antialias=True),
    area=dict(kernel='area'),
    bicubic=dict(kernel='bicubic'),
    bicubic_antialiased=dict(kernel='bicubic', antialias=True),
    lanczos_antialiased=dict(kernel='lanczos', antialias=True),
)
from_area = dict(type='DownsizeNet', neighbors=6, distance='area', start='area', normalize='signed')
