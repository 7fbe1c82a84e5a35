"""Fields in pixels, of instances, samples and metainfo: each follows the image, or is named once."""

import copy
import warnings

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData, PixelData

from mmdownsize.preprocessors.looks import looks_like_pixels
from tests.preprocessors.batches import (
    DST_HW,
    SCALE_X,
    SCALE_Y,
    SRC_HW,
    det_preprocessor,
    det_sample,
    frozen_copy,
    nearest,
    random_image,
    random_labels,
    same,
    seg_preprocessor,
    seg_sample,
)

XY = np.array([SCALE_X, SCALE_Y])
POINTS = np.array([[[3.0, 4.0], [50.0, 30.0]], [[0.0, 0.0], [53.0, 37.0]], [[7.5, 1.25], [20.0, 10.0]]])  # (3, 2, 2)
VISIBLE = np.concatenate([POINTS, [[[2.0], [0.0]]] * 3], -1)  # (3, 2, 3), with mmpose's visibility
both_modes = pytest.mark.parametrize('training', [True, False], ids=['training', 'test'])
silent = pytest.mark.filterwarnings('error::UserWarning')


def with_instances(**fields):
    sample = DetDataSample(metainfo=dict(img_shape=SRC_HW, ori_shape=SRC_HW))
    sample.gt_instances = InstanceData(**fields)
    return sample


def processed(sample, training=True, build=det_preprocessor, **settings):
    given = frozen_copy(sample)
    (mapped,) = build(**settings)(dict(inputs=[random_image()], data_samples=[sample]), training)['data_samples']
    assert same(given, frozen_copy(sample))  # left as it was
    return mapped


@silent
@pytest.mark.parametrize('kind', [torch.from_numpy, np.copy], ids=['tensor', 'numpy'])
@pytest.mark.parametrize('name', ['keypoints', 'transformed_keypoints'])
def test_keypoints_follow_and_their_visibility_stays(name, kind):
    sample = with_instances(**{name: kind(VISIBLE), 'keypoints_visible': kind(VISIBLE[..., 2])})
    mapped = processed(sample).gt_instances
    assert type(mapped[name]) is type(sample.gt_instances[name])
    assert np.allclose(mapped[name][..., :2], POINTS * XY)
    assert np.array_equal(mapped[name][..., 2], VISIBLE[..., 2])
    assert np.array_equal(mapped.keypoints_visible, VISIBLE[..., 2])
    assert np.array_equal(processed(sample, training=False).gt_instances[name], VISIBLE)  # metrics read it


@silent
@pytest.mark.parametrize('name', ['points', 'centers_2d', 'bbox_centers', 'bbox_scales'])
def test_places_and_sizes_follow(name):
    sample = with_instances(**{name: torch.from_numpy(POINTS[:, 1])})
    assert np.allclose(processed(sample).gt_instances[name], POINTS[:, 1] * XY)


@silent
def test_whole_numbers_of_px_become_parts_of_them():
    mapped = processed(with_instances(keypoints=torch.tensor([[[3, 4]]]), areas=torch.tensor([100]))).gt_instances
    assert np.allclose(mapped.keypoints, [[[3 * SCALE_X, 4 * SCALE_Y]]])
    assert np.allclose(mapped.areas, 100 * SCALE_X * SCALE_Y)


@silent
@pytest.mark.parametrize('kind', [torch.tensor, np.array, list], ids=['tensor', 'numpy', 'list'])
def test_areas_follow(kind):
    mapped = processed(with_instances(areas=kind([10.0, 400.0]))).gt_instances.areas
    assert np.allclose(mapped, np.array([10, 400]) * SCALE_X * SCALE_Y)


@silent
@pytest.mark.parametrize(
    'form',
    [
        lambda points: points.reshape(3, -1),  # an array of quadrilaterals
        lambda points: torch.from_numpy(points),
        lambda points: [one.ravel() for one in points],  # mmocr
        lambda points: [one.ravel().tolist() for one in points],
        lambda points: [[one.ravel()] for one in points],  # several parts an instance, as in COCO
    ],
    ids=['rows', 'points', 'arrays', 'lists', 'parts'],
)
def test_polygons_follow_in_any_form(form):
    given = form(POINTS)
    mapped = processed(with_instances(polygons=given)).gt_instances.polygons
    assert type(mapped) is type(given)
    assert np.allclose(np.array([np.asarray(one) for one in mapped]).reshape(POINTS.shape), POINTS * XY)


class Keypoints(list):
    """As mmyolo's: an object that is scaled in place."""

    def clone(self):
        return Keypoints(self)

    def rescale_(self, scale_xy):
        self[:] = [(x * scale_xy[0], y * scale_xy[1]) for x, y in self]


@silent
def test_objects_that_scale_themselves_do():
    given = Keypoints([(3.0, 4.0)])
    mapped = processed(with_instances(keypoints=given)).gt_instances.keypoints
    assert mapped == [(3 * SCALE_X, 4 * SCALE_Y)] and given == [(3.0, 4.0)]


@silent
def test_fields_of_the_sample_itself_and_of_other_instances_follow():
    sample = det_sample()
    sample.gt_keypoints = torch.from_numpy(POINTS)
    sample.gt_extra = InstanceData(bboxes=torch.tensor([[1.0, 2, 30, 20]]))
    mapped = processed(sample)
    assert np.allclose(mapped.gt_keypoints, POINTS * XY)
    assert np.allclose(mapped.gt_extra.bboxes, [[SCALE_X, 2 * SCALE_Y, 30 * SCALE_X, 20 * SCALE_Y]])
    assert torch.equal(processed(sample, training=False).gt_keypoints, torch.from_numpy(POINTS))


@silent
def test_predictions_stay():
    sample = det_sample()
    sample.pred_instances = InstanceData(bboxes=torch.tensor([[1.0, 2, 30, 20]]))
    assert torch.equal(processed(sample).pred_instances.bboxes, sample.pred_instances.bboxes)


@silent
@both_modes
def test_padding_of_mmyolo_follows_and_boxes_return_through_it(training):
    # A letterbox as mmyolo makes it: an image of 27 x 40 px, 5 px of padding above and below, 6 and 7 beside it.
    box = np.array([4.0, 3.0, 35.0, 21.0])
    meta = dict(pad_param=np.array([5, 5, 6, 7], np.float32), scale_factor=(0.5, 0.25), ori_shape=(108, 80))
    mapped = processed(det_sample(**meta), training)
    seen = (box * [0.5, 0.25, 0.5, 0.25] + [6, 5, 6, 5]) * np.tile(XY, 2)
    top, _, left, _ = mapped.pad_param
    returned = (seen - [left, top, left, top]) / np.tile(mapped.scale_factor, 2)
    assert np.allclose(returned, box, atol=1e-4)
    assert np.allclose(mapped.pad_param, [5 * SCALE_Y, 5 * SCALE_Y, 6 * SCALE_X, 7 * SCALE_X])


@silent
@both_modes
@pytest.mark.parametrize(
    'given', [0.5, (0.5, 0.5), [0.5] * 4, np.full(4, 0.5, np.float32), torch.tensor([0.5, 0.5])], ids=repr
)
def test_scale_factor_in_any_form_becomes_a_pair(given, training):
    factor = processed(det_sample(scale_factor=given), training).scale_factor
    assert type(factor) is tuple and factor == pytest.approx((0.5 * SCALE_X, 0.5 * SCALE_Y))


@silent
@both_modes
def test_the_matrix_and_the_size_of_mmpose_follow(training):
    warp = np.array([[2.0, 0.5, 7.0], [0.0, 1.5, -3.0]])
    meta = dict(warp_mat=warp, input_size=(53, 37), input_center=(200.0, 100.0), input_scale=(90.0, 80.0))
    mapped = processed(det_sample(**meta), training)
    assert np.allclose(mapped.warp_mat @ [4, 5, 1], (warp @ [4, 5, 1]) * XY)
    assert mapped.input_size == DST_HW[::-1]
    assert (mapped.input_center, mapped.input_scale) == ((200.0, 100.0), (90.0, 80.0))  # of the original image


@silent
def test_padding_that_mmseg_cuts_off_is_that_of_the_small_image():
    for name in ('padding_size', 'img_padding_size'):
        mapped = processed(seg_sample(**{name: (0, 10, 0, 7)}), False, seg_preprocessor)
        # 43 of 53 columns and 30 of 37 rows are image: 17.04 of 21 and 12.2 of 15
        assert mapped.get(name) == (0, 21 - 17, 0, 15 - 12)


@silent
@pytest.mark.parametrize('invalid', [0.0, -1.0, float('inf')])
def test_depths_stay_depths_and_where_there_is_none_there_is_none(invalid):
    depths = 1 + 80 * torch.rand(1, *SRC_HW)
    valid = torch.rand(1, *SRC_HW) < 0.7
    sample = seg_sample()
    sample.gt_depth_map = PixelData(data=torch.where(valid, depths, torch.tensor(invalid)))
    sample.gt_depth_valid = PixelData(data=valid)
    mapped = processed(sample, build=seg_preprocessor)
    found = mapped.gt_depth_map.data
    assert found.dtype == torch.float32
    assert np.array_equal(mapped.gt_depth_valid.data, nearest(valid))
    there = mapped.gt_depth_valid.data
    assert np.array_equal(found[there], nearest(depths)[there])  # measured, and no mean of two surfaces
    assert np.array_equal(found[~there], np.full(int((~there).sum()), invalid))
    assert torch.equal(processed(sample, False, seg_preprocessor).gt_depth_valid.data, valid)


@pytest.mark.parametrize('keep', [False, True], ids=['small', 'kept'])
def test_depths_that_padding_makes_up_are_named_once(keep):
    preprocessor = seg_preprocessor(size=(74, 106), keep_labels=keep)
    batch = dict(inputs=[random_image()], data_samples=[seg_sample()])
    with pytest.warns(UserWarning, match='gt_depth_map is padded with seg_pad_val=255.*say seg_pad_val=0'):
        preprocessor(batch, True)
    with warnings.catch_warnings():
        warnings.simplefilter('error', UserWarning)
        preprocessor(batch, True)
        seg_preprocessor(size=(74, 106), keep_labels=keep, seg_pad_val=0)(batch, True)
        seg_preprocessor(keep_labels=keep)(batch, True)  # nothing is padded
        preprocessor(batch, False)


UNKNOWN = {
    'landmarks': torch.rand(3, 5, 2),
    'bbox_offsets': torch.rand(3, 2),
    'gaze': 30 * torch.rand(3, 2) + 1,  # no word, but values of points in the image
    'visible_part': torch.tensor([[1.0, 2, 30, 20]] * 3),
    'importance': torch.rand(3, *SRC_HW),
}


@pytest.mark.parametrize('name', UNKNOWN)
def test_a_field_of_instances_that_looks_like_pixels_is_named_once(name):
    sample = det_sample()
    sample.gt_instances[name] = UNKNOWN[name]
    preprocessor = det_preprocessor()
    batch = dict(inputs=[random_image()], data_samples=[sample])
    way_out = rf"gt_instances\.{name} .*looks like pixels.*\(37, 53\).*\(15, 21\).*fields=dict\({name}='points'\)"
    with pytest.warns(UserWarning, match=way_out) as told:
        out = preprocessor(batch, True)
    assert len(told) == 1
    assert torch.equal(out['data_samples'][0].gt_instances[name], UNKNOWN[name])
    with warnings.catch_warnings():
        warnings.simplefilter('error', UserWarning)
        preprocessor(batch, True)
        det_preprocessor()(batch, False)  # at test time annotations stay in original px
        det_preprocessor(fields={name: 'same'})(batch, True)


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('crop_offset', (3, 4)),
        ('cam2img', np.eye(3)),
        ('keypoint_window', [1.0, 2.0]),
        ('roi', [1, 2, 3, 4]),
        ('seams', np.array([[3.0, 4.0], [20.0, 30.0]])),
        ('weights_of_pixels', np.ones(SRC_HW)),
    ],
)
@pytest.mark.parametrize(('build', 'sample_of'), [(det_preprocessor, det_sample), (seg_preprocessor, seg_sample)])
@both_modes
def test_a_field_of_the_metainfo_that_looks_like_pixels_is_named_once(name, value, build, sample_of, training):
    preprocessor = build()
    batch = dict(inputs=[random_image()] * 2, data_samples=[sample_of(**{name: value}) for _ in range(2)])
    with pytest.warns(UserWarning, match=rf'the field {name} of a sample looks like pixels') as told:
        preprocessor(batch, training)
    assert len(told) == 1
    with warnings.catch_warnings():
        warnings.simplefilter('error', UserWarning)
        preprocessor(batch, training)


@silent
def test_a_rule_of_ones_own_maps_a_field():
    sample = det_sample(seams=np.array([[3.0, 4.0]]), roi=torch.tensor([[0.0, 0, 53, 37]]))
    sample.gt_instances.gaze = torch.from_numpy(POINTS[:, 1])
    sample.gt_instances.extent = np.array([10.0, 20, 30])
    sample.gt_instances.weather = torch.stack([torch.ones(SRC_HW)] * 3)
    sample.gt_instances.parts = copy.deepcopy(sample.gt_instances.masks)
    rules = dict(seams='points', roi='boxes', gaze='points', extent='areas', weather='maps', parts='masks')
    mapped = processed(sample, fields=rules)
    assert np.allclose(mapped.seams, [[3 * SCALE_X, 4 * SCALE_Y]])
    assert np.allclose(mapped.roi, [[0, 0, *DST_HW[::-1]]])
    assert np.allclose(mapped.gt_instances.gaze, POINTS[:, 1] * XY)
    assert np.allclose(mapped.gt_instances.extent, np.array([10, 20, 30]) * SCALE_X * SCALE_Y)
    assert mapped.gt_instances.weather.shape == (3, *DST_HW)
    assert np.array_equal(mapped.gt_instances.parts.masks, nearest(sample.gt_instances.masks.masks))


@silent
def test_a_rule_of_ones_own_comes_before_what_is_known():
    sample = with_instances(keypoints=torch.rand(3, 2, 2))  # shares of the box, say
    assert torch.equal(
        processed(sample, fields=dict(keypoints='same')).gt_instances.keypoints, sample.gt_instances.keypoints
    )


@silent
@both_modes
def test_what_pipelines_of_openmmlab_pack_is_not_taken_for_pixels(training):
    meta = dict(
        flip=True,
        flip_direction='horizontal',
        text='a cat',
        custom_entities=True,
        tokens_positive=[[[0, 5]]],
        dataset_mode='VG',
        instances=[dict(bbox=[1, 2, 3, 4])],
        seg_map_path='a.png',
        reduce_zero_label=False,
        category_id=3,
        flip_indices=[0, 2, 1],
        segments_info=[dict(id=1)],
        pad_size_divisor=32,
        video_length=7,
        ori_filename='a.png',
    )
    sample = det_sample(**meta)
    sample.gt_instances.instances_ids = torch.arange(3)
    sample.gt_instances.ignore_flags = torch.zeros(3, dtype=torch.bool)
    sample.gt_instances.positive_maps = torch.zeros(3, 256)
    sample.gt_instances.bbox_labels = torch.arange(3)
    sample.gt_instances.embeddings = torch.randn(3, 128)
    sample.gt_instances.directions = torch.nn.functional.normalize(torch.randn(3, 2))
    processed(sample, training)
    processed(seg_sample(**meta), training, seg_preprocessor)


def test_whole_maps_that_are_no_annotations_follow_as_well():
    sample = det_sample()
    weights = torch.rand(1, *SRC_HW)
    sample.pixel_weights = PixelData(data=weights)
    assert np.array_equal(processed(sample).pixel_weights.data, nearest(weights))
    sample = det_sample()
    sample.coarse = PixelData(data=random_labels((9, 13)))  # at another stride: nobody knows which
    with pytest.warns(UserWarning, match='the field coarse of a sample looks like pixels'):
        assert processed(sample).coarse.shape == (9, 13)


def test_only_numbers_look_like_pixels():
    for value in (None, 'center', True, dict(size=3), b'x'):
        assert not looks_like_pixels('crop_size', value, SRC_HW)
    assert looks_like_pixels('crop_size', (3, 4), SRC_HW)
