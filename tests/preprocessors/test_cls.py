"""mmpretrain's preprocessor with a downsizer: what the stock one makes of images that were resized before it."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config, ConfigDict
from mmengine.registry import MODELS, DefaultScope

pytest.importorskip('tests.mmpretrain_here')

from mmpretrain.models import ClsDataPreprocessor
from mmpretrain.structures import DataSample, MultiTaskDataSample

from mmdownsize.geometry import ResizeMap
from mmdownsize.preprocessors.cls import ClsDownsizePreprocessor
from mmdownsize.resizers import DownsizeNet

PARENT = dict(mean=[120.0, 110.0, 100.0], std=[60.0, 50.0, 40.0], to_rgb=True, num_classes=5)
SRC_HW, DST_HW = (20, 30), (10, 12)


def build(**kwargs):
    cfg = dict(type='mmdownsize.ClsDownsizePreprocessor', downsizer=dict(type='DownsizeNet'), scale=DST_HW[::-1])
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return MODELS.build(ConfigDict({**PARENT, **cfg, **kwargs}))


def sample(label, hw=SRC_HW, **fields):
    found = DataSample(metainfo=dict(img_shape=hw, ori_shape=(40, 45), scale_factor=(0.5, 0.25), sample_idx=label))
    found.set_gt_label(label)
    for name, value in fields.items():
        found.set_field(value, name)
    return found


def batch(*sizes, **fields):
    images = [torch.randint(0, 256, (3, *hw), dtype=torch.uint8) for hw in sizes]
    return dict(inputs=images, data_samples=[sample(i, hw, **fields) for i, hw in enumerate(sizes)])


def resized(images, hw=DST_HW):
    return [F.interpolate(image[None].float(), size=hw, mode='bilinear')[0] for image in images]


@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize(
    'parent', [{}, dict(to_rgb=False), dict(pad_size_divisor=8, pad_value=7), dict(to_onehot=True)]
)
def test_the_start_is_the_stock_preprocessor_behind_a_bilinear_resize(parent, training):
    data = batch(SRC_HW, SRC_HW, SRC_HW)
    expected = ClsDataPreprocessor(**{**PARENT, **parent})(
        dict(inputs=resized(data['inputs']), data_samples=[s.clone() for s in data['data_samples']]), training
    )
    found = build(**parent)(data, training)
    torch.testing.assert_close(found['inputs'], expected['inputs'], rtol=0, atol=1e-5)
    for ours, theirs in zip(found['data_samples'], expected['data_samples'], strict=True):
        assert torch.equal(ours.gt_label, theirs.gt_label)
        assert ('gt_score' in ours) == ('gt_score' in theirs) == ('to_onehot' in parent)
        assert 'gt_score' not in ours or torch.equal(ours.gt_score, theirs.gt_score)


def test_a_stack_of_images_is_taken_as_well():
    data = batch(SRC_HW, SRC_HW)
    stacked = dict(inputs=torch.stack(data['inputs']), data_samples=data['data_samples'])
    torch.testing.assert_close(build()(stacked)['inputs'], build()(data)['inputs'])


def test_images_of_mixed_sizes_each_go_to_their_target_and_are_padded_then():
    data = batch((20, 30), (40, 16))
    found = build(scale=None, scale_factor=0.5)(data)['inputs']
    assert found.shape == (2, 3, 20, 15)
    stock = ClsDataPreprocessor(**PARENT)
    small = [resized(data['inputs'][:1], (10, 15))[0], resized(data['inputs'][1:], (20, 8))[0]]
    torch.testing.assert_close(found, stock(dict(inputs=small))['inputs'], rtol=0, atol=1e-5)


@pytest.mark.parametrize('training', [True, False])
def test_metainfo_says_the_new_size_and_given_samples_stay_as_they_are(training):
    data = batch(SRC_HW, pred_score=torch.rand(5))
    (before,) = data['data_samples']
    kept = before.clone()
    (found,) = build(to_onehot=True)(data, training)['data_samples']
    assert found.img_shape == DST_HW and found.ori_shape == (40, 45) and found.sample_idx == 0
    assert found.scale_factor == pytest.approx((0.5 * 12 / 30, 0.25 * 10 / 20))
    assert torch.equal(found.pred_score, before.pred_score)
    assert before.img_shape == SRC_HW and 'gt_score' not in before
    assert before.to_dict().keys() == kept.to_dict().keys()
    build().map_sample(before, ResizeMap(SRC_HW, DST_HW), training)
    assert before.img_shape == SRC_HW


def test_samples_may_be_missing_at_test_time_or_of_many_tasks():
    image = torch.randint(0, 256, (3, *SRC_HW), dtype=torch.uint8)
    assert build()(dict(inputs=[image]))['data_samples'] is None
    tasks = MultiTaskDataSample()
    tasks.set_field(sample(3), 'first')
    (found,) = build()(dict(inputs=[image], data_samples=[tasks]), True)['data_samples']
    assert type(found) is MultiTaskDataSample and found.first.gt_label.item() == 3


@pytest.mark.parametrize('training', [True, False])
def test_boxes_of_visual_grounding_return_to_the_original_image(training):
    # mmpretrain packs both with the data, and at test time divides boxes by scale_factor to compare them
    box = torch.tensor([[10.0, 20, 30, 40]])
    data = batch(SRC_HW, gt_bboxes=box * torch.tensor([0.5, 0.25] * 2))
    (given,) = data['data_samples']
    del given.scale_factor
    given.scale_factor = (0.5, 0.25)
    (found,) = build()(data, training)['data_samples']
    assert 'scale_factor' not in found.metainfo
    torch.testing.assert_close(found.gt_bboxes / torch.tensor(found.scale_factor).repeat(2), box)
    h, w = DST_HW
    torch.testing.assert_close(found.gt_bboxes, given.gt_bboxes * torch.tensor([w / SRC_HW[1], h / SRC_HW[0]] * 2))
    assert given.scale_factor == (0.5, 0.25)


def test_metainfo_of_each_of_many_tasks_follows():
    tasks = MultiTaskDataSample()
    tasks.set_field(sample(3), 'first')
    tasks.first.set_metainfo(dict(img_shape=SRC_HW))
    image = torch.randint(0, 256, (3, *SRC_HW), dtype=torch.uint8)
    (found,) = build()(dict(inputs=[image], data_samples=[tasks]), True)['data_samples']
    assert found.first.img_shape == DST_HW and tasks.first.img_shape == SRC_HW


@pytest.mark.parametrize('augment', ['Mixup', 'CutMix', 'ResizeMix'])
@pytest.mark.parametrize('normalize', [True, False])
def test_batch_augments_mix_the_downsized_images_and_the_downsizer_learns_through_them(augment, normalize):
    parent = {} if normalize else dict(mean=None, std=None)
    augments = dict(augments=[dict(type=augment, alpha=1.0)])
    data = batch(SRC_HW, SRC_HW, SRC_HW)
    ours = build(batch_augments=augments, **parent)
    stock = ClsDataPreprocessor(**{**PARENT, **parent, 'batch_augments': augments})

    def run(preprocessor, images):
        np.random.seed(3)
        torch.manual_seed(3)
        return preprocessor(dict(inputs=images, data_samples=[s.clone() for s in data['data_samples']]), True)

    found, expected = run(ours, data['inputs']), run(stock, resized(data['inputs']))
    torch.testing.assert_close(found['inputs'], expected['inputs'], rtol=0, atol=1e-3)
    plain = build(**parent)(data, True)['inputs']
    assert (found['inputs'] - plain).abs().max() > 0.1  # something was mixed
    for one, other in zip(found['data_samples'], expected['data_samples']):
        torch.testing.assert_close(one.gt_score, other.gt_score)
    found['inputs'].square().mean().backward()
    assert ours.downsizer.fusion.weight.grad.abs().sum() > 0


def test_a_classifier_hands_its_augments_on_and_initialises_the_downsizer():
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(
            ConfigDict(
                type='ImageClassifier',
                data_preprocessor=dict(
                    type='mmdownsize.ClsDownsizePreprocessor', downsizer=dict(type='DownsizeNet'), scale=12, **PARENT
                ),
                backbone=dict(type='ResNet', depth=18, base_channels=4, stem_channels=4),
                train_cfg=dict(augments=dict(type='Mixup', alpha=1.0)),
                init_cfg=dict(type='Constant', layer='Conv2d', val=0.5),
            )
        )
    model.init_weights()
    assert type(model.data_preprocessor) is ClsDownsizePreprocessor
    assert type(model.data_preprocessor.downsizer) is DownsizeNet
    assert len(model.data_preprocessor.batch_augments.augments) == 1 and model.data_preprocessor.to_onehot
    assert not model.data_preprocessor.downsizer.fusion.weight.any()


def test_masks_of_patches_are_refused():
    data = batch(SRC_HW, mask=torch.zeros(4, 4))
    with pytest.raises(ValueError, match=r'has a mask, of shape \(4, 4\).*masked image modelling'):
        build()(data, True)


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(scale=None), 'give exactly one target'),
        (dict(downsizer=None), 'downsizer must be a config'),
        (dict(downsizer=dict(type='ResNet')), "unknown downsizer 'ResNet'"),
    ],
)
def test_bad_arguments_are_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        build(**kwargs)


@pytest.mark.parametrize(
    'name', ['ClsDownsizePreprocessor', 'QualityHead', 'EarthMoversLoss', 'QualityMetric', 'RatingDataset']
)
def test_without_mmpretrain_the_way_out_is_named(name, monkeypatch):
    from mmdownsize import registry

    monkeypatch.setattr(registry, 'find_spec', lambda package: None)
    found = {'QualityMetric': registry.METRICS, 'RatingDataset': registry.DATASETS}.get(name, registry.MODELS)
    with pytest.raises(ImportError, match=rf'{name} needs mmpretrain, .* pip install (onedl-)?mmpretrain==\d'):
        found.get(f'mmdownsize.{name}')


def test_the_inferencer_takes_images_of_two_sizes_one_at_a_time():
    """mmpretrain stacks a batch before any preprocessor sees it; one image a batch is its default."""
    from mmpretrain.apis import ImageClassificationInferencer

    preprocessor = dict(
        PARENT, type='mmdownsize.ClsDownsizePreprocessor', downsizer=dict(type='FixedResizer'), scale=32
    )
    model = dict(
        type='ImageClassifier',
        data_preprocessor=preprocessor,
        backbone=dict(type='ResNet', depth=18),
        neck=dict(type='GlobalAveragePooling'),
        head=dict(type='LinearClsHead', num_classes=5, in_channels=512),
    )
    steps = [dict(type='LoadImageFromFile'), dict(type='PackInputs')]
    loader = dict(dataset=dict(type='CustomDataset', pipeline=steps))
    config = Config(dict(default_scope='mmpretrain', model=model, test_dataloader=loader))
    inferencer = ImageClassificationInferencer(config, device='cpu', pretrained=False, classes=list('abcde'))
    images = [np.random.default_rng(0).integers(0, 256, (*hw, 3), np.uint8) for hw in ((60, 80), (50, 90))]
    found = inferencer(images)
    for image, one in zip(images, found, strict=True):
        data = dict(inputs=[torch.from_numpy(image.transpose(2, 0, 1).copy())])
        with torch.no_grad():
            wanted = inferencer.model.head.predict(
                inferencer.model.extract_feat(inferencer.model.data_preprocessor(data)['inputs'])
            )[0].pred_score
        np.testing.assert_allclose(one['pred_scores'], wanted.numpy(), rtol=1e-4)
    with pytest.raises(RuntimeError, match='stack expects each tensor to be equal size'):
        inferencer(images, batch_size=2)
