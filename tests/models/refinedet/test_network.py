"""The network of RefineDet-VGG16: its layers one by one, as the authors' description for Caffe lists them."""

import math

import pytest
import torch
from mmengine.registry import init_default_scope
from torch import nn

pytest.importorskip('mmdet')

from mmdownsize.models.refinedet import RefineDetHead, RefineDetNeck, RefineDetVGG16
from mmdownsize.registry import MODELS

pytestmark = pytest.mark.usefixtures('single_thread')

# Ours, the authors' name, channels in and out, kernel side, stride of the result.
VGG16 = [
    ('backbone.features.0', 'conv1_1', 3, 64, 3, 1),
    ('backbone.features.2', 'conv1_2', 64, 64, 3, 1),
    ('backbone.features.5', 'conv2_1', 64, 128, 3, 2),
    ('backbone.features.7', 'conv2_2', 128, 128, 3, 2),
    ('backbone.features.10', 'conv3_1', 128, 256, 3, 4),
    ('backbone.features.12', 'conv3_2', 256, 256, 3, 4),
    ('backbone.features.14', 'conv3_3', 256, 256, 3, 4),
    ('backbone.features.17', 'conv4_1', 256, 512, 3, 8),
    ('backbone.features.19', 'conv4_2', 512, 512, 3, 8),
    ('backbone.features.21', 'conv4_3', 512, 512, 3, 8),
    ('backbone.features.24', 'conv5_1', 512, 512, 3, 16),
    ('backbone.features.26', 'conv5_2', 512, 512, 3, 16),
    ('backbone.features.28', 'conv5_3', 512, 512, 3, 16),
    ('backbone.features.31', 'fc6', 512, 1024, 3, 32),
    ('backbone.features.33', 'fc7', 1024, 1024, 1, 32),
]
EXTRA = [
    ('neck.extra_layers.0.0.conv', 'conv6_1', 1024, 256, 1, 32),
    ('neck.extra_layers.0.1.conv', 'conv6_2', 256, 512, 3, 64),
]
SOURCES = [(512, 8), (512, 16), (1024, 32), (512, 64)]  # channels and stride of what the ARM reads
TRANSFER = [
    layer
    for i, (channels, stride) in enumerate(SOURCES)
    for layer in [
        (f'neck.transfer_connections.{i}.conv1', f'TL{i + 3}_1', channels, 256, 3, stride),
        (f'neck.transfer_connections.{i}.conv2', f'TL{i + 3}_2', 256, 256, 3, stride),
        (f'neck.transfer_connections.{i}.conv3', f'P{i + 3}', 256, 256, 3, stride),
    ]
]
UPSAMPLING = [(f'neck.transfer_connections.{i}.deconv', f'P{i + 4}-up', 256, 256, 2, SOURCES[i][1]) for i in range(3)]
HEADS = [
    layer
    for i, (channels, stride) in enumerate(SOURCES)
    for layer in [
        (f'bbox_head.arm_reg.{i}', 'arm loc', channels, 3 * 4, 3, stride),
        (f'bbox_head.arm_cls.{i}', 'arm conf', channels, 3 * 2, 3, stride),
        (f'bbox_head.odm_reg.{i}', 'odm loc', 256, 3 * 4, 3, stride),
        (f'bbox_head.odm_cls.{i}', 'odm conf', 256, 3 * 21, 3, stride),
    ]
]
LAYERS = VGG16 + EXTRA + TRANSFER + UPSAMPLING + HEADS
L2_NORMS = {'neck.l2_norms.0': 512, 'neck.l2_norms.1': 512}


@pytest.fixture(scope='module')
def network() -> nn.Module:
    """For 21 classes with background. On the meta device: shapes without the arithmetic."""
    init_default_scope('mmdet')
    parts = dict(
        backbone=dict(type='mmdownsize.RefineDetVGG16'),
        neck=dict(type='mmdownsize.RefineDetNeck'),
        bbox_head=dict(type='mmdownsize.RefineDetHead', num_classes=20),
    )
    return MODELS.build(dict(type='mmdet.SingleStageDetector', **parts)).to('meta')


def test_parameters_are_those_of_the_authors_layers(network: nn.Module) -> None:
    expected = {name: c_in * c_out * k * k + c_out for name, _, c_in, c_out, k, _ in LAYERS} | L2_NORMS
    ours = {
        name: sum(p.numel() for p in module.parameters())
        for name, module in network.named_modules()
        if not list(module.children()) and list(module.parameters())
    }
    assert ours == expected
    vgg16, extra, transfer = (
        sum(expected[layer[0]] for layer in part) for part in (VGG16, EXTRA, TRANSFER + UPSAMPLING)
    )
    arm = sum(9 * channels * 18 + 18 for channels, _ in SOURCES)
    odm = 4 * (9 * 256 * 75 + 75)
    assert (vgg16, extra, transfer) == (20_483_904, 1_442_560, 11_407_104)
    assert (arm, odm) == (414_792, 691_500)
    total = sum(p.numel() for p in network.parameters())
    assert total == vgg16 + extra + transfer + arm + odm + 512 + 512 == 34_440_884


@pytest.mark.parametrize(
    'side, maps', [(320, (40, 20, 10, 5)), (512, (64, 32, 16, 8)), (160, (20, 10, 5, 3)), (300, (38, 19, 10, 5))]
)
def test_maps_have_the_authors_sizes(network: nn.Module, side: int, maps: tuple[int, ...]) -> None:
    shapes = {}
    hooks = [
        network.get_submodule(layer[0]).register_forward_hook(
            lambda _, __, out, name=layer[0]: shapes.update({name: tuple(out.shape)})
        )
        for layer in LAYERS
    ]
    scores = network(torch.empty(2, 3, side, side, device='meta'), mode='tensor')[2]
    for hook in hooks:
        hook.remove()
    assert tuple(x.shape[-1] for x in scores) == maps
    for name, _, _, channels, _, stride in LAYERS:
        here = math.ceil(side / stride)
        if name.endswith('deconv'):
            here = 2 * math.ceil(here / 2)
        assert shapes[name] == (2, channels, here, here), name


def test_fc6_sees_as_far_as_its_dilation(network: nn.Module) -> None:
    fc6 = network.backbone.features[31]
    assert fc6.dilation == fc6.padding == (3, 3)
    pool5 = network.backbone.features[30]
    assert (pool5.kernel_size, pool5.stride, pool5.ceil_mode) == (2, 2, True)


def test_backbone_gives_its_maps_after_relu_and_trains_all() -> None:
    backbone = RefineDetVGG16()
    images = torch.randn(2, 3, 64, 72, requires_grad=True)
    maps = backbone(images)
    assert [tuple(x.shape) for x in maps] == [(2, 512, 8, 9), (2, 512, 4, 5), (2, 1024, 2, 3)]
    assert backbone.out_channels == (512, 512, 1024)
    assert all((x >= 0).all() and (x > 0).any() for x in maps)
    sum(x.sum() for x in maps).backward()
    assert all(p.grad is not None for p in backbone.parameters())
    assert images.grad.abs().sum() > 0  # the downsizer learns through it


def test_parts_are_found_by_name() -> None:
    for part in (RefineDetVGG16, RefineDetNeck, RefineDetHead):
        assert MODELS.get(f'mmdownsize.{part.__name__}') is part
