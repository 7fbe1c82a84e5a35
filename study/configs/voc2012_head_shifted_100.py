# As voc2012_head_100.py, with every validation image in six positions: see voc2012_shifted_100.py.
_base_ = ['./voc2012_head_100.py', './_shifts.py']

val_dataloader = dict(dataset=dict(_delete_=True, dataset=_base_.val_dataloader.dataset, **_base_.in_six_positions))
test_dataloader = val_dataloader
