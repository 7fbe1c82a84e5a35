# As voc2012_full.py, trained on every second training image: the others are photographs that the model has not seen, for
# voc2012_half_frozen_100.py.
_base_ = './voc2012_full.py'

train_dataloader = dict(dataset=dict(indices=list(range(0, 1048, 2))))
max_epochs = 14  # of 131 steps
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=100),
    dict(type='PolyLR', power=0.9, eta_min=0, by_epoch=True, begin=0, end=max_epochs, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
