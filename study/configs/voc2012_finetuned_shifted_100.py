# As voc2012_finetuned_100.py, for three epochs, and with every validation image in six positions: see voc2012_shifted_100.py.
_base_ = ['./voc2012_finetuned_100.py', './_shifts.py']

max_epochs = 3
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=100),
    dict(type='PolyLR', power=0.9, eta_min=0, by_epoch=True, begin=0, end=max_epochs, convert_to_iter_based=True),
]
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
val_dataloader = dict(dataset=dict(_delete_=True, dataset=_base_.val_dataloader.dataset, **_base_.in_six_positions))
test_dataloader = val_dataloader
# mIoU, and how probable the labels are, which the highest class alone does not show.
val_evaluator = [dict(type='IoUMetric', iou_metrics=['mIoU']), dict(type='mmdownsize.LogLikelihood')]
test_evaluator = val_evaluator
