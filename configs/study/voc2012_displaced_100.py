# As voc2012_shifted_100.py, for fixed kernels that lie 2 source pixels
# further down and right, as fits to this model do: see _shifts.py.
_base_ = './voc2012_shifted_100.py'

shown = _base_.val_dataloader.dataset.dataset
val_dataloader = dict(dataset=dict(dataset=dict(_delete_=True, dataset=shown, shifts=[(-2, -2)], **_base_.image_alone)))
test_dataloader = val_dataloader
