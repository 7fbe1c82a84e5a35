# ImportanceResizer, 2 convolutions; starts as area.
# The second convolution sees 5 x 5 pixels around each.
# _base_ = [A_CONFIG, '.../_base_/downsize/importance_2-convs.py'], then
# model = dict(data_preprocessor=dict(downsizer=dict(_delete_=True, **_base_.downsizer)))
# optim_wrapper = dict(paramwise_cfg=dict(custom_keys=_base_.downsizer_rates))
downsizer = dict(type='ImportanceResizer', num_convs=2, channels=16, kernel='area')
# Multiples of the model's learning rate. The score and the tone turn features and brightness into importance; they start at 0 and
# need a high rate.
downsizer_rates = {
    'data_preprocessor.downsizer.score': dict(lr_mult=8.0),
    'data_preprocessor.downsizer.tone': dict(lr_mult=8.0),
    'data_preprocessor.downsizer.texture': dict(lr_mult=1.0),
}
