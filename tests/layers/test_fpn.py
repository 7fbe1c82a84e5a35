"""The pyramids with learned upsampling against mmdet's own at the start, and afterwards level by level."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

pytest.importorskip('mmdet')

from mmdet.models.necks import FPN, PAFPN

from mmdownsize.layers.fpn import TextureFPN, TexturePAFPN
from mmdownsize.registry import MODELS

CHANNELS, SIZES = [4, 6, 8, 10], [(25, 38), (13, 19), (7, 10), (4, 5)]  # no side is twice the next
SETTINGS = [
    dict(num_outs=4),
    dict(num_outs=6),
    dict(num_outs=5, start_level=1, add_extra_convs='on_input'),
    dict(num_outs=6, start_level=1, add_extra_convs='on_lateral', relu_before_extra_convs=True),
    dict(num_outs=6, add_extra_convs='on_output', relu_before_extra_convs=True),
    dict(num_outs=6, add_extra_convs=True),
    dict(num_outs=2, start_level=1, end_level=2),
    dict(num_outs=1, start_level=3),
]


def inputs(dtype=torch.float32):
    return [torch.randn(2, c, *hw, dtype=dtype) for c, hw in zip(CHANNELS, SIZES)]


def build(kind, **kwargs):
    return MODELS.build(dict(type=kind, in_channels=CHANNELS, out_channels=5, **kwargs))


def pair(stock, kind, **kwargs):
    """The stock pyramid with random weights, and ours that has loaded its checkpoint."""
    theirs, ours = stock(in_channels=CHANNELS, out_channels=5, **kwargs), build(kind, **kwargs)
    theirs.init_weights()
    missing, unexpected = ours.load_state_dict(theirs.state_dict(), strict=False)
    assert not unexpected and all(name.startswith('upsamplers.') for name in missing)
    return theirs, ours


@pytest.mark.parametrize('kwargs', SETTINGS, ids=str)
@pytest.mark.parametrize(('stock', 'kind'), [(FPN, 'mmdownsize.TextureFPN'), (PAFPN, 'mmdownsize.TexturePAFPN')])
def test_the_start_is_mmdets_own_pyramid(stock, kind, kwargs):
    theirs, ours = pair(stock, kind, **kwargs)
    maps = inputs()
    expected, found = theirs(maps), ours(maps)
    assert len(found) == len(expected) == kwargs['num_outs']
    for level, other in zip(found, expected):
        assert torch.equal(level, other)


def test_a_bilinear_start_is_the_pyramid_with_bilinear_steps():
    maps = inputs(torch.float64)
    theirs, _ = pair(FPN, 'mmdownsize.TextureFPN', num_outs=4)
    theirs.upsample_cfg = dict(mode='bilinear', align_corners=False)
    cfg = dict(type='mmdownsize.TextureUpsample', start='bilinear')
    ours = build('mmdownsize.TextureFPN', num_outs=4, upsample_cfg=cfg)
    ours.load_state_dict(theirs.state_dict(), strict=False)
    assert cfg == dict(type='mmdownsize.TextureUpsample', start='bilinear')
    for level, other in zip(ours.double()(maps), theirs.double()(maps)):
        torch.testing.assert_close(level, other)


@pytest.mark.parametrize('kind', ['mmdownsize.TextureFPN', 'mmdownsize.TexturePAFPN'])
def test_initialisation_keeps_the_start(kind):
    ours = build(kind, num_outs=4)  # its init_cfg is Xavier for every Conv2d
    before = {name: value.clone() for name, value in ours.upsamplers.state_dict().items()}
    lateral = ours.lateral_convs[0].conv.weight.clone()
    ours.init_weights()
    assert not torch.equal(ours.lateral_convs[0].conv.weight, lateral)
    for name, value in ours.upsamplers.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize('kind', ['mmdownsize.TextureFPN', 'mmdownsize.TexturePAFPN'])
def test_every_step_has_its_own_layer_and_all_learn(kind):
    ours = build(kind, num_outs=4)
    assert len(ours.upsamplers) == 3
    maps = inputs()
    optimizer = torch.optim.SGD(ours.parameters(), lr=1e-3)
    for _ in range(2):
        optimizer.zero_grad()
        sum(level.square().mean() for level in ours(maps)).backward()
        optimizer.step()
    assert [name for name, p in ours.named_parameters() if not p.grad.abs().sum() > 0] == []


def test_the_top_down_path_goes_step_by_step_through_the_layers():
    ours = build('mmdownsize.TextureFPN', num_outs=4).double()
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    maps = inputs(torch.float64)
    levels = [ours.lateral_convs[i].conv(maps[i]) for i in range(4)]
    for i in (2, 1, 0):
        step = ours.upsamplers[i](levels[i + 1], SIZES[i])
        assert not torch.allclose(step, F.interpolate(levels[i + 1], size=SIZES[i]), atol=1e-2)
        levels[i] = levels[i] + step
    for i, found in enumerate(ours(maps)):
        torch.testing.assert_close(found, ours.fpn_convs[i].conv(levels[i]))


@pytest.mark.parametrize('cfg', [dict(scale_factor=2), dict(size=(4, 4))])
def test_a_size_of_its_own_is_refused(cfg):
    (name,) = cfg
    with pytest.raises(ValueError, match=f'upsample_cfg has {name}=.*size of the next finer one: leave it out'):
        build('mmdownsize.TextureFPN', num_outs=4, upsample_cfg=dict(type='mmdownsize.TextureUpsample', **cfg))


def test_a_missing_map_is_named():
    for kind in (TextureFPN, TexturePAFPN):
        with pytest.raises(ValueError, match='4 maps are needed, one an entry of in_channels, got 3'):
            kind(CHANNELS, 5, num_outs=4)(inputs()[:3])


def test_maps_are_laid_out_as_roi_align_on_a_cpu_needs_them():
    ours = build('mmdownsize.TextureFPN', num_outs=4)
    nn.init.normal_(ours.upsamplers[0].fusion.weight)
    assert all(level.is_contiguous() for level in ours(inputs()))
