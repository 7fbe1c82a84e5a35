"""Samples and padding of segmentation under the resize."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData

from mmdownsize.registry import MODELS
from tests.preprocessors.batches import (
    DST_HW,
    SCALE_X,
    SCALE_Y,
    SRC_HW,
    nearest,
    random_image,
    seg_preprocessor,
    seg_sample,
)

both_modes = pytest.mark.parametrize('training', [True, False], ids=['training', 'test'])
MAPS = ['gt_sem_seg', 'gt_edge_map', 'gt_depth_map']


def processed(sample, training, **kwargs):
    data = seg_preprocessor(**kwargs)(dict(inputs=[random_image()], data_samples=[sample]), training)
    return data['data_samples'][0]


@pytest.mark.parametrize('name', MAPS)
def test_label_maps_take_the_nearest_pixel_in_training_only(name):
    sample = seg_sample()
    given = sample.get(name).data.clone()
    mapped = processed(sample, training=True).get(name).data
    assert mapped.dtype == given.dtype
    assert np.array_equal(mapped.numpy(), nearest(given.numpy()))
    assert torch.equal(processed(sample, training=False).get(name).data, given)


def test_ignored_pixels_stay_ignored_and_nothing_is_mixed():
    sample = seg_sample()
    given = sample.gt_sem_seg.data
    mapped = processed(sample, training=True).gt_sem_seg.data
    assert set(mapped.unique().tolist()) <= set(given.unique().tolist())
    assert np.array_equal((mapped == 255).numpy(), nearest((given == 255).numpy()))
    assert (mapped == 255).any()


@pytest.mark.parametrize('keep_labels', [False, True])
@pytest.mark.parametrize('invalid', [0.0, float('nan'), float('inf')])
def test_depths_are_never_mixed_with_pixels_that_have_none(invalid, keep_labels):
    sample = seg_sample()
    depth = torch.rand(1, *SRC_HW) * 9 + 1
    depth[:, 5:20, 7:30] = invalid
    sample.gt_depth_map = PixelData(data=depth.clone())
    mapped = processed(sample, training=True, keep_labels=keep_labels).gt_depth_map.data
    wanted = depth if keep_labels else torch.from_numpy(nearest(depth.numpy()))
    assert mapped.dtype == torch.float32 and torch.equal(mapped.nan_to_num(-1), wanted.nan_to_num(-1))


@pytest.mark.parametrize(('sizes', 'size'), [([(80, 120)] * 2, (64, 96)), ([(80, 80)] * 2, (64, 96))])
def test_crops_that_are_larger_than_size_are_padded_as_without_a_downsizer(sizes, size):
    from mmseg.models import SegDataPreProcessor

    def shapes(preprocessor):
        data = dict(inputs=[random_image(hw) for hw in sizes], data_samples=[seg_sample(hw) for hw in sizes])
        out = preprocessor(data, True)
        return np.array([out['inputs'].shape[-2:], *(sample.gt_sem_seg.shape for sample in out['data_samples'])])

    assert (shapes(seg_preprocessor(size=size, scale_factor=0.5)) * 2 == shapes(SegDataPreProcessor(size=size))).all()


@both_modes
def test_img_shape_and_scale_factor_are_those_of_the_downsized_image(training):
    sample = processed(seg_sample(ori_shape=(74, 106), scale_factor=(0.5, 0.5)), training)
    assert tuple(sample.img_shape) == DST_HW
    assert sample.scale_factor == pytest.approx((0.5 * SCALE_X, 0.5 * SCALE_Y), rel=1e-12)
    assert sample.ori_shape == (74, 106)
    assert sample.img_path == 'a.png'


@pytest.mark.parametrize('shape', [torch.Size(SRC_HW), SRC_HW, list(SRC_HW)])
@pytest.mark.parametrize('test_cfg', [None, dict(size_divisor=8), dict(size=(64, 64))])
def test_img_shape_at_test_time_is_never_a_torch_size(shape, test_cfg):
    # mmseg takes a torch.Size for the crop of a sliding window
    sample = processed(seg_sample(img_shape=shape), training=False, test_cfg=test_cfg)
    assert type(sample.img_shape) is tuple
    assert sample.img_shape == DST_HW


def test_a_stale_pad_shape_is_dropped():
    # mmseg resizes its logits to pad_shape if there is one, and to img_shape otherwise
    sample = seg_sample(pad_shape=(64, 64))
    assert 'pad_shape' not in processed(sample, training=False)
    assert sample.pad_shape == (64, 64)


def test_pad_shape_of_the_test_padding_is_that_of_the_downsized_image():
    sample = processed(seg_sample(pad_shape=(64, 64)), training=False, test_cfg=dict(size_divisor=16))
    assert tuple(sample.pad_shape) == (16, 32)
    assert tuple(sample.img_padding_size) == (0, 32 - 21, 0, 16 - 15)


def test_size_is_the_padding_size_before_downsizing():
    preprocessor = seg_preprocessor(size=(64, 96), scale_factor=0.5)
    assert tuple(preprocessor.size) == (32, 48)
    sample = seg_sample((40, 96))
    data = preprocessor(dict(inputs=[random_image((40, 96))], data_samples=[sample]), True)
    assert data['inputs'].shape == (1, 3, 32, 48)
    labels = data['data_samples'][0].gt_sem_seg.data
    assert labels.shape == (1, 32, 48)
    assert np.array_equal(labels[:, :20].numpy(), nearest(sample.gt_sem_seg.data.numpy(), (20, 48)))
    assert (labels[:, 20:] == 255).all()


def test_an_image_of_the_padding_size_gets_no_padding():
    preprocessor = seg_preprocessor(size=SRC_HW)
    data = preprocessor(dict(inputs=[random_image()], data_samples=[seg_sample()]), True)
    assert data['inputs'].shape[-2:] == DST_HW
    assert data['data_samples'][0].gt_sem_seg.data.shape[-2:] == DST_HW


def test_size_is_scaled_by_the_rule_that_scales_images():
    assert tuple(seg_preprocessor(size=(512, 1024), scale=(200, 100)).size) == (100, 200)
    assert tuple(seg_preprocessor(size=(512, 1024), scale_factor=(0.25, 0.5)).size) == (256, 256)


def test_size_of_test_cfg_is_scaled_and_the_config_left_alone():
    given = dict(size=(64, 96))
    preprocessor = seg_preprocessor(test_cfg=given, scale_factor=0.5)
    assert tuple(preprocessor.test_cfg['size']) == (32, 48)
    assert given == dict(size=(64, 96))
    data = preprocessor(dict(inputs=[random_image((40, 80))], data_samples=[seg_sample((40, 80))]))
    assert data['inputs'].shape[-2:] == (32, 48)


def test_size_divisor_applies_to_the_downsized_image():
    preprocessor = seg_preprocessor(size_divisor=8, test_cfg=dict(size_divisor=16))
    batch = dict(inputs=[random_image()], data_samples=[seg_sample()])
    assert preprocessor(copy.deepcopy(batch), True)['inputs'].shape[-2:] == (16, 24)
    assert preprocessor(batch, False)['inputs'].shape[-2:] == (16, 32)


@pytest.mark.parametrize('test_cfg', [None, dict(size_divisor=16)])
@pytest.mark.parametrize('samples', [dict(), dict(data_samples=None)], ids=['absent', 'None'])
def test_without_samples_predictions_are_sent_to_the_size_of_the_source(samples, test_cfg):
    preprocessor = seg_preprocessor(test_cfg=test_cfg)
    data = preprocessor(dict(inputs=torch.stack([random_image(), random_image()]), **samples))
    assert len(data['data_samples']) == 2
    for sample in data['data_samples']:
        assert tuple(sample.ori_shape) == SRC_HW
        assert type(sample.img_shape) is tuple
        assert sample.img_shape == DST_HW


def test_every_map_of_a_sample_is_padded_together():
    sample = processed(seg_sample(), training=True, size=(80, 80))
    assert {sample.get(name).data.shape[-2:] for name in MAPS} == {torch.Size([32, 32])}
    assert tuple(sample.padding_size) == (0, 32 - 21, 0, 32 - 15)


def test_label_maps_lie_on_the_image_that_they_were_drawn_on():
    labels = torch.randint(0, 200, (1, *SRC_HW), dtype=torch.uint8)
    sample = seg_sample()
    sample.gt_sem_seg = PixelData(data=labels.clone())
    preprocessor = seg_preprocessor(downsizer=dict(type='FixedResizer', kernel='nearest'))
    data = preprocessor(dict(inputs=[labels.expand(3, -1, -1)], data_samples=[sample]), True)
    drawn = data['inputs'][0, :1]
    assert torch.equal(data['data_samples'][0].gt_sem_seg.data.float(), drawn)
    assert torch.equal(drawn, F.interpolate(labels[None].float(), DST_HW, mode='nearest-exact')[0])


@pytest.mark.parametrize('name', MAPS)
def test_kept_labels_stay_at_full_size_in_training(name):
    sample = seg_sample()
    given = sample.get(name).data.clone()
    kept = processed(sample, training=True, keep_labels=True, size=SRC_HW)
    assert torch.equal(kept.get(name).data, given)
    assert tuple(kept.img_shape) == DST_HW
    assert tuple(kept.pad_shape) == DST_HW
    assert torch.equal(sample.get(name).data, given)  # the batch that was given is left as it was


def test_kept_labels_are_padded_as_their_image_is():
    sample = seg_sample((40, 80))
    given = sample.gt_sem_seg.data.clone()
    preprocessor = seg_preprocessor(size=(64, 96), scale_factor=0.5, keep_labels=True)
    data = preprocessor(dict(inputs=[random_image((40, 80))], data_samples=[sample]), True)
    assert data['inputs'].shape[-2:] == (32, 48)
    labels = data['data_samples'][0].gt_sem_seg.data
    assert labels.shape == (1, 64, 96)
    assert torch.equal(labels[:, :40, :80], given)
    assert (labels[:, 40:] == 255).all()
    assert (labels[:, :, 80:] == 255).all()


def test_kept_labels_are_padded_to_a_divisor_at_the_same_ratio():
    preprocessor = seg_preprocessor(scale_factor=0.5, size_divisor=32, keep_labels=True)
    sample = seg_sample((40, 80))
    data = preprocessor(dict(inputs=[random_image((40, 80))], data_samples=[sample]), True)
    assert data['inputs'].shape[-2:] == (32, 64)
    assert data['data_samples'][0].gt_sem_seg.data.shape == (1, 64, 128)


def test_kept_labels_of_a_batch_need_one_size():
    preprocessor = seg_preprocessor(scale_factor=0.5, size_divisor=1, keep_labels=True)
    sizes = [(40, 80), (41, 80)]
    batch = dict(inputs=[random_image(hw) for hw in sizes], data_samples=[seg_sample(hw) for hw in sizes])
    with pytest.raises(ValueError, match=r'label maps of one size in a batch, got .*\(40, 80\), \(41, 80\)'):
        preprocessor(batch, True)


def test_kept_labels_of_images_of_many_sizes_are_padded_to_one_size_at_any_factor():
    preprocessor = seg_preprocessor(size=(63, 97), scale_factor=0.25, train_scale_factor=(0.15, 0.9), keep_labels=True)
    sizes = [(63, 97), (41, 80), (10, 11)]
    batch = dict(inputs=[random_image(hw) for hw in sizes], data_samples=[seg_sample(hw) for hw in sizes])
    small = set()
    for _ in range(20):
        data = preprocessor(batch, True)
        small.add(data['inputs'].shape)
        assert {sample.gt_sem_seg.data.shape for sample in data['data_samples']} == {torch.Size([1, 63, 97])}
    assert len(small) > 1


@pytest.mark.parametrize('src_hw', [(40, 80), (80, 96)], ids=['smaller', 'larger'])
def test_kept_labels_are_not_padded_off_their_image(src_hw):
    # Any image becomes 16 x 24, without padding: labels that are padded, or cut, to `size` would be elsewhere.
    preprocessor = seg_preprocessor(size=(64, 96), scale=(24, 16), keep_labels=True)
    batch = dict(inputs=[random_image(src_hw)], data_samples=[seg_sample(src_hw)])
    with pytest.raises(ValueError, match=r'padded to size=\(64, 96\) are not where their image is.*or size_divisor=1'):
        preprocessor(batch, True)
    preprocessor = seg_preprocessor(size_divisor=1, scale=(24, 16), keep_labels=True)
    assert preprocessor(batch, True)['data_samples'][0].gt_sem_seg.data.shape == (1, *src_hw)


def test_kept_labels_are_what_a_head_compares_its_enlarged_logits_with():
    data = seg_preprocessor(size=SRC_HW, keep_labels=True)(
        dict(inputs=[random_image()], data_samples=[seg_sample()]), True
    )
    init_default_scope('mmseg')
    head = MODELS.build(
        dict(type='mmseg.FCNHead', in_channels=3, channels=4, num_convs=1, num_classes=200, input_transform=None)
    )
    logits = torch.randn(1, 200, *DST_HW)
    labels = data['data_samples'][0].gt_sem_seg.data.long()
    found = head.loss_by_feat(logits, data['data_samples'])['loss_ce']
    enlarged = F.interpolate(logits, SRC_HW, mode='bilinear', align_corners=head.align_corners)
    counted = F.cross_entropy(enlarged, labels, ignore_index=255, reduction='sum') / labels.numel()
    assert found.item() == pytest.approx(counted.item(), rel=1e-5)


def test_labels_are_not_kept_with_batch_augments():
    with pytest.raises(ValueError, match='keep_labels=True does not go with batch_augments'):
        seg_preprocessor(keep_labels=True, batch_augments=lambda inputs, samples: (inputs, samples))


def test_a_misspelt_setting_of_segmentation_alone_is_named():
    with pytest.raises(TypeError, match="did you mean 'keep_labels'"):
        seg_preprocessor(keep_label=True)
