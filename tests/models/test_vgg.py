"""VGG against mmcv's network and against what dilation must not change."""

import pytest
import torch
from mmengine.model import BaseModule
from torch import nn

pytest.importorskip('mmcv')

from mmcv.cnn import VGG as MMCVVGG

from mmdownsize.registry import MODELS

pytestmark = pytest.mark.usefixtures('single_thread')

ALL = (0, 1, 2, 3, 4)
CHANNELS = (64, 128, 256, 512, 512)
DENSE = dict(strides=(1, 2, 2, 1, 1), dilations=(1, 1, 1, 2, 4))


def build(**kwargs) -> nn.Module:
    return MODELS.build(dict(type='mmdownsize.VGG', **kwargs))


def initialised(**kwargs) -> nn.Module:
    torch.manual_seed(0)
    net = build(**kwargs)
    net.init_weights()
    return net.eval()


@pytest.mark.parametrize('depth, with_bn', [(11, False), (16, False), (16, True)])
def test_maps_are_those_of_mmcv_before_pooling_and_its_weights_fit(depth: int, with_bn: bool) -> None:
    theirs = MMCVVGG(depth, with_bn=with_bn, with_last_pool=False)
    theirs.eval()  # which returns nothing
    ours = build(depth=depth, with_bn=with_bn, out_indices=ALL).eval()
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(2, 3, 37, 48)
    with torch.no_grad():
        maps, expected = ours(images), theirs(images)
        assert torch.equal(maps[4], expected[4])
        for ahead, pooled in zip(maps[:4], expected[:4]):
            assert torch.equal(nn.functional.max_pool2d(ahead, 2), pooled)


def test_names_and_sizes_are_those_of_the_usual_weights() -> None:
    shapes = {name: tuple(value.shape) for name, value in build().state_dict().items()}
    assert shapes['features.0.weight'] == (64, 3, 3, 3)
    assert shapes['features.28.weight'] == (512, 512, 3, 3)  # conv5_3
    assert len(shapes) == 26
    dense = {name: tuple(value.shape) for name, value in build(**DENSE).state_dict().items()}
    assert dense == shapes


@pytest.mark.parametrize('hw', [(32, 48), (37, 53), (16, 16)])
@pytest.mark.parametrize('ceil_mode', [False, True])
def test_sizes_and_channels_are_as_announced(hw: tuple[int, int], ceil_mode: bool) -> None:
    net = build(depth=11, out_indices=ALL, ceil_mode=ceil_mode).eval()
    with torch.no_grad():
        maps = net(torch.zeros(1, 3, *hw))
    sizes = [tuple(-(-side // 2**i) if ceil_mode else side // 2**i for side in hw) for i in ALL]
    assert [tuple(m.shape) for m in maps] == [(1, c, *size) for c, size in zip(CHANNELS, sizes)]
    assert net.out_channels == CHANNELS


def test_a_dilated_network_computes_what_the_strided_one_does_and_more_between() -> None:
    """Away from the padding, which is nearer where the map is denser; 11 layers see few pixels around."""
    images = torch.randn(1, 3, 256, 256)
    with torch.no_grad():
        strided, dense = (initialised(depth=11, **kwargs)(images)[0] for kwargs in ({}, DENSE))
    assert strided.shape[-2:] == (16, 16) and dense.shape[-2:] == (64, 64)
    inner = (..., slice(6, 10), slice(6, 10))
    torch.testing.assert_close(dense[..., ::4, ::4][inner], strided[inner], rtol=1e-4, atol=1e-4)
    assert not torch.equal(dense[..., ::4, ::4][inner], dense[..., 1::4, 1::4][inner])


def test_maps_asked_for_are_those_of_all_and_later_stages_are_not_built() -> None:
    few, every = initialised(depth=11, out_indices=(1, 3)), build(depth=11, out_indices=ALL).eval()
    every.load_state_dict(few.state_dict(), strict=False)
    images = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        for ours, theirs in zip(few(images), [every(images)[i] for i in (1, 3)]):
            assert torch.equal(ours, theirs)
    few.train()(images)[1].sum().backward()
    assert all(p.grad is not None for p in few.parameters())  # DDP fails on a parameter without one


@pytest.mark.parametrize('frozen, held', [(-1, 0), (0, 2), (1, 4), (4, 16)])
def test_frozen_stages_stay_frozen_and_pass_the_gradient_on(frozen: int, held: int) -> None:
    net = build(depth=11, out_indices=(4,), with_bn=True, frozen_stages=frozen)
    assert net.train() is net
    layers = [m for m in net.features if isinstance(m, (nn.Conv2d, nn.BatchNorm2d))]
    assert not any(p.requires_grad or m.training for m in layers[:held] for p in m.parameters())
    assert all(p.requires_grad and m.training for m in layers[held:] for p in m.parameters())
    images = torch.randn(2, 3, 32, 32, requires_grad=True)
    net(images)[0].square().sum().backward()
    assert images.grad.abs().sum() > 0  # the downsizer learns through it


def test_norm_eval_holds_batch_norms_but_not_their_weights() -> None:
    net = build(depth=11, with_bn=True, norm_eval=True).train()
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms and not any(norm.training for norm in norms)
    assert all(norm.weight.requires_grad for norm in norms) and net.training


def test_a_checkpoint_of_weights_is_loaded_by_init_cfg(tmp_path) -> None:
    weights = {name: torch.full_like(value, 0.25) for name, value in build(depth=11).state_dict().items()}
    weights['classifier.weight'] = torch.zeros(1)  # what else such files hold is left out
    torch.save(weights, tmp_path / 'vgg.pth')
    net = build(depth=11, init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'vgg.pth')))
    assert isinstance(net, BaseModule)
    net.init_weights()
    assert all(bool((value == 0.25).all()) for value in net.state_dict().values())


def test_by_default_a_deep_network_starts_neither_vanishing_nor_exploding() -> None:
    with torch.no_grad():
        (out,) = initialised()(torch.randn(2, 3, 64, 64))
    assert 0.05 < out.std() < 50


@pytest.mark.parametrize('kwargs, hw, least', [({}, (64, 15), 16), (dict(strides=(1, 2, 2, 2, 1)), (7, 9), 8)])
def test_images_too_small_are_refused_with_their_size(kwargs: dict, hw: tuple[int, int], least: int) -> None:
    with pytest.raises(ValueError, match=rf'at least {least} x {least} .*got \({hw[0]}, {hw[1]}\)'):
        build(depth=11, **kwargs)(torch.zeros(1, 3, *hw))
    build(depth=11, **kwargs).eval()(torch.zeros(1, 3, least, least))
    build(depth=11, ceil_mode=True, **kwargs).eval()(torch.zeros(1, 3, 1, 1))


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (dict(depth=12), r'depth must be one of \[11, 13, 16, 19\], got 12'),
        (dict(out_indices=()), r'ascending stages among 0 to 4, got \(\)'),
        (dict(out_indices=(3, 5)), r'got \(3, 5\)'),
        (dict(out_indices=(2, 1)), r'got \(2, 1\)'),
        (dict(strides=(1, 2, 2, 2)), r'strides must be 5, .* got \(1, 2, 2, 2\)'),
        (dict(strides=(2, 2, 2, 2, 2)), r'the first 1, got \(2, 2, 2, 2, 2\)'),
        (dict(strides=(1, 2, 2, 2, 3)), r'each 1 or 2 .* got \(1, 2, 2, 2, 3\)'),
        (dict(dilations=(1, 1)), r'dilations must be 5, .* got \(1, 1\)'),
        (dict(dilations=(1, 1, 1, 1, 0)), r'at least 1, got \(1, 1, 1, 1, 0\)'),
        (dict(frozen_stages=5), 'frozen_stages must be -1 .* got 5'),
    ],
)
def test_bad_arguments_are_named(kwargs: dict, message: str) -> None:
    from mmdownsize.models.vgg import VGG

    with pytest.raises(ValueError, match=message):
        VGG(**kwargs)
