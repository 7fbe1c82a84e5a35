"""Configs of full data sets at their papers' sizes, on random images and with random weights."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.model.utils import revert_sync_batchnorm
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS
from mmengine.structures import InstanceData, PixelData

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')

from mmdet.structures import DetDataSample
from mmdet.structures.bbox import HorizontalBoxes
from mmseg.structures import SegDataSample

from tests.configs.catalogue import CONFIGS, load, stem

SIZES = re.compile(r'(\d+)x(\d+)-to-(\d+)x(\d+)')  # (h, w) before and after, in the file's name
# A config of a full data set without a downsizer, and those that put one before it.
PLAIN = [
    path
    for path in CONFIGS
    if path.parent.name != 'inspection' and any(other.stem.startswith(f'{path.stem}-to-') for other in CONFIGS)
]
DOWNSIZED = [path for path in CONFIGS if any(path.stem.startswith(f'{other.stem}-to-') for other in PLAIN)]
MAIN = [path for path in DOWNSIZED if SIZES.search(path.stem).end() == len(path.stem)]


def test_there_are_settings() -> None:
    assert len(PLAIN) == len(MAIN) >= 5 and len(DOWNSIZED) == 5 * len(MAIN)


@pytest.mark.parametrize('path', MAIN, ids=stem)
def test_the_downsized_config_is_the_plain_one_with_another_preprocessor(path: Path) -> None:
    (base,) = [other for other in PLAIN if path.stem.startswith(f'{other.stem}-to-')]
    ours, theirs = (load(other).to_dict() for other in (path, base))
    swapped, plain = (cfg['model'].pop('data_preprocessor') for cfg in (ours, theirs))
    assert ours == theirs
    assert {key: value for key, value in swapped.items() if plain.get(key) != value}.keys() <= {
        'type',
        'downsizer',
        'scale',
        'scale_factor',
    }
    src_h, src_w, dst_h, dst_w = map(int, SIZES.search(path.stem).groups())
    assert MODELS.build(load(path).model.data_preprocessor).target.of((src_h, src_w)) == (dst_h, dst_w)


@pytest.mark.parametrize('path', MAIN, ids=stem)
def test_siblings_are_the_four_that_are_compared(path: Path) -> None:
    found = [other.stem.removeprefix(path.stem) for other in DOWNSIZED if other.stem.startswith(path.stem)]
    assert sorted(found) == ['', '_area', '_bicubic', '_bilinear', '_texture-only']


def random_batch(cfg: Config, hw: tuple[int, int], ori_hw: tuple[int, int]) -> dict:
    """Two images of the training size, the second without any object or with nothing labelled."""
    inputs, samples = [], []
    h, w = hw
    meta = dict(
        img_id=0,
        img_path='',
        img_shape=hw,
        ori_shape=ori_hw,
        scale_factor=(w / ori_hw[1], h / ori_hw[0]),
        border=np.array([0, h, 0, w], np.float32),
    )
    for boxes in ([[10, 20, 110, 180], [150, 40, 290, 120]], []):
        inputs.append(torch.randint(0, 256, (3, *hw), dtype=torch.uint8))
        if cfg.default_scope == 'mmseg':
            labels = torch.randint(0, 4, (1, *hw)) if boxes else torch.full((1, *hw), 255)
            samples.append(SegDataSample(metainfo=meta, gt_sem_seg=PixelData(data=labels)))
            continue
        boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
        labels = torch.arange(len(boxes))
        samples.append(DetDataSample(metainfo=meta))
        samples[-1].gt_instances = InstanceData(bboxes=HorizontalBoxes(boxes), labels=labels)
    return dict(inputs=inputs, data_samples=samples)


def without_download(path: Path) -> tuple[Config, torch.nn.Module]:
    """A config and its model with random weights, batch norm in place of SyncBN, which does not run on CPUs.

    Residual branches do not start at nothing, as they would without ImageNet weights: what is in them had no gradient.
    """
    cfg = load(path)
    cfg.model.backbone.update(init_cfg=None, zero_init_residual=False)
    if 'pretrained' in cfg.model:  # the older way of mmseg's configs
        cfg.model.pretrained = None
    model = revert_sync_batchnorm(MODELS.build(cfg.model))
    model.init_weights()
    return cfg, model


# DETR's first decoder layer attends to queries that are nothing but zeros: no weight of that attention can matter.
UNUSED = {'decoder.layers.0.self_attn.attn.in_proj_weight'}


@pytest.mark.parametrize('path', MAIN, ids=stem)
def test_a_step_at_the_papers_sizes_trains_all(path: Path) -> None:
    cfg, model = without_download(path)
    src_h, src_w, dst_h, dst_w = map(int, SIZES.search(path.stem).groups())
    ori_hw = (src_h // 2, src_w + 31)
    shapes = []
    model.backbone.register_forward_pre_hook(lambda module, inputs: shapes.append(tuple(inputs[0].shape)))
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    reached = set()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            parameter.register_post_accumulate_grad_hook(
                lambda given, name=name: reached.add(name) if given.grad.abs().sum() > 0 else None
            )
    for _ in range(2):  # the texture of an exact start has no gradient in the first
        losses = model.train().train_step(random_batch(cfg, (src_h, src_w), ori_hw), wrapper)
        assert all(torch.isfinite(loss).all() for loss in losses.values())
    assert shapes == [(2, 3, dst_h, dst_w)] * 2
    parameters = dict(model.named_parameters())
    frozen = {name for name, parameter in parameters.items() if not parameter.requires_grad}
    assert all(name.startswith('backbone.') for name in frozen)
    assert bool(frozen) == (cfg.model.backbone.get('frozen_stages', -1) >= 0)
    assert all(torch.isfinite(parameter).all() for parameter in parameters.values())
    assert parameters.keys() - reached - UNUSED == frozen

    with torch.no_grad():
        batch = random_batch(cfg, (src_h, src_w), ori_hw)
        (sample,) = model.eval().val_step({key: value[:1] for key, value in batch.items()})
    if cfg.default_scope == 'mmseg':
        assert sample.pred_sem_seg.shape == sample.ori_shape == ori_hw
    else:
        assert tuple(sample.scale_factor) == pytest.approx((dst_w / ori_hw[1], dst_h / ori_hw[0]), rel=1e-5)
        boxes = sample.pred_instances.bboxes
        assert boxes.shape == (100, 4) and bool(torch.isfinite(boxes).all())


def test_boxes_of_detr_are_normalised_by_the_downsized_image() -> None:
    (path,) = [path for path in MAIN if path.stem.startswith('detr_')]
    cfg, model = without_download(path)
    batch = random_batch(cfg, (300, 300), (480, 640))
    given = batch['data_samples'][0].gt_instances.bboxes.tensor
    data = model.data_preprocessor(batch, True)
    sample = data['data_samples'][0]
    assert data['inputs'].shape == (2, 3, 165, 165) and sample.img_shape == sample.batch_input_shape == (165, 165)
    torch.testing.assert_close(sample.gt_instances.bboxes, given * 165 / 300)
    targets = model.bbox_head._get_targets_single(
        torch.randn(100, 81), torch.rand(100, 4), sample.gt_instances, sample.metainfo
    )
    _, _, boxes, weights, matched, _ = targets
    assert len(matched) == 2 and int(weights.sum()) == 8
    x1, y1, x2, y2 = (given / 300).unbind(1)
    wanted = torch.stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1], 1)
    found = boxes[matched]
    torch.testing.assert_close(found[found[:, 0].argsort()], wanted[wanted[:, 0].argsort()])


@pytest.mark.parametrize('path', [path for path in PLAIN if path.stem.startswith(('detr_', 'centernet_'))], ids=stem)
def test_a_plain_detector_steps_and_predicts_at_its_own_size(path: Path) -> None:
    cfg, model = without_download(path)
    losses = model.train_step(random_batch(cfg, (300, 300), (375, 500)), build_optim_wrapper(model, cfg.optim_wrapper))
    assert all(torch.isfinite(loss).all() for loss in losses.values())
    with torch.no_grad():
        predictions = model.eval().val_step(random_batch(cfg, (300, 300), (375, 500)))
    assert [tuple(sample.pred_instances.bboxes.shape) for sample in predictions] == [(100, 4)] * 2
