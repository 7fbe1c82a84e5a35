_base_ = './atss_efficientnet-lite0_bccd-480x640-to-120x160.py'
model = dict(
    data_preprocessor=dict(
        downsizer=dict(_delete_=True, type='ImportanceResizer', per_channel=True, around='lanczos_antialias')
    )
)
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys={
            'data_preprocessor.downsizer.score': dict(lr_mult=8.0),
            'data_preprocessor.downsizer.tone': dict(lr_mult=8.0),
        }
    )
)
