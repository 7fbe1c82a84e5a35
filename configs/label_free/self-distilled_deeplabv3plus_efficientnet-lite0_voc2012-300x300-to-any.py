# A downsizer fitted without labels, at factors of 0.2 to 0.6: a finished segmentor shall predict on small images what it
# predicts on 300 x 300. Give it with --cfg-options load_from=..., trained with configs/study/voc2012_full.py; nothing but the
# downsizer is trained. Take the result out with tools/extract_downsizer.py and name it with pretrained= in any other config.
_base_ = ['../study/voc2012_frozen_100.py', '../_base_/downsize/downsizenet_6x6_signed.py']

model = dict(
    type='mmdownsize.SelfDistilledEncoderDecoder',
    data_preprocessor=dict(
        type='mmdownsize.SegPairDownsizePreprocessor',
        downsizer=dict(_delete_=True, **_base_.downsizer),
        train_scale_factor=(0.2, 0.6),
    ),
)
max_epochs = 6
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=_base_.downsizer_rates))
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=50),
    dict(type='PolyLR', power=0.9, eta_min=0, by_epoch=True, begin=0, end=max_epochs, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
