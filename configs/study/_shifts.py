# The positions that every validation image is tested in (voc2012_shifted_100.py and the like): pixels down and right.
in_six_positions = dict(type='mmdownsize.ShiftedDataset', shifts=[(0, 0), (7, -3), (-5, 6), (3, 8), (-8, -2), (-2, -7)])
# For fixed kernels that are displaced as fits are (*_displaced_*): the image alone lies further up and left by the shift, so that
# they read from as many pixels further down and right.
image_alone = dict(type='mmdownsize.ShiftedDataset', move_labels=False)
