"""Images through a preprocessor: mixed sizes, stacked or listed, dtypes, and nothing given is changed."""

import copy

import pytest
import torch
import torch.nn.functional as F
from mmengine.structures import PixelData

from mmdownsize.geometry import ResizeMap
from mmdownsize.resizers import DownsizeNet
from tests.preprocessors.batches import (
    DST_HW,
    SRC_HW,
    det_preprocessor,
    det_sample,
    frozen_copy,
    horizontal,
    random_image,
    same,
    seg_preprocessor,
    seg_sample,
    trained_downsizer,
    trained_importance,
)

both_modes = pytest.mark.parametrize('training', [True, False], ids=['training', 'test'])
both_tasks = pytest.mark.parametrize('task', ['det', 'seg'])
MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]


def preprocessor_of(task, **kwargs):
    return {'det': det_preprocessor, 'seg': seg_preprocessor}[task](**kwargs)


def sample_of(task, hw=SRC_HW):
    return det_sample(hw) if task == 'det' else seg_sample(hw)


@both_tasks
@both_modes
def test_resizing_comes_first_and_the_rest_is_the_parents(task, training):
    preprocessor = preprocessor_of(task, mean=MEAN, std=STD, bgr_to_rgb=True)
    image = random_image()
    out = preprocessor(dict(inputs=[image], data_samples=[sample_of(task)]), training)['inputs']
    small = F.interpolate(image[None].float(), DST_HW, mode='bilinear')
    wanted = (small.flip(1) - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    assert torch.allclose(out, wanted, rtol=0, atol=1e-5)


@both_tasks
@both_modes
@pytest.mark.parametrize('downsizer', [trained_downsizer, trained_importance])
def test_a_batch_of_mixed_sizes_is_its_single_images(task, training, downsizer):
    sizes = [(37, 53), (20, 64), (37, 53), (50, 11), (20, 64)]
    if task == 'seg' and not training:
        sizes = sizes[:1] * 3  # mmseg asks for one size in a test batch
    preprocessor = preprocessor_of(task, downsizer=downsizer())
    images, samples = [random_image(hw) for hw in sizes], [sample_of(task, hw) for hw in sizes]
    batch = preprocessor(dict(inputs=copy.deepcopy(images), data_samples=copy.deepcopy(samples)), training)
    for image, sample, joint, joint_sample in zip(images, samples, batch['inputs'], batch['data_samples']):
        alone = preprocessor(dict(inputs=[image], data_samples=[sample]), training)
        h, w = alone['inputs'].shape[-2:]
        assert torch.allclose(joint[:, :h, :w], alone['inputs'][0], rtol=1e-6, atol=1e-6 * 255)
        assert not joint[:, h:].any()
        assert not joint[:, :, w:].any()
        assert tuple(joint_sample.img_shape) == (h, w)
        assert joint_sample.scale_factor == alone['data_samples'][0].scale_factor


@both_tasks
@both_modes
@pytest.mark.parametrize('count', [1, 3])
def test_a_stack_is_its_list(task, training, count):
    preprocessor = preprocessor_of(task, downsizer=trained_downsizer(), mean=MEAN, std=STD)
    images, samples = [random_image() for _ in range(count)], [sample_of(task) for _ in range(count)]
    listed = preprocessor(dict(inputs=images, data_samples=copy.deepcopy(samples)), training)
    stacked = preprocessor(dict(inputs=torch.stack(images), data_samples=copy.deepcopy(samples)), training)
    assert torch.equal(listed['inputs'], stacked['inputs'])
    assert same(frozen_copy(listed['data_samples']), frozen_copy(stacked['data_samples']))


@both_tasks
def test_training_and_test_see_the_same_image(task):
    preprocessor = preprocessor_of(task, downsizer=trained_downsizer())
    batch = dict(inputs=[random_image()], data_samples=[sample_of(task)])
    assert torch.equal(preprocessor(copy.deepcopy(batch), True)['inputs'], preprocessor(batch, False)['inputs'])


@both_tasks
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_floating_point_images_are_in_0_255_as_bytes_are(task, dtype):
    preprocessor = preprocessor_of(task, downsizer=trained_downsizer())
    image, sample = random_image(), sample_of(task)
    as_bytes = preprocessor(dict(inputs=[image], data_samples=[sample]))['inputs']
    as_floats = preprocessor(dict(inputs=[image.to(dtype)], data_samples=[sample]))['inputs']
    assert as_floats.dtype == torch.float32
    assert torch.allclose(as_floats, as_bytes, rtol=1e-6, atol=1e-4)


def test_a_batch_may_mix_bytes_and_floating_point():
    images = [random_image(), random_image(dtype=torch.float32)]
    joint = det_preprocessor()(dict(inputs=images, data_samples=None))['inputs']
    for image, out in zip(images, joint):
        alone = det_preprocessor()(dict(inputs=[image], data_samples=None))['inputs'][0]
        assert torch.allclose(out, alone, rtol=1e-6)


class Foreign(torch.nn.Module):
    """A resizer of somebody else's, who has never seen an integer."""

    def forward(self, images, size):
        assert images.is_floating_point()
        return F.interpolate(images, size=size)


class Recording(DownsizeNet):
    """Ours, which reads bytes: no float copy of the batch is made on the way."""

    def resize(self, images, dst_hw):
        self.seen = images.dtype
        return super().resize(images, dst_hw)


@pytest.mark.parametrize('stacked', [False, True], ids=['listed', 'stacked'])
def test_bytes_go_to_our_resizers_as_they_are_and_to_others_as_floats(stacked):
    inputs = torch.stack([random_image()] * 2) if stacked else [random_image()] * 2
    ours = Recording()
    det_preprocessor(downsizer=ours)(dict(inputs=inputs, data_samples=None))
    assert ours.seen == torch.uint8
    out = det_preprocessor(downsizer=Foreign())(dict(inputs=inputs, data_samples=None))['inputs']
    assert all(image.is_floating_point() for image in out)


@both_tasks
@both_modes
@pytest.mark.parametrize('stacked', [False, True], ids=['listed', 'stacked'])
@pytest.mark.parametrize('target', [dict(scale_factor=0.4), dict(scale=SRC_HW[::-1])], ids=['smaller', 'same size'])
@pytest.mark.parametrize('dtype', [torch.uint8, torch.float32])
def test_nothing_given_is_changed(task, training, stacked, target, dtype):
    if task == 'det':
        samples = [
            det_sample(
                box_type=box_type,
                scale_factor=(2.0, 2.0),
                pad_shape=SRC_HW,
                border=[1.0, 2.0, 3.0, 4.0],
                homography_matrix=torch.eye(3).numpy(),
            )
            for box_type in (None, horizontal)
        ]
        kwargs = dict(pad_mask=True, pad_seg=True, pad_size_divisor=32)
    else:
        samples = [seg_sample(scale_factor=(2.0, 2.0), pad_shape=SRC_HW) for _ in range(2)]
        kwargs = dict(size=(64, 64), test_cfg=dict(size_divisor=32))
    images = [random_image(dtype=dtype), random_image(dtype=dtype)]
    data = dict(inputs=torch.stack(images) if stacked else images, data_samples=samples)
    before = frozen_copy(data)
    preprocessor = preprocessor_of(task, mean=MEAN, std=STD, bgr_to_rgb=True, **kwargs, **target)
    out = preprocessor(data, training)
    assert same(frozen_copy(data), before)
    assert all(mapped is not given for mapped, given in zip(out['data_samples'], samples))


@both_tasks
@both_modes
def test_mapping_a_sample_alone_leaves_it_as_it_is(task, training):
    resize_map = ResizeMap(SRC_HW, DST_HW)
    given = [seg_sample()] if task == 'seg' else [det_sample(), det_sample(box_type=horizontal)]
    for sample in given:
        before = frozen_copy(sample)
        mapped = preprocessor_of(task).map_sample(sample, resize_map, training)
        assert mapped is not sample
        assert mapped.img_shape == DST_HW
        assert same(frozen_copy(sample), before)


@both_modes
def test_storage_shared_between_samples_is_not_written_to(training):
    # On the CPU the device copy of a sample shares the memory of its tensors and arrays.
    boxes, labels = torch.tensor([[2.0, 3.0, 30.0, 31.0]]), torch.randint(0, 5, (1, *SRC_HW))
    samples = []
    for _ in range(2):
        sample = det_sample(count=1)
        sample.gt_instances.bboxes = boxes
        sample.proposals.bboxes = boxes.expand(5, 4)
        sample.gt_sem_seg = PixelData(sem_seg=labels)
        samples.append(sample)
    given = boxes.clone(), labels.clone()
    mapped = det_preprocessor()(dict(inputs=[random_image(), random_image()], data_samples=samples), training)
    assert torch.equal(boxes, given[0])
    assert torch.equal(labels, given[1])
    first, second = (sample.proposals.bboxes[:1] for sample in mapped['data_samples'])
    assert torch.equal(first, second)


@both_modes
@pytest.mark.parametrize(
    ('sizes', 'collate'),
    [([SRC_HW, SRC_HW], list), ([SRC_HW, (24, 30)], list), ([SRC_HW, SRC_HW], torch.stack)],
    ids=['listed', 'of mixed sizes', 'stacked'],
)
def test_the_image_carries_the_gradient_of_the_downsizer(training, sizes, collate):
    preprocessor = det_preprocessor(downsizer=trained_downsizer(), mean=MEAN, std=STD)
    inputs, samples = collate([random_image(hw) for hw in sizes]), [det_sample(hw) for hw in sizes]
    out = preprocessor(dict(inputs=inputs, data_samples=samples), training)
    (out['inputs'] ** 2).sum().backward()
    for name, parameter in preprocessor.downsizer.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@both_modes
def test_images_of_the_target_size_take_the_same_path(training):
    # Under DDP a rank with such a batch must use the parameters as the others do.
    preprocessor = det_preprocessor(downsizer=dict(type='DownsizeNet'), scale=(30, 24))
    image = random_image((24, 30))
    out = preprocessor(dict(inputs=[image], data_samples=[det_sample((24, 30))]), training)['inputs']
    assert torch.equal(out[0], image.float())
    out.square().sum().backward()
    assert all(parameter.grad is not None for parameter in preprocessor.downsizer.parameters())


@both_tasks
def test_grayscale_passes_where_downsizer_and_mean_are_for_one_channel(task):
    preprocessor = preprocessor_of(task, downsizer=dict(type='DownsizeNet', in_channels=1), mean=[100.0], std=[50.0])
    image = random_image(channels=1)
    out = preprocessor(dict(inputs=[image], data_samples=[sample_of(task)]), True)['inputs']
    wanted = (F.interpolate(image[None].float(), DST_HW, mode='bilinear') - 100) / 50
    assert torch.allclose(out, wanted, rtol=0, atol=1e-5)


@both_tasks
def test_batch_augments_run_after_the_downsizer_and_in_training_only(task):
    seen = []

    def note(inputs, samples):
        seen.append(tuple(inputs.shape))
        return inputs, samples

    preprocessor = preprocessor_of(task)
    preprocessor.batch_augments = note if task == 'seg' else [note]
    batch = dict(inputs=[random_image()], data_samples=[sample_of(task)])
    preprocessor(copy.deepcopy(batch), False)
    assert seen == []
    preprocessor(batch, True)
    assert seen == [(1, 3, *DST_HW)]


def test_batch_fixed_size_pad_is_the_size_before_downsizing():
    given = dict(type='mmdet.BatchFixedSizePad', size=(64, 96), pad_mask=True, pad_seg=True)
    config = copy.deepcopy(given)
    preprocessor = det_preprocessor(scale_factor=0.5, pad_mask=True, batch_augments=[given])
    assert given == config
    data = preprocessor(dict(inputs=[random_image((40, 96))], data_samples=[det_sample((40, 96))]), True)
    sample = data['data_samples'][0]
    assert data['inputs'].shape[-2:] == (32, 48)
    assert sample.gt_instances.masks.masks.shape[-2:] == (32, 48)
    assert sample.gt_sem_seg.sem_seg.shape[-2:] == (32, 48)
    assert sample.batch_input_shape == (32, 48)
    assert sample.img_shape == (20, 48)


def test_detection_without_samples_predicts_on_images_alone():
    data = det_preprocessor()(dict(inputs=[random_image()]))
    assert data['inputs'].shape[-2:] == DST_HW
    assert data['data_samples'] is None


@pytest.mark.parametrize(
    'cast', [lambda m: m.half(), lambda m: m.bfloat16(), lambda m: m.double(), lambda m: m.to('cpu', torch.bfloat16)]
)
@both_modes
def test_other_precisions_of_the_weights_change_the_image_by_their_rounding_only(cast, training):
    preprocessor = det_preprocessor(downsizer=trained_downsizer())
    batch = dict(inputs=[random_image()], data_samples=[det_sample()])
    wanted = preprocessor(copy.deepcopy(batch), training)['inputs']
    out = cast(preprocessor)(batch, training)['inputs']
    assert out.dtype == torch.float32
    assert (out - wanted).abs().max() < 4  # of 255, with coefficients that depend on the image
    assert (out - wanted).abs().mean() < 0.5


@both_tasks
def test_under_autocast_the_exact_start_stays_exact(task):
    preprocessor = preprocessor_of(task, downsizer=dict(type='DownsizeNet'))
    image = random_image()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        out = preprocessor(dict(inputs=[image], data_samples=[sample_of(task)]), True)['inputs']
        out.square().mean().backward()
    assert out.dtype == torch.float32
    assert torch.allclose(out, F.interpolate(image[None].float(), DST_HW, mode='bilinear'), rtol=0, atol=1e-3)
    assert all(torch.isfinite(parameter.grad).all() for parameter in preprocessor.downsizer.parameters())


def test_the_downsizer_moves_with_the_preprocessor():
    preprocessor = det_preprocessor(downsizer=dict(type='DownsizeNet'), mean=MEAN, std=STD).to('meta')
    assert preprocessor.device.type == 'meta'
    assert {tensor.device.type for tensor in [*preprocessor.parameters(), *preprocessor.buffers()]} == {'meta'}


def batch_of(task, count):
    return dict(inputs=[random_image() for _ in range(count)], data_samples=[sample_of(task) for _ in range(count)])


@both_tasks
def test_a_drawn_scale_holds_for_a_batch_while_training(task):
    preprocessor = preprocessor_of(task, train_scale_factor=(0.3, 1.2))

    def sizes(seed, training):
        torch.manual_seed(seed)
        given = [batch_of(task, 2) for _ in range(60)]
        return [tuple(preprocessor(batch, training)['inputs'].shape[-2:]) for batch in given]

    assert set(sizes(0, False)) == {DST_HW}
    drawn = sizes(0, True)
    assert drawn == sizes(0, True) and drawn != sizes(1, True)  # by PyTorch's generator
    (height, width), heights = SRC_HW, [h for h, _ in drawn]
    assert len(set(heights)) > 15
    assert 0.3 * height - 1 < min(heights) < 0.4 * height and 0.9 * height < max(heights) < 1.2 * height + 1
    assert abs(sum(h < 0.6 * height for h in heights) / 60 - 0.5) < 0.2  # 0.6 is the middle in the logarithm
    assert all(abs(h / height - w / width) < 1 / height for h, w in drawn)


def test_what_is_padded_to_the_crop_size_follows_the_drawn_scale():
    torch.manual_seed(0)
    preprocessor = seg_preprocessor(train_scale_factor=(0.3, 1.2), size=(40, 60))
    before = {name: value for name, value in vars(preprocessor).items() if not name.startswith('_')}
    for _ in range(5):
        out = preprocessor(batch_of('seg', 1), True)
        (sample,) = out['data_samples']
        factor = sample.img_shape[0] / SRC_HW[0]
        assert tuple(out['inputs'].shape[-2:]) == tuple(sample.gt_sem_seg.shape)
        assert tuple(out['inputs'].shape[-2:]) == pytest.approx((40 * factor, 60 * factor), abs=2)
    assert tuple(preprocessor(batch_of('seg', 1), False)['inputs'].shape[-2:]) == DST_HW
    assert {name: value for name, value in vars(preprocessor).items() if not name.startswith('_')} == before


@both_tasks
@pytest.mark.parametrize(
    ('sizes', 'collate'),
    [([SRC_HW, SRC_HW], list), ([SRC_HW, (24, 30)], list), ([SRC_HW, SRC_HW], torch.stack)],
    ids=['listed', 'of mixed sizes', 'stacked'],
)
def test_normalised_images_are_those_of_a_preprocessor_that_keeps_the_size(task, sizes, collate):
    images = collate([random_image(hw) for hw in sizes])
    before = frozen_copy(images)
    given = preprocessor_of(task, mean=MEAN, std=STD, bgr_to_rgb=True).normalise(images)
    assert same(frozen_copy(images), before)
    assert isinstance(given, torch.Tensor) == (len(set(sizes)) == 1)
    for image, out in zip(images, given):
        wanted = (image.flip(0).float() - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
        torch.testing.assert_close(out, wanted)
