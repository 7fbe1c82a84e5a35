# As voc2012_det_shifted_100.py, for fixed kernels that are displaced: the image alone lies 2 pixels further up and left in each
# position, so that they read from 2 pixels further down and right, as downsizers that were fitted to the segmentor of VOC 2012 do.
_base_ = './voc2012_det_shifted_100.py'

displaced = dict(
    type='mmdownsize.ShiftedDataset',
    dataset=_base_.val_dataloader.dataset.dataset,
    shifts=[(-2, -2)],
    move_labels=False,
)
val_dataloader = dict(dataset=dict(dataset=dict(_delete_=True, **displaced)))
test_dataloader = val_dataloader
