# Where a fit starts, how fast its fusion learns, in multiples of 1e-3, and how fast what that has learned decays
# (START_RATE_DECAY). A decay of 1 takes 0.8 % in a step at eight times the rate.
_base_ = './_arms.py'

arms = {name: _base_.arms[name] for name in _base_.fixed}
for start, rate, decay in [
    ('area', 8, 0),
    ('area', 8, 1),
    ('sharp_area', 8, 0),
    ('sharp_area', 8, 1),
    ('sharp_area', 8, 4),
    ('sharp_area', 1, 0),
]:
    rates = {
        **_base_.distilled,
        'optim_wrapper.optimizer.weight_decay': 1.0,
        'optim_wrapper.paramwise_cfg.custom_keys': {
            'data_preprocessor.downsizer.fusion': dict(lr_mult=float(rate), decay_mult=float(decay)),
            'data_preprocessor.downsizer.texture': dict(lr_mult=1.0, decay_mult=0.0),
        },
    }
    from_start = dict(_base_.from_area, start=start)
    # Four epochs, with voc2012_frozen_100.py; about as many steps with each image in five positions, once in each, with
    # voc2012_shifted_100.py.
    four_epochs = {'train_cfg.max_epochs': 4, 'train_cfg.val_interval': 4, 'param_scheduler.1.end': 4}
    arms[f'{start}_{rate}_{decay}'] = dict(downsizer=from_start, options={**rates, **four_epochs})
    once = {
        **_base_.in_five_positions,
        'model.memory_mb': 1200,
        'train_cfg.max_epochs': 1,
        'train_cfg.val_interval': 1,
        'param_scheduler.1.end': 1,
    }
    arms[f'{start}_{rate}_{decay}_positions'] = dict(downsizer=from_start, options={**rates, **once})
    # The same at all factors of 0.3 to 0.7, drawn for each batch, not at the one that it is tested at.
    any_factor = {**once, 'model.data_preprocessor.train_scale_factor': (0.3, 0.7)}
    arms[f'{start}_{rate}_{decay}_any'] = dict(downsizer=from_start, options={**rates, **any_factor})
