# The resizers of the study, and the rates at which the learned ones are trained; what is trained with them, the arms say.
fixed = dict(
    bilinear=dict(kernel='bilinear'),
    antialiased=dict(kernel='bilinear', antialias=True),
    area=dict(kernel='area'),
    bicubic=dict(kernel='bicubic'),
    bicubic_antialiased=dict(kernel='bicubic', antialias=True),
    lanczos_antialiased=dict(kernel='lanczos', antialias=True),
)
from_area = dict(type='DownsizeNet', neighbors=6, distance='area', start='area', normalize='signed')
learned = dict(
    downsizenet_6x6_area=from_area,
    downsizenet_6x6_bicubic=dict(from_area, distance='bicubic', start='bicubic'),
    downsizenet_6x6_area_distance_only=dict(from_area, texture=False),
    downsizenet_8x8_area=dict(from_area, neighbors=8),
    downsizenet_4x4_area_softmax=dict(type='DownsizeNet', neighbors=4, distance='area', start='area'),
    downsizenet_paper=dict(type='DownsizeNet', start='random', normalize='sigmoid'),
    talebi=dict(type='LearnedResizer'),
    muller=dict(type='MullerResizer'),
)
# The fusion, which decides how coefficients follow what the convolutions say, learns fast; the convolutions learn at the
# head's rate. Faster, their features can fall silent within some hundred steps: the coefficients are then the same
# everywhere, a better kernel but one kernel.
rates = {
    'data_preprocessor.downsizer.fusion': dict(lr_mult=8.0),
    'data_preprocessor.downsizer.texture': dict(lr_mult=1.0),
}
at_rates = {'optim_wrapper.paramwise_cfg.custom_keys': rates}
