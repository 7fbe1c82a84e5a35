"""Light-Head R-CNN's parts against their definitions, and a small whole one in training."""

from functools import partial

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint, save_checkpoint
from mmengine.structures import InstanceData
from torch import Tensor, nn

pytest.importorskip('mmdet')

from mmcv.ops import RoIAlign
from mmdet.evaluation import VOCMetric
from mmdet.structures import DetDataSample

from mmdownsize.models.light_head_rcnn import LightRoIHead, ps_roi_align
from mmdownsize.registry import MODELS
from tests.references.ps_roi_align import ps_roi_align as reference
from tests.references.rois import ROIS, feats

pytestmark = pytest.mark.usefixtures('single_thread')


@pytest.mark.parametrize('p, channels, samples', [(1, 2, 2), (3, 2, 2), (2, 3, 3), (7, 1, 1)])
@pytest.mark.parametrize('scale', [1 / 8, 0.1])
def test_align_is_the_loop_written_from_the_definition(p: int, channels: int, samples: int, scale: float) -> None:
    x = feats(channels * p * p)
    out = ps_roi_align(x, ROIS, p, spatial_scale=scale, sampling_ratio=samples)
    scale = float(np.float32(scale))  # which is what mmcv's operator takes
    expected = reference(x.numpy(), ROIS.numpy(), p, scale, samples)
    assert out.shape == (len(ROIS), channels, p, p)
    torch.testing.assert_close(out, torch.from_numpy(expected), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize('dtype, tolerance', [(torch.float64, 1e-10), (torch.float32, 2e-5)])
def test_align_and_its_gradient_are_roi_align_on_all_channels_and_a_choice(
    dtype: torch.dtype, tolerance: float
) -> None:
    p, channels = 7, 3
    x, rois = feats(channels * p * p, dtype).requires_grad_(), ROIS.to(dtype)
    every = RoIAlign(p, 1 / 8, sampling_ratio=2)(x, rois).view(len(rois), channels, p, p, p, p)
    chosen = torch.einsum('ncijij->ncij', every)
    ours = ps_roi_align(x, rois, p, spatial_scale=1 / 8)
    torch.testing.assert_close(ours, chosen, rtol=tolerance, atol=tolerance)
    weights = torch.randn_like(chosen)
    (expected,) = torch.autograd.grad((chosen * weights).sum(), x)
    (gradient,) = torch.autograd.grad((ours * weights).sum(), x)
    torch.testing.assert_close(gradient, expected, rtol=tolerance, atol=tolerance)
    assert gradient.abs().sum() > 0


def test_align_passes_the_gradient_check() -> None:
    x = feats(2 * 9).requires_grad_()
    align = partial(ps_roi_align, rois=ROIS, output_size=3, spatial_scale=1 / 8)
    assert torch.autograd.gradcheck(align, (x,))


def test_a_bin_reads_the_channels_of_its_place_class_major() -> None:
    """R-FCN's order, read off: every channel is constant and says its own number."""
    p, channels = 3, 2
    x = torch.arange(channels * p * p, dtype=torch.float32).view(1, -1, 1, 1).expand(1, -1, 8, 8)
    (out,) = ps_roi_align(x, torch.tensor([[0.0, 2, 2, 6, 6]]), p)
    assert out.tolist() == torch.arange(channels * p * p, dtype=torch.float32).view(channels, p, p).tolist()


@pytest.mark.parametrize('batch', [1, 2])
def test_align_reads_maps_however_they_lie_in_memory(batch: int) -> None:
    x, rois = feats(18)[:batch], ROIS[ROIS[:, 0] < batch]
    wide = torch.randn(batch, 36, 6, 14, dtype=torch.float64)
    wide[:, ::2, :, ::2] = x
    plain = ps_roi_align(x, rois, 3, spatial_scale=1 / 8)
    for same in (x.contiguous(memory_format=torch.channels_last), wide[:, ::2, :, ::2]):
        assert torch.equal(ps_roi_align(same, rois, 3, spatial_scale=1 / 8), plain)


def test_align_of_nothing_keeps_the_graph_and_inputs_are_not_changed() -> None:
    x = feats(18, torch.float32).requires_grad_()
    out = ps_roi_align(x, torch.zeros(0, 5), 3)
    assert out.shape == (0, 2, 3, 3)
    out.sum().backward()
    assert torch.equal(x.grad, torch.zeros_like(x))
    kept, rois = x.detach().clone(), ROIS.float()
    ps_roi_align(x, rois, 3, spatial_scale=1 / 8)
    assert torch.equal(x, kept) and torch.equal(rois, ROIS.float())


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_maps_keep_their_type_and_boxes_their_place(dtype: torch.dtype) -> None:
    """At 2000 px, 16 bits place a box to 1 px and 8 px."""
    x = torch.arange(64.0).view(1, 1, 1, 64).expand(1, 1, 4, 64).to(dtype)
    rois = torch.tensor([[0, 995.0, 10, 1003.0, 40]])
    out = ps_roi_align(x, rois, 1, spatial_scale=1 / 16)
    assert out.dtype == dtype
    assert out.item() == pytest.approx(999 / 16 - 0.5, rel=2 * torch.finfo(dtype).eps)


@pytest.mark.parametrize(
    'shape, rois, message',
    [
        ((1, 48, 4, 4), (1, 5), r'multiple of 49, got \(1, 48, 4, 4\)'),
        ((49, 4, 4), (1, 5), r'got \(49, 4, 4\)'),
        ((1, 49, 4, 4), (1, 4), r'rois must be \(N, 5\).*got \(1, 4\)'),
    ],
)
def test_align_names_bad_shapes(shape: tuple[int, ...], rois: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ps_roi_align(torch.zeros(shape), torch.zeros(rois), 7)


def extractor(**kwargs) -> nn.Module:
    return MODELS.build(dict(type='mmdownsize.PSRoIAlignExtractor', **kwargs))


def test_extractor_reads_one_map_and_scales_rois() -> None:
    layer = extractor(in_channels=18, output_size=3, featmap_stride=8, sampling_ratio=1)
    assert (layer.num_inputs, layer.out_channels) == (1, 2)
    x = feats(18)
    expected = reference(x.numpy(), ROIS.numpy(), 3, 1 / 8, 1)
    torch.testing.assert_close(layer((x,), ROIS), torch.from_numpy(expected))
    wide = ROIS[:1].clone()
    wide[:, 1:] += torch.tensor([-18, -14, 18, 14])  # half the width and height on each side
    torch.testing.assert_close(layer((x,), ROIS[:1], roi_scale_factor=2), layer((x,), wide))


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (dict(in_channels=500), r'7 \* 7 = 49, .* got 500: take 490 or 539'),
        (dict(in_channels=40), r'7 \* 7 = 49, .* got 40: take 49 or 98'),
        (dict(in_channels=490, output_size=0), 'output_size must be at least 1, got 0'),
        (dict(featmap_stride=0), 'featmap_stride must be above 0, got 0'),
        (dict(sampling_ratio=0), 'sampling_ratio must be at least 1, got 0'),
    ],
)
def test_extractor_names_bad_arguments(kwargs: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        extractor(**kwargs)


def thin(**kwargs) -> nn.Module:
    return MODELS.build(dict(type='mmdownsize.LargeSeparableConv', **kwargs))


def correlate(x: np.ndarray, conv: nn.Conv2d) -> np.ndarray:
    """A convolution in float64, one tap at a time, with zeros around."""
    weight, bias = (value.detach().double().numpy() for value in (conv.weight, conv.bias))
    down, right = weight.shape[2] // 2, weight.shape[3] // 2
    padded = np.pad(x, ((0, 0), (down, down), (right, right)))
    out = np.zeros((len(weight), *x.shape[1:])) + bias[:, None, None]
    for i in range(weight.shape[2]):
        for j in range(weight.shape[3]):
            out += np.einsum('oc,chw->ohw', weight[:, :, i, j], padded[:, i : i + x.shape[1], j : j + x.shape[2]])
    return out


def test_thin_map_is_the_sum_of_both_branches() -> None:
    layer = thin(in_channels=3, mid_channels=2, out_channels=4, kernel_size=5)
    (a, b), (c, d) = layer.column_then_row, layer.row_then_column
    assert [tuple(conv.kernel_size) for conv in (a, b, c, d)] == [(5, 1), (1, 5), (1, 5), (5, 1)]
    x = torch.randn(1, 3, 6, 8)
    expected = correlate(correlate(x[0].double().numpy(), a), b) + correlate(correlate(x[0].double().numpy(), c), d)
    with torch.no_grad():
        torch.testing.assert_close(layer(x)[0], torch.from_numpy(np.maximum(expected, 0)).float())


@pytest.mark.parametrize(('mid_channels', 'parameters'), [(64, 1_924_948), (256, 7_696_852)])
def test_paper_setting_gives_a_thin_map_of_ten_channels_a_bin(mid_channels: int, parameters: int) -> None:
    layer = thin(in_channels=512, mid_channels=mid_channels)
    layer.init_weights()
    assert sum(p.numel() for p in layer.parameters()) == parameters  # 2 * (15 * 512 * m + m + 15 * m * 490 + 490)
    assert parameters == 2 * (15 * 512 * mid_channels + mid_channels + 15 * mid_channels * 490 + 490)
    with torch.no_grad():
        out = layer(torch.randn(1, 512, 10, 16))
    assert out.shape == (1, 10 * 7 * 7, 10, 16)
    assert layer.column_then_row[0].weight.shape == (mid_channels, 512, 15, 1)
    assert layer.column_then_row[1].weight.shape == (490, mid_channels, 1, 15)
    for conv in (*layer.column_then_row, *layer.row_then_column):
        assert conv.weight.std().item() == pytest.approx(0.01, rel=0.05) and not conv.bias.any()


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (dict(in_channels=8, kernel_size=14), 'kernel_size must be odd.*got 14'),
        (dict(in_channels=8, mid_channels=0), 'at least 1, got 8, 0 and 490'),
    ],
)
def test_thin_map_names_bad_arguments(kwargs: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        thin(**kwargs)


STEPS = 100
P, THIN = 3, 4  # bins a side and channels a bin of the small detector


def roi_head(thin_channels: int = THIN * P * P, head: dict | None = None, **kwargs) -> dict:
    return dict(
        type='mmdownsize.LightRoIHead',
        thin=dict(
            type='mmdownsize.LargeSeparableConv',
            in_channels=16,
            mid_channels=8,
            out_channels=thin_channels,
            kernel_size=5,
        ),
        bbox_roi_extractor=dict(
            type='mmdownsize.PSRoIAlignExtractor', in_channels=THIN * P * P, output_size=P, featmap_stride=8
        ),
        bbox_head=dict(
            type='mmdet.ConvFCBBoxHead',
            num_shared_fcs=1,
            fc_out_channels=32,
            num_classes=2,
            reg_class_agnostic=True,
            **{'in_channels': THIN, 'roi_feat_size': P, **(head or {})},
        ),
        **kwargs,
    )


@pytest.fixture(autouse=True)
def _mmdet_scope() -> None:
    init_default_scope('mmdet')


def detector(sampler: str = 'OHEMSampler') -> nn.Module:
    """The paper's, narrow, on a ResNet of 8 channels at stride 8, with its weights initialised."""
    nms = dict(type='nms', iou_threshold=0.7)
    cfg = dict(
        type='FasterRCNN',
        data_preprocessor=dict(type='DetDataPreprocessor', mean=[127.0] * 3, std=[64.0] * 3, pad_size_divisor=8),
        backbone=dict(
            type='ResNet',
            depth=18,
            base_channels=8,
            num_stages=2,
            strides=(1, 2),
            dilations=(1, 1),
            out_indices=(1,),
            zero_init_residual=False,  # of which half the parameters would have no gradient at first
        ),
        rpn_head=dict(
            type='RPNHead',
            in_channels=16,
            feat_channels=32,
            anchor_generator=dict(type='AnchorGenerator', scales=[1, 2, 3], ratios=[1.0], strides=[8]),
        ),
        roi_head=roi_head(),
        train_cfg=dict(
            rpn=dict(
                assigner=dict(type='MaxIoUAssigner', pos_iou_thr=0.7, neg_iou_thr=0.3, min_pos_iou=0.3),
                sampler=dict(type='RandomSampler', num=64, pos_fraction=0.5, add_gt_as_proposals=False),
                allowed_border=-1,
                pos_weight=-1,
            ),
            rpn_proposal=dict(nms_pre=200, max_per_img=100, nms=nms, min_bbox_size=0),
            rcnn=dict(
                assigner=dict(type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.5, match_low_quality=False),
                sampler=dict(type=sampler, num=32, pos_fraction=0.25),
                pos_weight=-1,
            ),
        ),
        test_cfg=dict(
            rpn=dict(nms_pre=200, max_per_img=50, nms=nms, min_bbox_size=0),
            rcnn=dict(score_thr=0.05, nms=dict(type='nms', iou_threshold=0.5), max_per_img=20),
        ),
    )
    model = MODELS.build(ConfigDict(cfg))
    model.init_weights()
    return model


def scene(generator: torch.Generator, objects: int, hw: tuple[int, int] = (48, 64)) -> tuple[Tensor, DetDataSample]:
    """Grey noise with a bright (class 0) square on the left and a dark (class 1) one on the right, as many as asked."""
    image = torch.randint(110, 140, (3, *hw), generator=generator, dtype=torch.uint8)
    boxes = []
    for label in range(objects):
        side, top, left = (int(torch.randint(*span, (1,), generator=generator)) for span in ((14, 22), (2, 24), (2, 8)))
        left += 32 * label
        image[:, top : top + side, left : left + side] = (230, 20)[label]
        boxes.append([left, top, left + side, top + side])
    sample = DetDataSample(metainfo=dict(img_shape=hw, ori_shape=hw, scale_factor=(1.0, 1.0), img_id=0))
    sample.gt_instances = InstanceData(
        bboxes=torch.tensor(boxes, dtype=torch.float32).view(-1, 4), labels=torch.arange(objects)
    )
    sample.ignored_instances = InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.long))
    return image, sample


def batch(*objects: int) -> dict:
    generator = torch.Generator().manual_seed(1)
    images, samples = zip(*(scene(generator, count) for count in objects))
    return dict(inputs=list(images), data_samples=list(samples))


def losses(model: nn.Module, data: dict) -> dict[str, Tensor]:
    found = model.train()(**model.data_preprocessor(data, True), mode='loss')
    return {name: sum(value) if isinstance(value, list) else value for name, value in found.items()}


@pytest.mark.parametrize('sampler', ['OHEMSampler', 'RandomSampler'])
def test_a_step_gives_finite_losses_and_a_gradient_to_every_parameter(sampler: str) -> None:
    model = detector(sampler)
    found = losses(model, batch(2, 1))
    assert {'loss_rpn_cls', 'loss_rpn_bbox', 'loss_cls', 'loss_bbox'} <= found.keys()
    assert all(torch.isfinite(value).all() for value in found.values())
    sum(value for name, value in found.items() if 'loss' in name).backward()
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert {name for name, p in trained.items() if p.grad is None or not p.grad.abs().sum() > 0} == set()
    assert all(torch.isfinite(p.grad).all() for p in trained.values())
    assert model.roi_head.bbox_head.fc_reg.out_features == 4  # a box shared by all classes


@pytest.mark.parametrize('objects', [(0, 2), (0, 0)])
def test_images_without_objects_train(objects: tuple[int, int]) -> None:
    model = detector()
    found = losses(model, batch(*objects))
    assert all(torch.isfinite(value).all() for value in found.values())
    sum(value for name, value in found.items() if 'loss' in name).backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.requires_grad}
    assert all(g is not None and torch.isfinite(g).all() for g in gradients.values())
    if sum(objects) == 0:
        assert found['loss_bbox'] == 0 and found['loss_cls'] > 0


def test_the_box_head_reads_the_thin_map_and_the_rpn_the_backbones() -> None:
    model = detector().eval()
    read = {}
    model.rpn_head.register_forward_pre_hook(lambda module, args: read.update(rpn=args[0][0]))
    model.roi_head.bbox_roi_extractor.register_forward_pre_hook(lambda module, args: read.update(roi=args[0][0]))
    data = model.data_preprocessor(batch(1), False)
    with torch.no_grad():
        (backbone,) = model.backbone(data['inputs'])
        scores, deltas = model(**data, mode='tensor')[-1]
        assert torch.equal(read['rpn'], backbone)
        assert torch.equal(read['roi'], model.roi_head.thin(backbone))
    assert read['roi'].shape[1] == THIN * P * P and scores.shape[1] == 3 and deltas.shape[1] == 4


def test_eight_images_are_learned_by_heart_and_a_checkpoint_keeps_it(tmp_path) -> None:
    torch.manual_seed(0)
    model, data = detector(), batch(2, 2, 1, 2, 1, 2, 2, 0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(STEPS):
        loss = sum(value for name, value in losses(model, data).items() if 'loss' in name)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10)
        optimizer.step()

    again = detector()
    save_checkpoint(dict(state_dict=model.state_dict()), str(tmp_path / 'light.pth'))
    load_checkpoint(again, str(tmp_path / 'light.pth'), strict=True)
    with torch.no_grad():
        predicted, loaded = (m.eval().test_step(data) for m in (model, again))
    metric = VOCMetric(metric='mAP', eval_mode='area')
    metric.dataset_meta = dict(classes=('bright', 'dark'), dataset_type='VOC2012')
    metric.process({}, [sample.to_dict() for sample in predicted])
    assert metric.compute_metrics(metric.results)['mAP'] > 0.9
    for sample, same in zip(predicted, loaded):
        assert torch.equal(sample.pred_instances.bboxes, same.pred_instances.bboxes)
        assert torch.equal(sample.pred_instances.scores, same.pred_instances.scores)


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (dict(thin_channels=45), 'thin map has out_channels=45, the RoI extractor reads in_channels=36'),
        (dict(head=dict(in_channels=10)), r'gives \(4, 3, 3\) .* reads \(10, 3, 3\): set its in_channels=4'),
        (dict(head=dict(roi_feat_size=7)), r'gives \(4, 3, 3\) .* reads \(4, 7, 7\): .* roi_feat_size=3'),
    ],
)
def test_parts_that_do_not_fit_are_named(kwargs: dict, message: str) -> None:
    cfg = roi_head(**kwargs)
    cfg.pop('type')
    with pytest.raises(ValueError, match=message):
        LightRoIHead(**cfg)
