# Where a fit starts, how fast its fusion learns, in multiples of 1e-3, and how fast what that has learned decays
# (START_RATE_DECAY). A decay of 1 takes 0.8 % in a step at eight times the rate.
_base_ = './_arms.py'

# With voc2012_frozen_100.py; and about as many steps with voc2012_shifted_100.py: each image once in each of five positions.
schedules = {
    '': {**_base_.distilled, **_base_.epochs.four},
    '_positions': _base_.once,
    # At all factors of 0.3 to 0.7, drawn for each batch, not at the one that it is tested at.
    '_any': {**_base_.once, 'model.data_preprocessor.train_scale_factor': (0.3, 0.7)},
}
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
        'optim_wrapper.optimizer.weight_decay': 1.0,
        'optim_wrapper.paramwise_cfg.custom_keys': {
            'data_preprocessor.downsizer.fusion': dict(lr_mult=float(rate), decay_mult=float(decay)),
            'data_preprocessor.downsizer.texture': dict(lr_mult=1.0, decay_mult=0.0),
        },
    }
    for ending, schedule in schedules.items():
        arms[f'{start}_{rate}_{decay}{ending}'] = dict(
            downsizer=dict(_base_.from_area, start=start), options={**schedule, **rates}
        )
