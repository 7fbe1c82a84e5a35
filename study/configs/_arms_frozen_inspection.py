# Before a finished model of configs/inspection: fixed resizers are only tested, learned ones are fitted to it, with its labels or
# without.
_base_ = '../../configs/_base_/downsize/downsizenet_6x6_signed.py'
NET = _base_.downsizer
MAP = dict(type='ImportanceResizer')
RATES = {
    'optim_wrapper.paramwise_cfg.custom_keys': {
        **_base_.downsizer_rates,
        'data_preprocessor.downsizer.score': dict(lr_mult=8.0),
        'data_preprocessor.downsizer.tone': dict(lr_mult=8.0),
    }
}
UNLABELLED = {
    **RATES,
    'model.type': 'mmdownsize.SelfDistilledEncoderDecoder',
    'model.class_balance': 1.0,
    'model.data_preprocessor.type': 'mmdownsize.SegPairDownsizePreprocessor',
    'model.data_preprocessor.keep_labels': False,
}


def fixed(**settings):
    """Return an arm with a fixed resizer, which is only tested."""
    return dict(downsizer=dict(type='FixedResizer', **settings), train=False)


arms = dict(
    bilinear=fixed(),
    area=fixed(kernel='area'),
    sharp_area=fixed(kernel='sharp_area'),
    bicubic=fixed(kernel='bicubic'),
    bicubic_antialiased=fixed(kernel='bicubic', antialias=True),
    lanczos_antialiased=fixed(kernel='lanczos', antialias=True),
    darkest=fixed(kernel='darkest'),
    darkest_soft_16=fixed(kernel='darkest', softness=16.0),
    darkest_soft_32=fixed(kernel='darkest', softness=32.0),
    downsizenet_6x6_signed=dict(downsizer=NET, options=RATES),
    importance=dict(downsizer=MAP, options=RATES),
    importance_colours=dict(downsizer=dict(MAP, per_channel=True), options=RATES),
    downsizenet_6x6_signed_unlabelled=dict(downsizer=NET, options=UNLABELLED),
    importance_unlabelled=dict(downsizer=MAP, options=UNLABELLED),
)
