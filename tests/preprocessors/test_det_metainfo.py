"""What a detector reads to go back to the original image, field by field."""

import numpy as np
import pytest
import torch
from mmdet.datasets.transforms import PackDetInputs, RandomCenterCropPad
from mmengine.registry import MODELS, DefaultScope

from tests.preprocessors.batches import (
    DST_HW,
    SCALE_X,
    SCALE_Y,
    SRC_HW,
    det_preprocessor,
    det_sample,
    random_boxes,
    random_image,
    scaled,
)

both_modes = pytest.mark.parametrize('training', [True, False], ids=['training', 'test'])


def processed(sample, training, hw=SRC_HW, **kwargs):
    data = det_preprocessor(**kwargs)(dict(inputs=[random_image(hw)], data_samples=[sample]), training)
    return data['data_samples'][0]


@both_modes
def test_img_shape_is_the_downsized_image_as_a_plain_tuple_of_integers(training):
    shape = processed(det_sample(img_shape=(*SRC_HW, 3)), training).img_shape
    assert type(shape) is tuple
    assert [type(side) for side in shape] == [int, int]
    assert shape == DST_HW


@both_modes
def test_img_shape_of_an_image_that_the_pipeline_padded_is_its_unpadded_part(training):
    # 30 x 40 of 37 x 53 px are image: 30 * 15 / 37 = 12.2, 40 * 21 / 53 = 15.8
    assert processed(det_sample(img_shape=(30, 40)), training).img_shape == (12, 16)
    assert processed(det_sample(img_shape=(1, 1)), training).img_shape == (1, 1)


@both_modes
def test_img_shape_never_exceeds_the_tensor(training):
    assert processed(det_sample(img_shape=(74, 106)), training).img_shape == DST_HW


@both_modes
def test_scale_factor_is_width_first_and_from_actual_sizes(training):
    factor = processed(det_sample(), training).scale_factor
    assert type(factor) is tuple
    assert [type(part) for part in factor] == [float, float]
    assert factor == (SCALE_X, SCALE_Y)


@both_modes
@pytest.mark.parametrize('wrap', [tuple, list, np.array])
def test_scale_factor_composes_with_that_of_the_pipeline(training, wrap):
    factor = processed(det_sample(scale_factor=wrap([2.0, 0.5])), training).scale_factor
    assert factor == pytest.approx((2 * SCALE_X, 0.5 * SCALE_Y), rel=1e-12)


@both_modes
def test_ori_shape_and_unrelated_fields_stay(training):
    meta = processed(det_sample(ori_shape=(480, 640), flip=True, flip_direction='horizontal'), training).metainfo
    assert meta['ori_shape'] == (480, 640)
    assert meta['img_id'] == 7
    assert (meta['flip'], meta['flip_direction']) == (True, 'horizontal')
    assert 'border' not in meta
    assert 'homography_matrix' not in meta


@both_modes
def test_pad_shape_and_batch_input_shape_are_those_of_the_downsized_batch(training):
    preprocessor = det_preprocessor(scale_factor=0.5, pad_size_divisor=8)
    samples = [det_sample(hw, pad_shape=(64, 64), batch_input_shape=(64, 64)) for hw in ((20, 40), (36, 10))]
    images = [random_image((20, 40)), random_image((36, 10))]
    data = preprocessor(dict(inputs=images, data_samples=samples), training)
    assert data['inputs'].shape == (2, 3, 24, 24)  # 10 x 20 and 18 x 5, padded together
    assert [sample.pad_shape for sample in data['data_samples']] == [(16, 24), (24, 8)]
    assert [sample.batch_input_shape for sample in data['data_samples']] == [(24, 24), (24, 24)]
    assert [sample.img_shape for sample in data['data_samples']] == [(10, 20), (18, 5)]


@both_modes
@pytest.mark.parametrize('wrap', [list, tuple, np.array])
def test_border_is_scaled_side_by_side_and_comes_with_a_scale_factor(training, wrap):
    sample = processed(det_sample(border=wrap([3.0, 34.0, 5.0, 48.0])), training)
    wanted = [3 * SCALE_Y, 34 * SCALE_Y, 5 * SCALE_X, 48 * SCALE_X]
    assert np.asarray(sample.border).tolist() == pytest.approx(wanted, rel=1e-6)
    assert 'scale_factor' in sample


@pytest.mark.parametrize('hw', [(37, 53), (64, 33), (31, 31)])
def test_boxes_return_through_the_padding_of_centernets_test_pipeline(hw):
    boxes = random_boxes(4, hw)
    pad = RandomCenterCropPad(
        ratios=None,
        border=None,
        mean=[0, 0, 0],
        std=[1, 1, 1],
        to_rgb=True,
        test_mode=True,
        test_pad_mode=['logical_or', 31],
        test_pad_add_pix=1,
    )
    image = random_image(hw, dtype=torch.float32).permute(1, 2, 0).numpy()
    results = pad(dict(img=image, img_shape=hw, ori_shape=hw, img_id=0, img_path=''))
    packed = PackDetInputs(meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'border'))(results)
    data = det_preprocessor(scale_factor=0.45, pad_size_divisor=32)(
        dict(inputs=[packed['inputs']], data_samples=[packed['data_samples']])
    )
    meta = data['data_samples'][0].metainfo

    # Where the boxes are in the padded image, then in the downsized one: padding before or after does not move them.
    padded_h, padded_w = packed['inputs'].shape[-2:]
    assert (padded_h, padded_w) == ((hw[0] | 31) + 1, (hw[1] | 31) + 1)
    top, _, left, _ = packed['data_samples'].border
    h, w = int(padded_h * 0.45 + 0.5), int(padded_w * 0.45 + 0.5)
    to_network = torch.tensor([w / padded_w, h / padded_h] * 2)
    seen = (boxes + torch.tensor([left, top, left, top])) * to_network

    # CenterNetHead, predict_by_feat: subtract the border, then divide by the scale factor if there is one.
    returned = seen - seen.new_tensor(meta['border'])[[2, 0, 2, 0]]
    returned = returned / returned.new_tensor(meta['scale_factor']).repeat(2)
    assert torch.allclose(returned, boxes, rtol=0, atol=1e-4)
    assert meta['ori_shape'] == hw


@both_modes
def test_homography_maps_points_of_the_first_image_to_the_downsized_one(training):
    old = np.array([[0.0, -1.0, 30.0], [1.0, 0.0, 2.0], [0.001, 0.0, 1.0]])
    matrix = processed(det_sample(homography_matrix=old), training).homography_matrix
    assert isinstance(matrix, np.ndarray)
    assert matrix.dtype == np.float32
    x, y, z = old @ [7.0, 5.0, 1.0]
    mapped = matrix.astype(np.float64) @ [7.0, 5.0, 1.0]
    assert mapped[:2] / mapped[2] == pytest.approx([x / z * SCALE_X, y / z * SCALE_Y], rel=1e-5)


def test_boxes_divided_by_scale_factor_are_the_original_ones():
    sample = det_sample(ori_shape=(74, 26), scale_factor=(53 / 26, 0.5))
    original = sample.gt_instances.bboxes / torch.tensor([53 / 26, 0.5] * 2)
    mapped = processed(sample, training=True)
    assert torch.allclose(mapped.gt_instances.bboxes, scaled(sample.gt_instances.bboxes))
    back = mapped.gt_instances.bboxes / torch.tensor(mapped.scale_factor).repeat(2)
    assert torch.allclose(back, original, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ('target', 'wanted'),
    [
        (dict(scale_factor=(0.5, 0.25)), (9, 27)),
        (dict(scale=(30, 20)), (20, 30)),
        (dict(scale=(30, 20), keep_ratio=True), (20, 29)),
        (dict(scale=24), (24, 24)),
        (dict(scale_factor=1.5), (56, 80)),
    ],
)
def test_the_target_means_what_it_means_to_mmcv(target, wanted):
    preprocessor = det_preprocessor(**target)
    data = preprocessor(dict(inputs=[random_image()], data_samples=[det_sample()]))
    assert data['inputs'].shape[-2:] == wanted
    sample = data['data_samples'][0]
    assert sample.img_shape == wanted
    assert sample.scale_factor == (wanted[1] / 53, wanted[0] / 37)


def test_branches_of_semi_supervised_batches_are_downsized_one_by_one():
    with DefaultScope.overwrite_default_scope('mmdet'):
        inner = dict(type='mmdownsize.DetDownsizePreprocessor', downsizer=dict(type='FixedResizer'), scale=DST_HW[::-1])
        branches = MODELS.build(dict(type='MultiBranchDataPreprocessor', data_preprocessor=inner))
    labelled, unlabelled = det_sample(), det_sample(homography_matrix=np.eye(3))
    inputs = dict(sup=[random_image(), None], unsup=[None, random_image()])
    data = branches(dict(inputs=inputs, data_samples=dict(sup=[labelled, None], unsup=[None, unlabelled])), True)
    assert {name: images.shape for name, images in data['inputs'].items()} == {
        name: (1, 3, *DST_HW) for name in ('sup', 'unsup')
    }
    assert data['data_samples']['sup'][0].scale_factor == (SCALE_X, SCALE_Y)
    matrix = data['data_samples']['unsup'][0].homography_matrix
    assert matrix.diagonal().tolist() == pytest.approx([SCALE_X, SCALE_Y, 1], rel=1e-6)
