# Everything is trained together: fixed resizers, and learned ones that start at area unless named otherwise.
RATES = 'optim_wrapper.paramwise_cfg.custom_keys'
NET = dict(type='DownsizeNet', num_convs=2, channels=16)
SIGNED = dict(NET, distance='area', start='area', normalize='signed')
LAST = {
    'fusion': 8.0,
    'texture': 1.0,
}  # multiples of the model's rate: what starts at 0, and the convolutions before it
MAP = {'score': 8.0, 'tone': 8.0, 'texture': 1.0}


def learned(downsizer, rates):
    """Return an arm, and with which multiples of the model's rate its parts are trained."""
    keys = {f'data_preprocessor.downsizer.{part}': dict(lr_mult=by) for part, by in rates.items()}
    return dict(downsizer=downsizer, options={RATES: keys})


def importance(**settings):
    """Return an arm with an ImportanceResizer."""
    return learned(dict(type='ImportanceResizer', **settings), MAP)


def fixed(**settings):
    """Return an arm with a fixed resizer."""
    return dict(downsizer=dict(type='FixedResizer', **settings))


arms = dict(
    bilinear=fixed(),
    area=fixed(kernel='area'),
    sharp_area=fixed(kernel='sharp_area'),
    bicubic_antialiased=fixed(kernel='bicubic', antialias=True),
    lanczos_antialiased=fixed(kernel='lanczos', antialias=True),
    darkest=fixed(kernel='darkest'),
    brightest=fixed(kernel='brightest'),
    darkest_soft_8=fixed(kernel='darkest', softness=8.0),
    darkest_soft_16=fixed(kernel='darkest', softness=16.0),
    darkest_soft_32=fixed(kernel='darkest', softness=32.0),
    learned_resizer=learned(dict(type='LearnedResizer'), {}),
    one_kernel_6x6_signed=learned(dict(SIGNED, neighbors=6, texture=False, num_convs=2), LAST),
    downsizenet_paper=learned(dict(NET, neighbors=2, normalize='sigmoid', start='random'), {}),
    downsizenet_4x4_softmax=learned(dict(NET, neighbors=4, distance='area', start='area'), LAST),
    downsizenet_auto_softmax=learned(dict(NET, neighbors='auto', distance='area', start='area'), LAST),
    downsizenet_6x6_signed=learned(dict(SIGNED, neighbors=6), LAST),
    downsizenet_8x8_signed=learned(dict(SIGNED, neighbors=8), LAST),
    importance=importance(),
    importance_8=importance(channels=8),
    importance_2=importance(num_convs=2),
    importance_3_dilated=importance(num_convs=3, dilation=2),
    importance_colours=importance(per_channel=True),
    importance_colours_2=importance(per_channel=True, num_convs=2),
    importance_around_lanczos=importance(around='lanczos_antialias'),
    importance_colours_around_lanczos=importance(per_channel=True, around='lanczos_antialias'),
    importance_darkest=importance(start='darkest'),
    importance_colours_2_around_lanczos=importance(per_channel=True, num_convs=2, around='lanczos_antialias'),
    importance_colours_3_around_lanczos=importance(
        per_channel=True, num_convs=3, dilation=2, around='lanczos_antialias'
    ),
)
