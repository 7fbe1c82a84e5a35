# The positions that every validation image is tested in (voc2012_shifted_100.py and the like): pixels down and right.
in_six_positions = dict(type='mmdownsize.ShiftedDataset', shifts=[(0, 0), (7, -3), (-5, 6), (3, 8), (-8, -2), (-2, -7)])
