# DownsizeNet, 6x6, can sharpen; starts as area.
# Coefficients of any sign on 6 x 6 source pixels; before training it is the area mean.
# _base_ = [A_CONFIG, '.../_base_/downsize/downsizenet_6x6_signed.py'], then
# model = dict(data_preprocessor=dict(downsizer=dict(_delete_=True, **_base_.downsizer)))
# optim_wrapper = dict(paramwise_cfg=dict(custom_keys=_base_.downsizer_rates))
downsizer = dict(
    type='DownsizeNet', num_convs=2, channels=16, neighbors=6, distance='area', normalize='signed', start='area'
)
# Multiples of the model's learning rate. The fusion turns features into coefficients; it starts at 0 and needs a high rate.
# With the same rate the convolutions' features can become 0 within some hundred steps: the coefficients are then the same
# everywhere, that is one fixed kernel.
downsizer_rates = {
    'data_preprocessor.downsizer.fusion': dict(lr_mult=8.0),
    'data_preprocessor.downsizer.texture': dict(lr_mult=1.0),
}
