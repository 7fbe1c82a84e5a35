# As voc2012_frozen_100.py, for the model of voc2012_half_full.py (given with --start): the downsizer is fitted to the training
# images that the model has not been trained on.
_base_ = './voc2012_frozen_100.py'

train_dataloader = dict(dataset=dict(indices=list(range(1, 1048, 2))))
max_epochs = 12  # of 66 steps
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=50),
    dict(type='PolyLR', power=0.9, eta_min=0, by_epoch=True, begin=0, end=max_epochs, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
