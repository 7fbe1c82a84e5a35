# As voc2012_frozen_100.py, with every validation image in six positions. A finished model's mIoU moves by some tenths of a point
# with where an image happens to lie, and this averages it. A fit may see its images in several positions, too (_arms.py).
_base_ = ['./voc2012_frozen_100.py', './_shifts.py']

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='mmdownsize.ShiftedDataset',
        dataset=_base_.train_dataloader.dataset,
        shifts=[(0, 0)],
    )
)
val_dataloader = dict(dataset=dict(_delete_=True, dataset=_base_.val_dataloader.dataset, **_base_.in_six_positions))
test_dataloader = val_dataloader
