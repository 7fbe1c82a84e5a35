"""SPHead: its shapes, its parameters counted by hand, and what it refuses."""

import pytest
import torch
from torch import nn

pytest.importorskip('mmseg')

from mmengine.registry import DefaultScope

from mmdownsize.models.spnet import SPHead
from mmdownsize.registry import MODELS

PAPER = dict(in_channels=2048, in_index=3, channels=512, num_classes=19, norm_cfg=dict(type='BN'))
THIN = dict(in_channels=12, in_index=1, mpm_channels=16, channels=8, num_classes=5, norm_cfg=dict(type='BN'))


def build(**kwargs) -> nn.Module:
    with DefaultScope.overwrite_default_scope('mmseg'):
        return MODELS.build(dict(type='mmdownsize.SPHead', **kwargs))


def conv_bn(taps: int, inputs: int, outputs: int) -> int:
    return taps * inputs * outputs + 2 * outputs


def parameters_by_hand(classes: int) -> int:
    mixing = (
        2 * conv_bn(1, 1024, 256)  # reductions of both branches
        + 3 * conv_bn(9, 256, 256)  # the map itself, 20 x 20 bins, 12 x 12 bins
        + conv_bn(9, 256, 256)  # their sum
        + 2 * conv_bn(3, 256, 256)  # strips along the height and the width
        + conv_bn(9, 256, 256)  # their sum
        + conv_bn(1, 512, 1024)  # both branches back to all channels
    )
    return conv_bn(1, 2048, 1024) + 2 * mixing + conv_bn(9, 1024, 512) + 512 * classes + classes


def test_it_has_the_parameters_of_the_layers_counted_one_by_one() -> None:
    head = build(**PAPER)
    assert sum(parameter.numel() for parameter in head.parameters()) == parameters_by_hand(19) == 15_623_699


@pytest.mark.parametrize('hw', [(23, 23), (29, 29), (39, 77)])
def test_logits_have_the_size_of_the_map_of_in_index(hw: tuple[int, int]) -> None:
    head = build(**THIN).eval()
    with torch.no_grad():
        logits = head([torch.zeros(2, 3, 4, 4), torch.randn(2, 12, *hw), torch.zeros(2, 3, 4, 4)])
    assert logits.shape == (2, 5, *hw)


def test_the_options_reach_their_layers() -> None:
    head = build(**THIN, num_mpms=3, pool_sizes=(5, 3, 2), align_corners=True)
    assert len(head.mpms) == 3
    assert all(mpm.pool_sizes == (5, 3, 2) and mpm.align_corners and len(mpm.pyramid) == 3 for mpm in head.mpms)
    grouped = build(**{**THIN, 'norm_cfg': dict(type='GN', num_groups=2)})
    assert not any(isinstance(module, nn.BatchNorm2d) for module in grouped.modules())
    assert sum(isinstance(module, nn.GroupNorm) for module in grouped.modules()) == 1 + 2 * 10 + 1


def test_gradients_reach_every_weight() -> None:
    head = build(**THIN, pool_sizes=(6, 4)).train()
    head([torch.zeros(0), torch.randn(2, 12, 7, 9)]).square().sum().backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_a_map_that_is_too_small_is_refused_with_the_numbers() -> None:
    with pytest.raises(ValueError, match=r'14 x 18 px .* 20 x 20 bins'):
        build(**THIN).eval()([torch.zeros(0), torch.zeros(1, 12, 14, 18)])


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (dict(mpm_channels=18), 'multiple of 4, got 18'),
        (dict(num_mpms=0), 'num_mpms must be 1 or more, got 0'),
        (dict(pool_sizes=(-1,)), r'got \(-1,\)'),
        (dict(act_cfg=dict(type='GELU')), 'ReLUs .* got act_cfg=.*GELU'),
        (dict(input_transform='multiple_select'), "not 'multiple_select'"),
    ],
)
def test_bad_arguments_are_named(kwargs: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message), DefaultScope.overwrite_default_scope('mmseg'):
        SPHead(**{**THIN, **kwargs})
