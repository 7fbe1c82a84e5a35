# A downsizer fitted without labels, at factors of 0.2 to 0.6: a finished segmentor shall predict on small images what it
# predicts on 300 x 300. Give it with --cfg-options load_from=..., trained with study/configs/voc2012_full.py; nothing but the
# downsizer is trained. Take the result out with tools/extract_downsizer.py and name it with pretrained= in any other config.
_base_ = ['../../study/configs/voc2012_frozen_100.py', '../_base_/downsize/downsizenet_6x6_signed.py']

model = dict(
    type='mmdownsize.SelfDistilledEncoderDecoder',
    memory_mb=300,
    data_preprocessor=dict(
        type='mmdownsize.SegPairDownsizePreprocessor',
        downsizer=dict(_delete_=True, **_base_.downsizer),
        train_scale_factor=(0.2, 0.6),
    ),
)
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=_base_.downsizer_rates))
