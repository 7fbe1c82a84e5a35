"""RefineDetHead against a slow version written from the paper."""

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch import Tensor

pytest.importorskip('mmdet')

from mmdownsize.models.refinedet import RefineDetHead
from tests.references import refinedet as reference

HW = (96, 128)
MAP_HWS = [(12, 16), (6, 8), (3, 4), (2, 2)]
ASSIGNER = dict(type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.5, min_pos_iou=1e-6, gt_max_assign_all=False)
TEST_CFG = ConfigDict(nms_pre=400, score_thr=0.01, nms=dict(type='nms', iou_threshold=0.45), max_per_img=200)
META = dict(img_shape=HW, pad_shape=HW, batch_input_shape=HW, ori_shape=HW, scale_factor=(1.0, 1.0))
CLASSES = 3

pytestmark = pytest.mark.usefixtures('single_thread')


def build(**kwargs) -> RefineDetHead:
    kwargs = (
        dict(
            num_classes=CLASSES,
            in_channels=(8, 8, 8, 8),
            feat_channels=8,
            train_cfg=dict(assigner=ASSIGNER),
            test_cfg=TEST_CFG,
        )
        | kwargs
    )
    return RefineDetHead(**kwargs)


def maps(images: int, *, scale: float = 3.0, hws=MAP_HWS) -> list[list[Tensor]]:
    """What forward returns, at random; many an anchor is background to the ARM beyond 0.99."""
    return [
        [(torch.randn(images, 3 * channels, *hw) * spread).requires_grad_() for hw in hws]
        for channels, spread in ((2, scale), (4, 0.7), (CLASSES + 1, scale), (4, 0.7))
    ]


def objects(*boxes: tuple[float, ...], labels: tuple[int, ...] = ()) -> InstanceData:
    return InstanceData(
        bboxes=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4), labels=torch.tensor(labels, dtype=torch.long)
    )


def flat(levels: list[Tensor], channels: int) -> list[list[list[float]]]:
    """Images of anchors of numbers, in the reference's order, taken from the maps one by one."""
    images = []
    for image in range(len(levels[0])):
        anchors = []
        for level in levels:
            _, total, height, width = level.shape
            for row in range(height):
                for column in range(width):
                    numbers = level[image, :, row, column].double().tolist()
                    anchors += [numbers[k : k + channels] for k in range(0, total, channels)]
        images.append(anchors)
    return images


# No object lies inside several anchors of one size: it overlaps all of them as much, and any may be the best.
SCENES = {
    'objects of all sizes': [
        objects((10, 20, 40, 50), (60, 5, 120, 90), (0, 60, 30, 90), (1, 2, 38, 28), labels=(2, 0, 1, 1)),
        objects((30, 10, 100, 80), labels=(2,)),
    ],
    'one image without objects': [objects((20, 20, 60, 40), (64, 40, 100, 90), labels=(0, 2)), objects()],
    'two objects with one best anchor': [objects((10, 10, 42, 42), (11, 11, 43, 43), labels=(0, 1))],
}


@pytest.mark.parametrize('scene', SCENES.values(), ids=SCENES)
def test_losses_are_those_of_the_paper(scene: list[InstanceData]) -> None:
    outputs = maps(len(scene))
    losses = build().loss_by_feat(*outputs, scene, [META] * len(scene))
    anchors = [flat(levels, channels) for levels, channels in zip(outputs, (2, 4, CLASSES + 1, 4))]
    expected, positives, filtered = reference.losses(
        reference.anchors(MAP_HWS),
        *anchors,
        [image.bboxes.double().tolist() for image in scene],
        [image.labels.tolist() for image in scene],
    )
    assert min(positives.values()) > 0 and filtered > 50
    assert set(losses) == {f'loss_{key}' for key in expected}
    for key, value in expected.items():
        assert losses[f'loss_{key}'].item() == pytest.approx(value, rel=1e-4), key


def test_anchors_are_those_of_the_paper() -> None:
    ours = build().anchors(MAP_HWS, [META], torch.device('cpu'))
    torch.testing.assert_close(
        ours.double(), torch.tensor(reference.anchors(MAP_HWS), dtype=torch.float64), rtol=1e-6, atol=1e-5
    )
    first = ours[1]  # a square of 4 strides around the centre of the first pixel of 8 x 8 px
    assert first.tolist() == [-12, -12, 20, 20]


def test_320_and_512_px_have_6375_and_16320_anchors() -> None:
    for side, count in ((320, 6375), (512, 16320)):  # the paper's tables count them
        hws = [(side // stride, side // stride) for stride in reference.STRIDES]
        anchors = build().anchors(hws, [dict(batch_input_shape=(side, side))], torch.device('cpu'))
        assert len(anchors) == 3 * sum(h * w for h, w in hws) == count


def test_refined_anchors_are_decoded_ones_that_pass_no_gradient() -> None:
    head, outputs, scene = build(), maps(2), SCENES['objects of all sizes']
    anchors = head.anchors(MAP_HWS, [META], torch.device('cpu'))
    offsets = torch.randn(2, len(anchors), 4)
    refined = head.refine(anchors, offsets)
    expected = [
        [reference.decode(anchor, offset) for anchor, offset in zip(anchors.double().tolist(), image)]
        for image in offsets.double().tolist()
    ]
    torch.testing.assert_close(refined.double(), torch.tensor(expected, dtype=torch.float64), rtol=1e-5, atol=1e-4)
    losses = head.loss_by_feat(*outputs, scene, [META] * 2)
    (losses['loss_odm_cls'] + losses['loss_odm_bbox']).backward()
    assert all(x.grad is None for levels in outputs[:2] for x in levels)
    assert any(x.grad.any() for x in outputs[2]) and any(x.grad.any() for x in outputs[3])


def test_easy_negatives_are_left_out_and_positives_stay() -> None:
    head, outputs, scene = build(), maps(1, scale=0.1), [objects((10, 20, 40, 50), labels=(2,))]
    with torch.no_grad():
        for level in outputs[0]:
            level[:, 1::2] += 10  # all background to the ARM
    losses = head.loss_by_feat(*outputs, scene, [META])
    losses['loss_odm_cls'].backward()
    moved = sum(int(x.grad.reshape(3, CLASSES + 1, -1).abs().sum(dim=1).gt(0).sum()) for x in outputs[2])
    refined = head.refine(
        head.anchors(MAP_HWS, [META], torch.device('cpu')), torch.cat([_rows(x) for x in outputs[1]], 1)
    )
    positives = sum(found is not None for found in reference.match(refined[0].double().tolist(), [(10, 20, 40, 50)]))
    assert moved == positives > 0

    losses = build(negative_threshold=1.0).loss_by_feat(*maps(1, scale=0.1), scene, [META])
    assert losses['loss_odm_cls'] > 0


def _rows(level: Tensor) -> Tensor:
    return level.detach().permute(0, 2, 3, 1).reshape(len(level), -1, 4)


@pytest.mark.parametrize('scene', [[objects(), objects()], [objects(), objects((20, 20, 60, 60), labels=(1,))]])
def test_images_without_objects_train_without_nan(scene: list[InstanceData]) -> None:
    outputs = maps(2)
    losses = build().loss_by_feat(*outputs, scene, [META] * 2)
    sum(losses.values()).backward()
    grads = [x.grad for levels in outputs for x in levels]
    assert all(torch.isfinite(grad).all() for grad in grads)  # and there is one: DDP waits for each
    if not any(len(image.labels) for image in scene):
        assert all(loss == 0 for loss in losses.values())
        assert not any(grad.any() for grad in grads)
    else:
        assert all(loss > 0 for loss in losses.values())


def test_anchors_in_the_padding_are_not_trained() -> None:
    outputs = maps(1)
    meta = META | dict(img_shape=(96, 60), pad_shape=(96, 64))
    sum(build().loss_by_feat(*outputs, [objects((10, 20, 40, 50), labels=(2,))], [meta]).values()).backward()
    for levels in outputs:
        for x, stride in zip(levels, reference.STRIDES):
            assert not x.grad[..., 64 // stride :].any()
    assert any(x.grad.any() for x in outputs[2])


def test_ignored_objects_are_neither_positive_nor_negative() -> None:
    head = build(train_cfg=dict(assigner=ASSIGNER | dict(ignore_iof_thr=0.5)))
    outputs, scene = maps(1), [objects((10, 20, 40, 50), labels=(2,))]
    rows, columns = slice(3, 9), slice(11, 13)  # pixels of level 0 whose anchors lie in the ignored object
    with torch.no_grad():
        outputs[0][0][:, 0::2, rows, columns] += 20  # the hardest negatives
    for ignored, trained in ([], True), ([objects((64, 0, 128, 96), labels=(0,))], False):
        outputs[0][0].grad = None
        sum(head.loss_by_feat(*outputs, scene, [META], ignored).values()).backward()
        assert bool(outputs[0][0].grad[:, :, rows, columns].any()) == trained


@pytest.mark.parametrize('scale', [1.0, 3.0])
def test_detections_are_those_of_the_paper(scale: float) -> None:
    outputs = maps(2, scale=scale)
    anchors = [flat(levels, channels) for levels, channels in zip(outputs, (2, 4, CLASSES + 1, 4))]
    results = build().predict_by_feat(*outputs, [META] * 2)
    for image, ours in enumerate(results):
        expected = reference.detections(
            reference.anchors(MAP_HWS), *(kind[image] for kind in anchors), HW, top=400, keep=200
        )
        scores, labels, boxes = zip(*expected)
        assert len(expected) > 50
        assert ours.labels.tolist() == list(labels)
        torch.testing.assert_close(ours.scores.double(), torch.tensor(scores, dtype=torch.float64), rtol=1e-4, atol=0)
        torch.testing.assert_close(ours.bboxes.double(), torch.tensor(boxes, dtype=torch.float64), rtol=0, atol=2e-3)


def test_the_number_of_candidates_is_limited_per_image_not_per_level() -> None:
    results = build(test_cfg=TEST_CFG | dict(nms_pre=20)).predict_by_feat(*maps(1), [META], with_nms=False)
    assert len(results[0]) == 20


def test_detections_go_back_to_the_original_image() -> None:
    outputs = maps(1)
    (small,) = build().predict_by_feat(*outputs, [META])
    (large,) = build().predict_by_feat(*outputs, [META | dict(scale_factor=(0.5, 0.25))], rescale=True)
    torch.testing.assert_close(large.bboxes, small.bboxes * torch.tensor([2.0, 4.0, 2.0, 4.0]))


def test_no_detections_where_all_is_background() -> None:
    outputs = maps(1)
    with torch.no_grad():
        for level in outputs[0]:
            level[:, 1::2] += 100
    (result,) = build().predict_by_feat(*outputs, [META])
    assert len(result) == 0


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_maps_give_float32_losses(dtype: torch.dtype) -> None:
    outputs = [[x.detach().to(dtype) for x in levels] for levels in maps(1)]
    scene = [objects((10, 20, 40, 50), labels=(2,))]
    losses = build().loss_by_feat(*outputs, scene, [META])
    expected = build().loss_by_feat(*[[x.float() for x in levels] for levels in outputs], scene, [META])
    for name, loss in losses.items():
        assert loss.dtype == torch.float32
        assert torch.equal(loss, expected[name])


def test_forward_gives_a_map_of_each_kind_a_level() -> None:
    head = build()
    sources = [torch.randn(2, 8, *hw) for hw in MAP_HWS]
    outputs = head((sources, [torch.zeros_like(x) for x in sources]))
    channels = (6, 12, 3 * (CLASSES + 1), 12)
    assert [[tuple(x.shape) for x in levels] for levels in outputs] == [
        [(2, c, *hw) for hw in MAP_HWS] for c in channels
    ]
    assert (
        outputs[2][0][0, 0].std() == 0 < outputs[0][0][0, 0].std()
    )  # the ARM reads the first maps, the ODM the second


def test_too_few_maps_are_counted() -> None:
    sources = [torch.randn(1, 8, *hw) for hw in MAP_HWS]
    with pytest.raises(ValueError, match='4 levels, got 3 maps for the ARM and 4 for the ODM'):
        build()((sources[:3], sources))


STRIDES_1 = dict(type='AnchorGenerator', strides=[8, 16, 32], scales=[4.0], ratios=[1.0])
STRIDES_2 = dict(type='AnchorGenerator', strides=[8, 16, 32, 100], scales=[4.0], ratios=[1.0])


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (dict(num_classes=0), 'num_classes must be at least 1 .* got 0'),
        (dict(negative_threshold=0), 'negative_threshold .* got 0'),
        (dict(negative_threshold=1.01), 'negative_threshold .* got 1.01'),
        (dict(neg_pos_ratio=0), 'neg_pos_ratio must be above 0, got 0'),
        (
            dict(anchor_generator=STRIDES_1),
            r'4 levels, anchor_generator 3 strides \[\(8, 8\), \(16, 16\), \(32, 32\)\]',
        ),
        (dict(anchor_generator=STRIDES_2), r'double .*\(64, 64\)\], got .*\(100, 100\)\]'),
    ],
)
def test_bad_arguments_are_named(kwargs: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**kwargs)


def test_maps_that_do_not_have_their_stride_and_small_images_are_refused() -> None:
    head, outputs = build(), maps(1)
    with pytest.raises(
        ValueError, match=r'level 0 has anchors of stride 8 .* \(24, 32\) for images of 192 x 256 px, got'
    ):
        head.predict_by_feat(*outputs, [META | dict(batch_input_shape=(192, 256))])
    with pytest.raises(ValueError, match=r'at least 64 x 64 px .* got 63 x 128'):
        head.loss_by_feat(*outputs, [objects()], [META | dict(batch_input_shape=(63, 128))])


def test_a_head_without_settings_says_what_it_needs() -> None:
    outputs = maps(1)
    with pytest.raises(ValueError, match='train_cfg=dict'):
        build(train_cfg=None).loss_by_feat(*outputs, [objects()], [META])
    with pytest.raises(ValueError, match='test_cfg=dict'):
        build(test_cfg=None).predict_by_feat(*outputs, [META])
