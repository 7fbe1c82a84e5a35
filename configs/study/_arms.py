# Arms of the study, for tools/compare.py --arms. A downsizer's rate is 10 times the head's unless its name says otherwise.
rate10 = {'optim_wrapper.paramwise_cfg.custom_keys.data_preprocessor': dict(lr_mult=10.0, decay_mult=0.0)}
rate3 = {'optim_wrapper.paramwise_cfg.custom_keys.data_preprocessor': dict(lr_mult=3.0, decay_mult=0.0)}
arms = dict(
    area=dict(downsizer=dict(type='FixedResizer', kernel='area')),
    downsizenet_4x4_area=dict(
        downsizer=dict(type='DownsizeNet', neighbors=4, distance='area', start='area'), options=rate10
    ),
    downsizenet_6x6_antialiased=dict(
        downsizer=dict(type='DownsizeNet', neighbors=6, distance='triangle', start='antialiased'), options=rate10
    ),
    downsizenet_6x6_signed=dict(
        downsizer=dict(type='DownsizeNet', neighbors=6, distance='area', normalize='none', start='area'),
        options=rate3,
    ),
    lanczos=dict(downsizer=dict(type='FixedResizer', kernel='lanczos', antialias=True)),
    bilinear=dict(downsizer=dict(type='FixedResizer', kernel='bilinear')),
)
