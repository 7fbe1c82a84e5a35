"""The head, and the configs of image quality and classification trained by a Runner on generated images."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner import Runner

pytest.importorskip('tests.mmpretrain_here')

from mmpretrain.structures import DataSample

from tests.configs.catalogue import ROOT, load


def head(**kwargs):
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return MODELS.build(dict(type='mmdownsize.QualityHead', in_channels=6, num_bins=4, **kwargs))


def rated(*counts):
    return DataSample().set_gt_score(torch.tensor(counts) / sum(counts))


def test_a_prediction_has_its_distribution_and_its_mean():
    layer, feats = head().eval(), torch.randn(3, 6)
    with torch.no_grad():
        samples = layer.predict((feats,), [rated(1.0, 2, 3, 4), None, None])
        scores = layer.fc(feats).double().softmax(1)
    for sample, expected in zip(samples, scores):
        torch.testing.assert_close(sample.pred_score.double(), expected, rtol=1e-5, atol=1e-6)
        mean = sum((k + 1) * p for k, p in enumerate(expected.tolist()))
        assert sample.pred_quality.item() == pytest.approx(mean, rel=1e-5)
    assert samples[0].gt_score.tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4])


def test_dropout_acts_in_training_only():
    layer, feats = head(dropout=0.75), (torch.ones(1, 6000)[:, :6].repeat(500, 1),)
    kept = layer.train().pre_logits(feats)
    assert set(kept.unique().tolist()) == {0.0, 4.0} and (kept == 0).float().mean().item() == pytest.approx(
        0.75, abs=0.05
    )
    assert torch.equal(layer.eval().pre_logits(feats), feats[0])


@pytest.mark.parametrize(
    ('samples', 'message'),
    [
        ([rated(1.0, 1, 1, 1), DataSample()], 'needs a gt_score of 4 bins, got none'),
        ([rated(1.0, 1, 1)], 'needs a gt_score of 4 bins, got 3 bins'),
    ],
)
def test_samples_without_ratings_are_named(samples, message):
    with pytest.raises(ValueError, match=message):
        head().loss((torch.randn(len(samples), 6),), samples)


def draw(folder: Path, names: list[str], levels: list[float]) -> None:
    """Grey noise around a level each, 40 x 60 px."""
    generator = np.random.default_rng(0)
    for name, level in zip(names, levels):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        image = np.clip(level + generator.normal(0, 20, (40, 60, 3)), 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / name), image)


def small(cfg, work_dir, side, epochs, batch):
    """A config's loops on a few small images and a ResNet-18 of 8 channels."""
    cfg.work_dir = str(work_dir)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        loader.update(num_workers=0, persistent_workers=False, batch_size=batch)
        for step in loader.dataset.pipeline:
            step.update({name: side for name in ('crop_size', 'scale') if name in step})
            if step.type == 'Resize':
                step.scale = (side, side)
    cfg.model.data_preprocessor.scale = (side // 2, side // 2)
    cfg.model.backbone = dict(type='ResNet', depth=18, base_channels=8, stem_channels=8)
    cfg.model.head.in_channels = 64
    cfg.train_cfg.max_epochs = epochs
    cfg.default_hooks.logger.interval = 1
    cfg.visualizer.vis_backends = []
    cfg.experiment_name = work_dir.name
    return cfg


@pytest.mark.parametrize('variant', ['', '_learned-resizer'])
def test_image_quality_is_learned_through_a_runner(tmp_path, variant):
    """Brighter images are rated higher; a dozen of them."""
    levels = np.linspace(20, 235, 12)
    names = [f'{i}.png' for i in range(12)]
    draw(tmp_path / 'images', names, levels)
    lines = []
    for name, level in zip(names, levels):
        counts = np.exp(-0.5 * (np.arange(1, 11) - 1 - 8 * level / 255) ** 2) * 100
        lines.append(' '.join([name, *(str(round(count)) for count in counts)]))
    # Long enough for any order of sums: after 8 epochs one CPU ended at the thresholds below.
    cfg = small(load(ROOT / f'configs/talebi/efficientnet-b0_ava_448-to-224{variant}.py'), tmp_path / 'run', 32, 24, 6)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        (tmp_path / loader.dataset.ann_file).write_text('\n'.join(lines))
        loader.dataset.data_root = str(tmp_path)
    cfg.model.head.dropout = 0.0
    cfg.optim_wrapper = dict(optimizer=dict(type='Adam', lr=5e-3))
    cfg.param_scheduler = None
    runner = Runner.from_cfg(cfg)
    before = {name: p.detach().clone() for name, p in runner.model.named_parameters()}
    first = runner.test()
    model = runner.train()
    last = runner.test()
    assert last['quality/emd'] < 0.7 * first['quality/emd'] and min(last['quality/srcc'], last['quality/plcc']) > 0.8
    assert [name for name, p in model.named_parameters() if torch.equal(p, before[name])] == []
    assert list((tmp_path / 'run').glob('best_quality_srcc_epoch_*.pth'))
    batch = next(iter(runner.test_dataloader))
    qualities = [sample.pred_quality.item() for sample in model.test_step(batch)]
    assert len(qualities) == 6 and all(1 <= quality <= 10 for quality in qualities)


@pytest.mark.parametrize('variant', ['', '_learned-resizer', '_bilinear'])
def test_classification_takes_a_step_through_a_runner(tmp_path, variant):
    names = [f'{split}/n{label:08d}/{i}.JPEG' for split in ('train', 'val') for label in range(2) for i in range(2)]
    draw(tmp_path, names, [40, 60, 180, 200] * 2)
    cfg = small(load(ROOT / f'configs/talebi/resnet50_imagenet_448-to-224{variant}.py'), tmp_path / 'run', 32, 1, 4)
    for split, loader in (('train', cfg.train_dataloader), ('val', cfg.val_dataloader), ('val', cfg.test_dataloader)):
        loader.dataset = dict(
            type='CustomDataset', data_root=str(tmp_path), data_prefix=split, pipeline=loader.dataset.pipeline
        )
    cfg.model.data_preprocessor.num_classes = cfg.model.head.num_classes = 2
    cfg.model.train_cfg = dict(augments=[dict(type='Mixup', alpha=0.2), dict(type='CutMix', alpha=1.0)])
    cfg.val_evaluator = cfg.test_evaluator = dict(type='Accuracy', topk=(1,))
    cfg.model.head.topk = (1,)
    runner = Runner.from_cfg(cfg)
    shapes = []
    runner.model.backbone.register_forward_pre_hook(lambda module, inputs: shapes.append(tuple(inputs[0].shape)))
    model = runner.train()
    assert set(shapes) == {(4, 3, 16, 16)}
    assert 0 <= runner.test()['accuracy/top1'] <= 100
    assert (type(model.data_preprocessor.downsizer).__name__ == 'LearnedResizer') == (variant == '_learned-resizer')
