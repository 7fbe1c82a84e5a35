import math

import cv2
import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from mmdownsize.geometry import TargetSize

sides = st.integers(1, 3000)
factors = st.one_of(
    st.floats(0.01, 4),
    st.sampled_from([0.5, 1 / 3, 0.3, 2.0, 1.0, 160 / 300]),
    st.integers(1, 3),
    st.tuples(st.floats(0.01, 4), st.floats(0.01, 4)),
)
scales = st.one_of(st.integers(1, 2000), st.tuples(st.integers(1, 2000), st.integers(1, 2000)))


@pytest.mark.parametrize(
    ('arguments', 'src_hw', 'dst_hw'),
    [
        ({'scale_factor': 0.5}, (300, 400), (150, 200)),
        ({'scale_factor': (0.5, 0.25)}, (300, 400), (75, 200)),
        ({'scale_factor': 0.5}, (301, 3), (151, 2)),  # 150.5 and 1.5 go up
        ({'scale_factor': 1 / 3}, (300, 301), (100, 100)),
        ({'scale_factor': 2}, (3, 5), (6, 10)),
        ({'scale_factor': 0.3}, (1024, 2048), (307, 614)),
        ({'scale': (144, 108)}, (360, 480), (108, 144)),
        ({'scale': 160}, (300, 200), (160, 160)),
        ({'scale': (160, 120), 'keep_ratio': True}, (300, 400), (120, 160)),
        ({'scale': (120, 160), 'keep_ratio': True}, (300, 400), (120, 160)),
        ({'scale': (1333, 800), 'keep_ratio': True}, (480, 640), (800, 1067)),
        ({'scale': (1333, 800), 'keep_ratio': True}, (640, 480), (1067, 800)),
        ({'scale': [160, 120]}, [300, 400], (120, 160)),
        ({'scale_factor': 1}, (1, 1), (1, 1)),
    ],
)
def test_golden_values(arguments, src_hw, dst_hw):
    assert TargetSize(**arguments).of(src_hw) == dst_hw


@given(sides, sides, factors | st.none(), scales, st.booleans())
def test_same_size_as_mmcv_resize(height, width, factor, scale, keep_ratio):
    mmcv = pytest.importorskip('mmcv', reason='mmcv is not installed: TargetSize is NOT compared with its reference')
    transforms = pytest.importorskip('mmcv.transforms', reason='mmcv.transforms does not import')
    arguments = {'scale': scale} if factor is None else {'scale_factor': factor}
    # Resize's own steps up to the size, without the pixels; it takes no whole number as a factor, ours does
    resize = transforms.Resize(
        scale=arguments.get('scale'), scale_factor=float(factor) if isinstance(factor, int) else factor
    )
    size_wh = resize.scale or mmcv.image.geometric._scale_size((width, height), resize.scale_factor)
    if keep_ratio:
        assume(min(size_wh) > 0)
        size_wh = mmcv.rescale_size((width, height), size_wh)
    assume(min(size_wh) > 0)
    assert TargetSize(**arguments, keep_ratio=keep_ratio).of((height, width)) == size_wh[::-1]


@given(st.integers(1, 60), st.integers(1, 60), factors, st.booleans())
def test_same_size_as_an_image_that_went_through_mmcv_resize(height, width, factor, keep_ratio):
    transforms = pytest.importorskip(
        'mmcv.transforms', reason='mmcv is not installed: TargetSize is NOT compared with it'
    )
    factor = float(factor) if isinstance(factor, int) else factor
    try:
        expected = transforms.Resize(scale_factor=factor, keep_ratio=keep_ratio)(
            {'img': np.zeros((height, width, 3), np.uint8)}
        )['img_shape']
    except (cv2.error, ZeroDivisionError):
        assume(False)  # a side of 0 px; ours is tested below
    assert TargetSize(scale_factor=factor, keep_ratio=keep_ratio).of((height, width)) == expected


@given(sides, sides, scales)
def test_keep_ratio_fits_the_box_and_touches_it(height, width, scale):
    try:
        h, w = TargetSize(scale=scale, keep_ratio=True).of((height, width))
    except ValueError:
        assume(False)
    long, short = (scale, scale) if isinstance(scale, int) else (max(scale), min(scale))
    assert max(h, w) <= long
    assert min(h, w) <= short
    assert max(h, w) == long or min(h, w) == short
    ratio = min(long / max(height, width), short / min(height, width))
    assert abs(h - height * ratio) <= 0.5 + 1e-6
    assert abs(w - width * ratio) <= 0.5 + 1e-6


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({}, 'exactly one target.*scale_factor=None and scale=None'),
        ({'scale_factor': 0.5, 'scale': (4, 5)}, r'exactly one target.*scale_factor=0.5 and scale=\(4, 5\)'),
        ({'scale_factor': 0}, 'scale_factor.*above 0.*got 0'),
        ({'scale_factor': -0.5}, 'scale_factor.*above 0.*got -0.5'),
        ({'scale_factor': (0.5, -1)}, r'scale_factor.*above 0.*got \(0.5, -1\)'),
        ({'scale_factor': math.inf}, 'scale_factor.*finite.*got inf'),
        ({'scale_factor': math.nan}, 'scale_factor.*got nan'),
        ({'scale_factor': '0.5'}, "scale_factor must be a number.*got '0.5'"),
        ({'scale_factor': True}, 'scale_factor must be a number.*got True'),
        ({'scale_factor': (0.5, 0.5, 0.5)}, r'scale_factor must be.*got \(0.5, 0.5, 0.5\)'),
        ({'scale': (0, 5)}, r'scale.*above 0.*got \(0, 5\)'),
        ({'scale': -3}, 'scale.*above 0.*got -3'),
        ({'scale': (5,)}, r'scale must be.*got \(5,\)'),
        ({'scale': (160.5, 120)}, r'whole pixels.*got \(160.5, 120\).*scale_factor'),
        ({'scale': 0.5}, 'whole pixels.*got 0.5.*scale_factor'),
    ],
)
def test_bad_targets_are_refused_by_value(arguments, message):
    with pytest.raises(ValueError, match=message):
        TargetSize(**arguments)


@pytest.mark.parametrize(
    ('arguments', 'src_hw', 'message'),
    [
        ({'scale_factor': 0.1}, (4, 100), r'scale_factor=0.1.*10 x 0 px.*100 x 4 px'),
        ({'scale_factor': (0.1, 1)}, (100, 4), r'scale_factor=\(0.1, 1\).*0 x 100 px.*4 x 100 px'),
        ({'scale': (10, 10), 'keep_ratio': True}, (1, 100), r'scale=\(10, 10\).*10 x 0 px.*100 x 1 px'),
        ({'scale_factor': 0.1, 'keep_ratio': True}, (4, 100), r'10 x 0 px.*100 x 4 px'),
    ],
)
def test_a_target_of_0_pixels_says_for_which_image(arguments, src_hw, message):
    with pytest.raises(ValueError, match=message):
        TargetSize(**arguments).of(src_hw)


def test_is_a_value():
    assert TargetSize(scale_factor=0.5) == TargetSize(scale_factor=0.5)
    assert hash(TargetSize(scale=(4, 5))) == hash(TargetSize(scale=(4, 5)))
    with pytest.raises(AttributeError):
        TargetSize(scale_factor=0.5).scale_factor = 2


def test_an_open_side_needs_a_recording():
    with pytest.raises(ValueError, match=r'the size of an image must be .* got \(tensor\(30\), 44\)'):
        TargetSize(scale_factor=0.5).of((torch.tensor(30), 44))
