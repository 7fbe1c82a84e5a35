"""The picture of the demo: which crops it shows."""

import numpy as np
import pytest

from mmdownsize.demo import photographs
from mmdownsize.demo.data import SIZE, SMALL, TEST_PHOTOGRAPHS, TRAIN_PHOTOGRAPHS, load_photograph
from mmdownsize.demo.picture import CROP, choose_crops


def test_crops_show_every_class_where_they_can() -> None:
    labels = [np.zeros((SIZE, SIZE), np.uint8) for _ in range(4)]
    labels[2][60:180, 84:180] = np.arange(120)[:, None] // 40  # the only image of photograph 0 with all classes
    (index, top, left), (other, *_) = choose_crops(labels)
    assert index == 2 and other in (1, 3)
    assert len(np.unique(labels[2][top : top + CROP, left : left + CROP])) == 3


def test_photographs_are_shown_whole_and_in_their_colours() -> None:
    pytest.importorskip('skimage')
    for (name, top, left), (source, *small) in zip(photographs.CROPS, photographs.rows(), strict=True):
        assert name in TRAIN_PHOTOGRAPHS + TEST_PHOTOGRAPHS  # which nobody has to download
        assert np.array_equal(source, load_photograph(name)[top : top + SIZE, left : left + SIZE])
        assert len(small) + 1 == len(photographs.TITLES)
        for panel in small:
            assert panel.shape == (SMALL, SMALL, 3) and panel.dtype == np.uint8
            assert np.allclose(panel.mean((0, 1)), source.mean((0, 1)), atol=4)  # red is red
        bilinear, area, learned = (panel.astype(float) for panel in small)
        assert np.allclose(area, source.reshape(SMALL, 3, SMALL, 3, 3).mean((1, 3)), atol=0.51)
        assert np.abs(learned - area).mean() > 1 and np.abs(bilinear - area).mean() > 1
