"""The count of a config's multiply-adds, against mmengine's own analysis."""

from functools import partial

import pytest
from mmengine.analysis import get_model_complexity_info
from mmengine.registry import init_default_scope
from mmengine.runner import set_random_seed

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')

from mmdownsize.configs import read_named_config
from mmdownsize.deploy.flops import Options, Part, count, count_config, size_of
from mmdownsize.loading import model_config
from mmdownsize.made_up import made_up_batch
from mmdownsize.refusal import Refusal
from mmdownsize.registry import MODELS
from mmdownsize.resizers import DownsizeNet, FixedResizer
from mmdownsize.resizers.cost import multiply_adds
from tests.integration.swapped_models import config_of


@pytest.mark.parametrize(
    'name',
    [
        'fast_rcnn/fast-rcnn_r50_fpn_1x_coco.py',
        'condinst/condinst_r50_fpn_ms-poly-90k_coco_instance.py',
        'sparse_rcnn/sparse-rcnn_r50_fpn_1x_coco.py',
        'strong_baselines/mask-rcnn_r50_fpn_rpn-2conv_4conv1fc_syncbn-all_lsj-50e_coco.py',
    ],
)
def test_models_that_need_proposals_annotations_or_other_processes(name):
    cfg, _ = read_named_config(f'mmdet::{name}')
    init_default_scope('mmdet')
    found = count(cfg, (64, 96))
    assert {part.name for part in found.parts} >= {'backbone', 'neck'}
    without = ('between them', 'rpn_head')  # Sparse R-CNN's has proposals and no layers
    assert all(part.multiply_adds > 0 for part in found.parts if part.name not in without)


@pytest.mark.parametrize('name', ['fcn', 'faster_rcnn', 'centernet'])
def test_parts_add_up_to_what_mmengine_counts(name, tmp_path):
    config_of(name, tmp_path).dump(tmp_path / 'config.py')
    cfg = model_config(tmp_path / 'config.py')
    found = count(cfg, (64, 96))
    assert (found.src_hw, found.dst_hw) == ((64, 96), (32, 48))
    model = MODELS.build(cfg.model).eval()
    data = model.data_preprocessor(made_up_batch(cfg.default_scope, (64, 96), images=1, annotated=False))
    model.forward = partial(model.forward, data_samples=data['data_samples'])
    wanted = get_model_complexity_info(model, None, inputs=data['inputs'], show_table=False, show_arch=False)
    rel = 0.2 if name == 'faster_rcnn' else 0  # random weights: the number of proposals differs
    assert sum(part.multiply_adds for part in found.parts) == pytest.approx(wanted['flops'], rel=rel)
    net = found.downsizers['DownsizeNet']
    assert sum(part.parameters for part in found.parts) + net.parameters == wanted['params']
    assert net.parameters == 2852
    assert found.downsizers['bilinear'].parameters == 0
    assert net.multiply_adds == multiply_adds(DownsizeNet(), 3, (64, 96), (32, 48))
    assert any('DeformConv' in skipped for skipped in found.skipped) == (name == 'centernet')


def resizing(cfg, **resize):
    """The config, whose test pipeline resizes so; without arguments it does not resize."""
    name = cfg.default_scope.removeprefix('mm').capitalize()
    steps = [dict(type='Resize', **resize)] if resize else []
    pipeline = [dict(type='LoadImageFromFile'), *steps, dict(type=f'Pack{name}Inputs')]
    cfg.test_dataloader.dataset.pipeline = cfg.val_dataloader.dataset.pipeline = pipeline
    return cfg


def test_a_config_without_a_downsizer(tmp_path):
    resizing(config_of('fcn', tmp_path, swapped=False)).dump(tmp_path / 'config.py')
    found = count_config(Options(tmp_path / 'config.py'))
    assert found.src_hw == found.dst_hw == (64, 96)
    assert found.source == "the preprocessor's size: the pipeline leaves it to the images"
    assert found.downsizers == {'no downsizer': Part('downsizer', 0, 0)}


@pytest.mark.parametrize('name', ['fcn', 'faster_rcnn'])
def test_the_image_is_as_large_as_the_pipeline_delivers_it(name, tmp_path):
    resizing(config_of(name, tmp_path), scale=(90, 60), keep_ratio=False).dump(tmp_path / 'config.py')
    cfg = model_config(tmp_path / 'config.py')
    assert size_of(cfg).hw == (60, 90)
    found = count(cfg, None)
    assert (found.src_hw, found.dst_hw) == ((60, 90), (30, 45))
    assert found.source == 'as the pipeline of test_dataloader delivers it'
    assert size_of(resizing(cfg, scale=(1333, 800), keep_ratio=True)).hw == (800, 1333)
    assert count_config(Options(tmp_path / 'config.py', shape=(70, 50))).src_hw == (50, 70)  # (w, h)


def test_a_size_that_nobody_tells_is_a_usual_one(tmp_path):
    resizing(config_of('faster_rcnn', tmp_path)).dump(tmp_path / 'config.py')
    found = size_of(model_config(tmp_path / 'config.py'))
    assert found.hw == (800, 1344) and found.source.startswith('a usual one')


def test_the_same_model_has_the_same_number(tmp_path):
    """How many proposals a second stage gets depends on the weights, which are random."""
    config_of('faster_rcnn', tmp_path).dump(tmp_path / 'config.py')
    counts = []
    for seed in (1, 2, 3):
        set_random_seed(seed)
        counts.append(count(model_config(tmp_path / 'config.py'), (64, 96)))
    assert counts[0] == counts[1] == counts[2]


@pytest.mark.parametrize('channels', [1, 4])
def test_a_model_of_other_channels(channels, tmp_path):
    backbone = dict(in_channels=channels)
    settings = dict(mean=[1.0] * channels, std=[1.0] * channels, downsizer=dict(in_channels=channels), bgr_to_rgb=False)
    config_of('fcn', tmp_path, backbone=backbone, data_preprocessor=settings).dump(tmp_path / 'config.py')
    found = count(model_config(tmp_path / 'config.py'), (64, 96))
    net = DownsizeNet(in_channels=channels)
    assert found.downsizers['DownsizeNet'].multiply_adds == multiply_adds(net, channels, (64, 96), (32, 48))
    fixed = multiply_adds(FixedResizer(), channels, (64, 96), (32, 48))
    assert found.downsizers['bilinear'].multiply_adds == fixed


def test_a_config_of_another_package_is_refused(tmp_path):
    cfg = config_of('fcn', tmp_path)
    cfg.default_scope = 'mmengine'
    with pytest.raises(Refusal, match="default_scope must be 'mmdet' or 'mmseg', got 'mmengine'"):
        count(cfg, (64, 96))


def test_a_distiller_whose_train_returns_nothing(monkeypatch):
    """As those of mmdet: their ``eval()`` gives None."""
    cfg, _ = read_named_config('mmdet::retinanet/retinanet_r18_fpn_1x_coco.py')
    init_default_scope('mmdet')
    wanted = count(cfg, (64, 96))
    detector = pytest.importorskip('mmdet.models').RetinaNet
    monkeypatch.setattr(detector, 'train', lambda self, mode=True: super(detector, self).train(mode) and None)
    assert count(cfg, (64, 96)) == wanted
