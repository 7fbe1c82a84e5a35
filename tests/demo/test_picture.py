"""The picture of the demo: which crops it shows."""

import numpy as np

from mmdownsize.demo.data import SIZE
from mmdownsize.demo.picture import CROP, choose_crops


def test_crops_show_every_class_where_they_can() -> None:
    labels = [np.zeros((SIZE, SIZE), np.uint8) for _ in range(4)]
    labels[2][60:180, 84:180] = np.arange(120)[:, None] // 40  # the only image of photograph 0 with all classes
    (index, top, left), (other, *_) = choose_crops(labels)
    assert index == 2 and other in (1, 3)
    assert len(np.unique(labels[2][top : top + CROP, left : left + CROP])) == 3
