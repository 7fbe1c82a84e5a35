# As camvid_shifted_108.py, for fixed kernels that lie 2 source pixels
# further down and right, as fits to the segmentor of VOC 2012 do: see _shifts.py.
_base_ = './camvid_shifted_108.py'

shown = _base_.val_dataloader.dataset.dataset
val_dataloader = dict(dataset=dict(dataset=dict(_delete_=True, dataset=shown, shifts=[(-2, -2)], **_base_.image_alone)))
test_dataloader = val_dataloader
