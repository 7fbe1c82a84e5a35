# A downsizer fitted without labels to a finished model's own backbone (voc2012_full.py, given with load_from).
_base_ = '../label_free/feature-matching_efficientnet-lite0_voc2012-300x300-to-100x100.py'

model = dict(
    data_preprocessor=dict(
        downsizer=dict(
            _delete_=True,
            type='DownsizeNet',
            neighbors=6,
            distance='bicubic',
            start='lanczos_antialias',
            normalize='signed',
        )
    ),
    backbone=dict(out_indices=(1, 3), output_stride=8),
)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
