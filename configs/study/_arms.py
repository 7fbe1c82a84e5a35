# The arms of the study, for tools/compare.py --arms. Fixed resizers are tested as they are in front of the finished model.
fixed = dict(
    bilinear=dict(kernel='bilinear'),
    antialiased=dict(kernel='bilinear', antialias=True),
    area=dict(kernel='area'),
    bicubic=dict(kernel='bicubic'),
    bicubic_antialiased=dict(kernel='bicubic', antialias=True),
    lanczos_antialiased=dict(kernel='lanczos', antialias=True),
)
learned = dict(
    downsizenet_auto_signed=dict(neighbors='auto', distance='bicubic', start='lanczos_antialias', normalize='signed'),
    downsizenet_2x2=dict(),
    downsizenet_4x4_area=dict(neighbors=4, distance='area', start='area'),
    downsizenet_6x6_signed=dict(neighbors=6, distance='bicubic', start='lanczos_antialias', normalize='signed'),
    downsizenet_6x6_signed_distance_only=dict(
        neighbors=6, distance='bicubic', start='lanczos_antialias', normalize='signed', texture=False
    ),
)
arms = {name: dict(downsizer=dict(type='FixedResizer', **kernel), train=False) for name, kernel in fixed.items()}
arms.update({name: dict(downsizer=dict(type='DownsizeNet', **settings)) for name, settings in learned.items()})
# The same with the IoU's own loss besides cross entropy, two epochs: it is slower.
lovasz = [
    dict(type='CrossEntropyLoss', avg_non_ignore=True, loss_name='loss_ce'),
    dict(type='LovaszLoss', loss_name='loss_lovasz', reduction='none'),
]
arms['downsizenet_6x6_signed_lovasz'] = dict(
    downsizer=dict(type='DownsizeNet', **learned['downsizenet_6x6_signed']),
    options={
        'model.decode_head.loss_decode': lovasz,
        'train_cfg.max_epochs': 2,
        'train_cfg.val_interval': 2,
        'param_scheduler.1.end': 2,
    },
)
# The same without labels: what the model itself says at full resolution is the target.
distilled = {
    'model.type': 'mmdownsize.SelfDistilledEncoderDecoder',
    'model.data_preprocessor.type': 'mmdownsize.SegPairDownsizePreprocessor',
}
arms['downsizenet_6x6_signed_distilled'] = dict(
    downsizer=dict(type='DownsizeNet', **learned['downsizenet_6x6_signed']), options=distilled
)
arms['downsizenet_auto_signed_distilled'] = dict(
    downsizer=dict(type='DownsizeNet', **learned['downsizenet_auto_signed']), options=distilled
)
arms['downsizenet_6x6_signed_bicubic_distilled'] = dict(
    downsizer=dict(type='DownsizeNet', neighbors=6, distance='bicubic', start='bicubic', normalize='signed'),
    options=distilled,
)
del fixed, learned, lovasz, distilled
