# The positions that every validation image is tested in (voc2012_shifted_100.py and the like): pixels down and right.
in_six_positions = dict(type='mmdownsize.ShiftedDataset', shifts=[(0, 0), (7, -3), (-5, 6), (3, 8), (-8, -2), (-2, -7)])
# For fixed kernels that are displaced as fits to VOC 2012's segmentor are: the image alone lies 2 pixels further up and left, so
# that they read from 2 pixels further down and right (*_displaced_*).
two_pixels_off = dict(type='mmdownsize.ShiftedDataset', shifts=[(-2, -2)], move_labels=False)
