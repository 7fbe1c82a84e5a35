# As voc2012_det_shifted_100.py, for fixed kernels that are displaced by 2 source pixels down and right: see _shifts.py.
_base_ = './voc2012_det_shifted_100.py'

displaced = dict(_delete_=True, dataset=_base_.val_dataloader.dataset.dataset, **_base_.two_pixels_off)
val_dataloader = dict(dataset=dict(dataset=displaced))
test_dataloader = val_dataloader
