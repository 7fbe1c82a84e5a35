"""SPNet as an mmseg model, from its configs: trains, predicts, is evaluated, saved and loaded, with a downsizer or without."""

import copy
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

pytest.importorskip('mmseg')

from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.model.utils import revert_sync_batchnorm
from mmengine.optim import OptimWrapper
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner import Runner, load_checkpoint, save_checkpoint
from mmengine.structures import PixelData
from mmseg.evaluation import IoUMetric
from mmseg.structures import SegDataSample

from mmdownsize.checkpoints import allow_mmengine_checkpoints

ROOT = Path(__file__).parents[3]
DATA = Path(os.environ.get('MMDOWNSIZE_DATA', ROOT.parent / 'shared' / 'data')).resolve()
PLAIN = 'spnet_r50-d8_cityscapes-768x768.py'
SWAPPED = 'spnet_r50-d8_cityscapes-768x768-to-230x230.py'
MINI = 'spnet_r50-d8-w16_camvid-360x480-to-108x144_mini.py'
CLASSES = 3


def build(name: str, *overrides: dict) -> nn.Module:
    """The model of a config, without ImageNet weights and for a CPU."""
    config = Config.fromfile(ROOT / 'configs' / 'spnet' / name)
    config.merge_from_dict(dict(model=dict(backbone=dict(init_cfg=None))))
    for override in overrides:
        config.merge_from_dict(dict(model=override))
    with DefaultScope.overwrite_default_scope('mmseg'):
        model = revert_sync_batchnorm(MODELS.build(config.model))
    model.init_weights()
    return model


def thin(hw: tuple[int, int], pool_sizes: tuple[int, int] = (20, 12)) -> dict:
    """An eighth of the width, for crops of ``hw`` and few classes."""
    return dict(
        data_preprocessor=dict(size=hw),
        backbone=dict(stem_channels=8, base_channels=8),
        decode_head=dict(
            in_channels=256, mpm_channels=64, channels=32, num_classes=CLASSES, pool_sizes=pool_sizes, dropout_ratio=0
        ),
        auxiliary_head=dict(in_channels=128, channels=16, num_classes=CLASSES, dropout_ratio=0),
    )


def batch_of(count: int, hw: tuple[int, int]) -> dict:
    """Images whose colour shows the label, in blocks of 24 px."""
    images, samples = [], []
    for index in range(count):
        coarse = torch.randint(0, CLASSES, (1, *(-(-side // 24) for side in hw)))
        labels = coarse.repeat_interleave(24, 1).repeat_interleave(24, 2)[:, : hw[0], : hw[1]]
        images.append((60 * labels + torch.randint(0, 20, (3, *hw))).to(torch.uint8))
        meta = dict(img_path=f'{index}.png', ori_shape=hw, img_shape=hw, scale_factor=(1.0, 1.0))
        samples.append(SegDataSample(metainfo=meta, gt_sem_seg=PixelData(data=labels)))
    return dict(inputs=images, data_samples=samples)


def sgd(model: nn.Module, lr: float = 1e-3) -> OptimWrapper:
    return OptimWrapper(torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9))


@pytest.fixture(autouse=True)
def _quiet_initialisation() -> Iterator[None]:
    """mmengine logs every parameter that it initialises, which would bury the report of a failure."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel('WARNING')
    yield
    logger.setLevel(level)


@pytest.mark.parametrize('name', [PLAIN, SWAPPED])
def test_the_whole_of_it_steps_at_full_width_and_every_weight_has_a_gradient(name: str) -> None:
    # A residual branch that starts at nothing, as mmseg's without ImageNet weights do, gives what is in it no gradient.
    model = build(name, dict(backbone=dict(zero_init_residual=False)))
    hw = (160, 168) if name == PLAIN else (534, 560)
    model.data_preprocessor.size = (160, 168)
    shapes = []
    model.decode_head.mpms.register_forward_pre_hook(lambda module, inputs: shapes.append(tuple(inputs[0].shape)))
    if name == SWAPPED:  # the texture of an exact start has a gradient only when the rest has moved
        nn.init.normal_(model.data_preprocessor.downsizer.fusion.weight, std=0.1)
    model.train()
    batch = batch_of(2, hw)
    data = model.data_preprocessor(batch, True)
    losses = model(**data, mode='loss')
    total, _ = model.parse_losses(losses)
    assert {'decode.loss_ce', 'aux.loss_ce'} <= losses.keys() and bool(torch.isfinite(total))
    total.backward()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert bool(torch.isfinite(parameter.grad).all()) and parameter.grad.abs().sum() > 0, parameter_name
    assert shapes == [(2, 1024, 20, 21)]


@pytest.mark.parametrize('name, hw', [(PLAIN, (160, 167)), (SWAPPED, (534, 560))])
def test_it_predicts_in_the_size_of_the_file_is_evaluated_saved_and_loaded(
    name: str, hw: tuple[int, int], tmp_path: Path
) -> None:
    model = build(name, thin(hw))
    batch = batch_of(2, hw)
    assert bool(torch.isfinite(model.train_step(batch, sgd(model))['loss']))
    model.eval()
    with torch.no_grad():
        predictions = model.val_step(copy.deepcopy(batch))
    assert [sample.pred_sem_seg.shape for sample in predictions] == [hw, hw]

    metric = IoUMetric(iou_metrics=['mIoU'])
    evaluator = Evaluator([metric])
    evaluator.dataset_meta = dict(classes=[str(i) for i in range(CLASSES)])
    for sample, given in zip(predictions, batch['data_samples']):
        sample.gt_sem_seg = given.gt_sem_seg
    evaluator.process(predictions)
    assert 0 <= evaluator.evaluate(2)['mIoU'] <= 100

    path = tmp_path / 'spnet.pth'
    save_checkpoint(dict(state_dict=model.state_dict()), str(path))
    other = build(name, thin(hw))
    allow_mmengine_checkpoints()
    load_checkpoint(other, str(path), map_location='cpu', strict=True)
    other.eval()
    with torch.no_grad():
        again = other.val_step(copy.deepcopy(batch))
    for ours, theirs in zip(predictions, again):
        assert torch.equal(ours.seg_logits.data, theirs.seg_logits.data)


def test_a_batch_without_any_label_trains_without_nan() -> None:
    model = build(PLAIN, thin((48, 56), (6, 4)))
    batch = batch_of(2, (48, 56))
    for sample in batch['data_samples']:
        sample.gt_sem_seg.data = torch.full((1, 48, 56), 255)
    model.train_step(batch, sgd(model))
    for name, parameter in model.named_parameters():
        assert bool(torch.isfinite(parameter).all()), name


def test_an_image_that_is_too_small_is_refused_with_the_size() -> None:
    model = build(PLAIN, thin((96, 160)))
    with pytest.raises(ValueError, match=r'12 x 20 px .* 20 x 20 bins: feed larger images, or set pool_sizes'):
        model.val_step(batch_of(1, (96, 160)))


def test_eight_images_are_learned_by_heart() -> None:
    model = build(PLAIN, thin((48, 48), (6, 4)))
    batch = batch_of(8, (48, 48))
    wrapper = OptimWrapper(torch.optim.Adam(model.parameters(), lr=3e-3))
    losses = [model.train_step(batch, wrapper)['decode.loss_ce'].item() for _ in range(40)]
    assert losses[-1] < 0.2 * losses[0]
    model.eval()
    with torch.no_grad():
        predictions = model.val_step(copy.deepcopy(batch))
    right = [
        (sample.pred_sem_seg.data == given.gt_sem_seg.data).float().mean()
        for sample, given in zip(predictions, batch['data_samples'])
    ]
    assert min(right) > 0.85, right


def test_eight_photographs_are_learned_better_with_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few steps only; MMDOWNSIZE_OVERFIT_STEPS=400 learns them by heart, which takes minutes.

    Objects of PASCAL VOC, without its undecided borders: a map of stride 8 cannot draw the poles of CamVid.
    """
    if not (DATA / 'voc2012').is_dir():
        pytest.skip(f'real data not found at {DATA / "voc2012"}; name their folder in MMDOWNSIZE_DATA')
    steps = int(os.environ.get('MMDOWNSIZE_OVERFIT_STEPS', '6'))
    monkeypatch.setenv('MMDOWNSIZE_DATA', str(DATA))
    voc = Config.fromfile(ROOT / 'configs/_base_/datasets/voc2012_seg.py')
    voc.val_dataloader.dataset.ann_file = voc.train_dataloader.dataset.ann_file
    voc.train_dataloader.dataset.pipeline.pop(3)  # the flip: the same eight every time
    voc.train_dataloader.sampler.shuffle = False
    with DefaultScope.overwrite_default_scope('mmseg'):
        for loader in (voc.train_dataloader, voc.val_dataloader):
            loader.update(num_workers=0, persistent_workers=False)
            loader.dataset.indices = 8
        dataset = Runner.build_dataloader(voc.val_dataloader, seed=0)
        (batch,) = Runner.build_dataloader(voc.train_dataloader, seed=0)
    classes = dict(num_classes=21, dropout_ratio=0)
    resized = dict(scale_factor=0.4 if steps < 400 else 0.8, size=(300, 300))
    model = build(MINI, dict(data_preprocessor=resized, decode_head=classes, auxiliary_head=classes))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    wrapper = OptimWrapper(optimizer)
    losses = []
    for step in range(steps):
        optimizer.param_groups[0]['lr'] = 2e-3 * min(1, 2 * (1 - step / steps))
        losses.append(model.train_step(batch, wrapper)['decode.loss_ce'].item())
    assert losses[-1] < 0.9 * losses[0], losses
    if steps < 400:
        return
    (data,) = dataset
    model.eval()
    evaluator = Evaluator(IoUMetric(iou_metrics=['mIoU']))
    evaluator.dataset_meta = dataset.dataset.metainfo
    with torch.no_grad():
        evaluator.process(data_samples=model.val_step(data), data_batch=data)
    miou = evaluator.evaluate(8)['mIoU']
    print(f'loss {losses[0]:.2f} -> {losses[-1]:.3f}, mIoU {miou:.2f}')
    assert miou >= 95
