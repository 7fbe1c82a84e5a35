# The arms of the study where a finished model is fine-tuned with what stands in front of it, for tools/compare.py --arms.
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
    downsizenet_6x6_area_distance_only=dict(from_area, texture=False),
    downsizenet_4x4_area_softmax=dict(type='DownsizeNet', neighbors=4, distance='area', start='area'),
)
# On VOC 2012 at 60 x 60 four times the model's rate was better than area and sixteen times worse.
faster = {'optim_wrapper.paramwise_cfg.custom_keys.data_preprocessor.lr_mult': 4.0}
arms = {name: dict(downsizer=dict(type='FixedResizer', **kernel)) for name, kernel in fixed.items()}
arms.update({name: dict(downsizer=downsizer, options=faster) for name, downsizer in learned.items()})
del fixed, from_area, learned, faster
