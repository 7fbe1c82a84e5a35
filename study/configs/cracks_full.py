# A model as its user has it: cracks, trained at full resolution (320 x 480), without a downsizer.
_base_ = '../../configs/inspection/unet_crackforest-320x480.py'
