"""Before a model: a trained downsizer's order of colours and value range, against what the config and the batches say."""

import warnings

import numpy as np
import pytest
import torch

from mmdownsize.resizers import DownsizeNet
from tests.preprocessors.batches import det_preprocessor, det_sample, random_image, seg_preprocessor, seg_sample

SHIPPED = dict(type='DownsizeNet', pretrained='downsizenet_6x6_signed_voc2012', frozen=True)
NORMALISED = dict(mean=[1.0, 2.0, 3.0], std=[1.0, 1.0, 1.0])
both_tasks = pytest.mark.parametrize('build', [det_preprocessor, seg_preprocessor])


def of_colors(tmp_path, order):
    DownsizeNet().save_pretrained(tmp_path / 'net.safetensors', color_order=order)
    return dict(type='DownsizeNet', pretrained=str(tmp_path / 'net.safetensors'))


@both_tasks
@pytest.mark.parametrize(
    ('order', 'flag', 'other'), [('BGR', 'rgb_to_bgr', 'RGB'), ('RGB', 'bgr_to_rgb', 'BGR')], ids=['BGR', 'RGB']
)
def test_another_order_of_colours_is_named_once(build, order, flag, other, tmp_path):
    message = f'was trained on {order} images, and {flag}=True says that they come as {other}'
    with pytest.warns(UserWarning, match=message) as told:
        build(downsizer=of_colors(tmp_path, order), **{flag: True}, **NORMALISED)
    assert sum('come as' in str(one.message) for one in told) == 1


@both_tasks
@pytest.mark.parametrize('settings', [dict(bgr_to_rgb=True), dict(bgr_to_rgb=False, rgb_to_bgr=False), {}], ids=str)
def test_the_same_order_or_none_that_is_known_passes_without_a_word(build, settings, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter('error', UserWarning)
        build(downsizer=SHIPPED, **settings, **NORMALISED)
        build(downsizer=of_colors(tmp_path, None), rgb_to_bgr=True, **NORMALISED)
        build(downsizer=dict(type='FixedResizer'), rgb_to_bgr=True, **NORMALISED)


def test_positional_settings_are_read_as_well():
    from mmdownsize.preprocessors.det import DetDownsizePreprocessor

    with pytest.warns(UserWarning, match='rgb_to_bgr=True'):
        # mean, std, pad_size_divisor, pad_value, pad_mask, mask_pad_value, pad_seg, seg_pad_value, bgr_to_rgb, rgb_to_bgr
        DetDownsizePreprocessor(
            [1.0] * 3, [1.0] * 3, 1, 0, False, 0, False, 255, False, True, downsizer=SHIPPED, scale_factor=0.33
        )


def test_mmpretrain_says_it_in_its_own_words(tmp_path):
    pytest.importorskip('tests.mmpretrain_here')
    from mmdownsize.preprocessors.cls import ClsDownsizePreprocessor

    with pytest.warns(UserWarning, match='was trained on RGB images, and to_rgb=True says that they come as BGR'):
        ClsDownsizePreprocessor(downsizer=of_colors(tmp_path, 'RGB'), scale_factor=0.5, to_rgb=True)


@pytest.mark.parametrize(('build', 'sample'), [(det_preprocessor, det_sample), (seg_preprocessor, seg_sample)])
@pytest.mark.parametrize('training', [True, False], ids=['training', 'test'])
def test_a_batch_that_cannot_be_in_the_range_is_named_once(build, sample, training):
    preprocessor = build(downsizer=dict(type='DownsizeNet'))
    right = dict(inputs=[random_image()], data_samples=[sample()])
    wrong = dict(inputs=[random_image().float() / 255], data_samples=[sample()])
    with warnings.catch_warnings():
        warnings.simplefilter('error', UserWarning)
        preprocessor(right, training)
    with pytest.warns(UserWarning, match='for images of 0 to 255, and this batch has 0 to 1:') as told:
        preprocessor(wrong, training)
        preprocessor(wrong, training)
    assert sum('for images of 0 to 255' in str(one.message) for one in told) == 1


@both_tasks
def test_a_config_converts_to_another_range(build):
    image = random_image()
    small = build(downsizer=SHIPPED)(dict(inputs=[image]))['inputs']
    with warnings.catch_warnings():
        warnings.simplefilter('error', UserWarning)
        unit = build(downsizer=dict(SHIPPED, value_range=(0, 1)))(dict(inputs=[image.float() / 255]))['inputs']
    assert np.allclose(255 * unit, small, atol=1e-2)
    assert torch.isfinite(unit).all()
