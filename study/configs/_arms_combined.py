# Importance joined with learned coefficients, (study/combined.py).
custom_imports = dict(imports=['study.combined'], allow_failed_imports=False)
NET = dict(num_convs=2, channels=16, distance='area', start='area')
ONE = dict(kernel='area')
COLOURS = dict(ONE, per_channel=True)
HERE = 'data_preprocessor.downsizer.'
OPTIONS = {
    'custom_imports': custom_imports,  # a run is a process of its own
    'optim_wrapper.paramwise_cfg.custom_keys': {
        HERE + 'importance.score': dict(lr_mult=8.0),
        HERE + 'importance.tone': dict(lr_mult=8.0),
        HERE + 'importance.texture': dict(lr_mult=1.0),
        HERE + 'net.fusion': dict(lr_mult=8.0),
        HERE + 'net.texture': dict(lr_mult=1.0),
    },
}


def arm(kind, **settings):
    """Return an arm of one of the study's forms."""
    return dict(downsizer=dict(type=f'mmdownsize.{kind}', **settings), options=OPTIONS)


arms = dict(
    both_6x6_softmax=arm('ImportantNeighbors', importance=ONE, net=dict(NET, neighbors=6)),
    both_6x6_signed=arm('ImportancePlus', importance=ONE, net=dict(NET, neighbors=6, normalize='signed')),
    both_6x6_signed_colours=arm('ImportancePlus', importance=COLOURS, net=dict(NET, neighbors=6, normalize='signed')),
)
