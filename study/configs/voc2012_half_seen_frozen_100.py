# As voc2012_half_frozen_100.py, fitted to the images that the model has been trained on, for comparison.
_base_ = './voc2012_half_frozen_100.py'

train_dataloader = dict(dataset=dict(indices=list(range(0, 1048, 2))))
