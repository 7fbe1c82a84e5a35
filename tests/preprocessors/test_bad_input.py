"""What is refused, at construction or at run time, and that the message says what was wrong and what to do."""

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData

from tests.preprocessors.batches import (
    SRC_HW,
    det_preprocessor,
    det_sample,
    random_image,
    random_labels,
    seg_preprocessor,
    seg_sample,
)

both_tasks = pytest.mark.parametrize('build', [det_preprocessor, seg_preprocessor], ids=['det', 'seg'])


def sample_for(build):
    return det_sample() if build is det_preprocessor else seg_sample()


@both_tasks
def test_no_target(build):
    with pytest.raises(ValueError, match=r'exactly one target.*scale_factor=None and scale=None'):
        build(scale_factor=None)


@both_tasks
def test_two_targets(build):
    with pytest.raises(ValueError, match=r'exactly one target.*scale_factor=0.5 and scale=\(30, 20\)'):
        build(scale_factor=0.5, scale=(30, 20))


@both_tasks
@pytest.mark.parametrize(
    'target', [dict(scale_factor=0), dict(scale_factor=-0.5), dict(scale=(0, 20)), dict(scale_factor=(0.5, 0.0))]
)
def test_a_target_that_is_not_above_0(build, target):
    with pytest.raises(ValueError, match='above 0'):
        build(**target)


@both_tasks
def test_no_downsizer(build):
    with pytest.raises(ValueError, match=r"dict\(type='DownsizeNet'\), got None.*DownsizeNet, FixedResizer"):
        build(downsizer=None)


@both_tasks
@pytest.mark.parametrize('downsizer', [dict(), dict(channels=8), 'DownsizeNet', 0.5])
def test_a_downsizer_without_type(build, downsizer):
    with pytest.raises(ValueError, match='downsizer must be a config such as'):
        build(downsizer=downsizer)


@both_tasks
@pytest.mark.parametrize(
    'kind',
    [
        'Bilinear',
        'DownsizeNets',
        'no_such_package.Resizer',
        'mmdownsize.NoSuch',
        'mmdet.NoSuch',
        'torch.nn.NoSuch',
        'random',
        '',
    ],
)
def test_an_unknown_downsizer_lists_the_known_ones(build, kind):
    with pytest.raises(ValueError, match=rf'unknown downsizer {kind!r}; known types: DownsizeNet, FixedResizer'):
        build(downsizer=dict(type=kind))


@both_tasks
def test_wrong_settings_of_the_downsizer_are_its_own_message(build):
    with pytest.raises(ValueError, match='neighbors must be an even number'):
        build(downsizer=dict(type='DownsizeNet', neighbors=3))


@pytest.mark.parametrize(
    'augment',
    [
        dict(type='mmdet.BatchResize', scale=(64, 64)),
        dict(type='mmdet.BatchSyncRandomResize', random_size_range=(32, 64)),
    ],
)
def test_batch_augments_that_resize_are_refused_by_name(augment):
    pad = dict(type='mmdet.BatchFixedSizePad', size=(64, 64))
    name = augment['type'].removeprefix('mmdet.')
    with pytest.raises(ValueError, match=rf'{name} in batch_augments resizes the batch a second time'):
        det_preprocessor(batch_augments=[pad, augment])


@both_tasks
@pytest.mark.parametrize('training', [True, False])
def test_a_target_of_0_pixels_says_of_which_image(build, training):
    preprocessor = build(scale_factor=0.1)
    data = dict(inputs=[random_image((40, 50)), random_image((4, 50))], data_samples=[sample_for(build)] * 2)
    with pytest.raises(ValueError, match=r'5 x 0 px \(w x h\) of an image of 50 x 4 px'):
        preprocessor(data, training)


@both_tasks
@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize(
    ('inputs', 'message'),
    [
        (lambda: random_image(), r'must be \(N, C, H, W\), got \(3, 37, 53\)'),
        (lambda: [random_image()[0]], r'must be \(C, H, W\) each, got \(37, 53\)'),
        (lambda: [random_image(), random_image()[None]], r'must be \(C, H, W\) each, got \(1, 3, 37, 53\)'),
        (lambda: random_image()[None, None], r'must be \(N, C, H, W\), got \(1, 1, 3, 37, 53\)'),
    ],
)
def test_images_of_the_wrong_rank(build, training, inputs, message):
    images = inputs()
    with pytest.raises(ValueError, match=message):
        build()(dict(inputs=images, data_samples=[sample_for(build)] * len(images)), training)


@both_tasks
@pytest.mark.parametrize('channels', [1, 4])
def test_images_of_the_wrong_number_of_channels(build, channels):
    preprocessor = build(downsizer=dict(type='DownsizeNet'))
    with pytest.raises(ValueError, match=rf'must have 3 channels, got \(1, {channels}, 37, 53\)'):
        preprocessor(dict(inputs=[random_image(channels=channels)], data_samples=[sample_for(build)]))


@both_tasks
@pytest.mark.parametrize('dtype', [torch.int64, torch.int8, torch.bool, torch.complex64])
def test_images_of_the_wrong_dtype(build, dtype):
    image = torch.zeros(3, *SRC_HW, dtype=dtype)
    for inputs in ([image], [random_image(), image], image[None]):
        with pytest.raises(TypeError, match=rf'must be uint8 or floating point in 0..255, got {dtype}'):
            build()(dict(inputs=inputs, data_samples=[sample_for(build)] * len(inputs)))


@both_tasks
@pytest.mark.parametrize('inputs', [np.zeros((1, 3, 8, 8), np.uint8), [np.zeros((3, 8, 8), np.uint8)], None, 'image'])
def test_images_that_are_no_tensors(build, inputs):
    with pytest.raises(TypeError, match='inputs must be a tensor or a list of tensors'):
        build()(dict(inputs=inputs, data_samples=None))


@both_tasks
@pytest.mark.parametrize('samples', [dict(), dict(data_samples=None)], ids=['absent', 'None'])
def test_missing_samples_in_training(build, samples):
    with pytest.raises(ValueError, match='training needs data_samples, one an image, got None'):
        build()(dict(inputs=[random_image()], **samples), True)


@both_tasks
@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize('count', [0, 1, 3])
def test_a_sample_too_few_or_too_many(build, training, count):
    data = dict(inputs=[random_image(), random_image()], data_samples=[sample_for(build) for _ in range(count)])
    with pytest.raises(ValueError, match=f'one data sample an image is needed, got {count} for 2 images'):
        build()(data, training)


@pytest.mark.parametrize('kind', ['bitmaps', 'polygons', 'tensor'])
def test_masks_that_do_not_have_the_size_of_their_image(kind):
    from mmdet.structures.mask import BitmapMasks, PolygonMasks

    masks = {
        'bitmaps': BitmapMasks(np.zeros((3, 53, 37), np.uint8), 53, 37),
        'polygons': PolygonMasks([[np.array([0.0, 0, 5, 0, 5, 5])]] * 3, 53, 37),
        'tensor': torch.zeros(3, 53, 37, dtype=torch.bool),
    }[kind]
    with pytest.raises(
        ValueError, match=r'must have the size of (its|their) image, \(37, 53\) \(h, w\), got \(53, 37\)'
    ):
        det_preprocessor()(dict(inputs=[random_image()], data_samples=[det_sample(masks=masks)]), True)


def test_masks_of_an_unknown_kind():
    class Strange(list):
        height, width = SRC_HW

    with pytest.raises(ValueError, match='must be BitmapMasks, PolygonMasks or a tensor, got Strange'):
        det_preprocessor()(dict(inputs=[random_image()], data_samples=[det_sample(masks=Strange([1, 2, 3]))]), True)


def test_boxes_that_are_not_four_edges():
    sample = det_sample()
    sample.gt_instances.bboxes = torch.rand(3, 5)
    with pytest.raises(ValueError, match=r'boxes must be \(..., 4\).*got \(3, 5\)'):
        det_preprocessor()(dict(inputs=[random_image()], data_samples=[sample]), True)


@both_tasks
def test_label_maps_that_do_not_have_the_size_of_their_image(build):
    sample = sample_for(build)
    key = 'sem_seg' if build is det_preprocessor else 'data'
    sample.gt_sem_seg = PixelData(**{key: random_labels((36, 53))})
    with pytest.raises(
        ValueError, match=r'label map must have the size of its image, \(37, 53\) \(h, w\), got \(36, 53\)'
    ):
        build()(dict(inputs=[random_image()], data_samples=[sample]), True)


@both_tasks
def test_annotations_of_another_size_are_no_concern_at_test_time(build):
    # Test pipelines load them after their own resizing.
    sample = sample_for(build)
    key = 'sem_seg' if build is det_preprocessor else 'data'
    given = random_labels((90, 120))
    sample.gt_sem_seg = PixelData(**{key: given.clone()})
    out = build()(dict(inputs=[random_image()], data_samples=[sample]), False)
    assert torch.equal(out['data_samples'][0].gt_sem_seg.get(key), given)


@both_tasks
@pytest.mark.parametrize('factors', [(0.5,), (0.6, 0.5), (0, 1), (0.5, float('inf')), (-1.0, 0.5)])
def test_scales_to_draw_from_are_two_in_order(build, factors):
    with pytest.raises(ValueError, match=r'train_scale_factor must be \(lowest, highest\), above 0, got \('):
        build(train_scale_factor=factors)


def test_padding_to_one_size_does_not_go_with_drawn_scales():
    with pytest.raises(ValueError, match=r'BatchFixedSizePad .* pads to one size, train_scale_factor draws many'):
        det_preprocessor(
            train_scale_factor=(0.3, 0.6), batch_augments=[dict(type='mmdet.BatchFixedSizePad', size=(64, 64))]
        )
