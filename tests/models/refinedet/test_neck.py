"""RefineDetNeck and its transfer connection blocks, written out."""

import math

import pytest
import torch
from torch import nn

pytest.importorskip('mmdet')

from mmdownsize.models.refinedet import RefineDetNeck, TransferConnectionBlock

pytestmark = pytest.mark.usefixtures('single_thread')


def neck(**kwargs) -> RefineDetNeck:
    settings = dict(in_channels=(4, 6, 8), extra_channels=(10,), l2_norm_scales=(10, 8, None), out_channels=5) | kwargs
    return RefineDetNeck(**settings)


def inputs(*hws: tuple[int, int], channels: tuple[int, ...] = (4, 6, 8)) -> list[torch.Tensor]:
    return [torch.randn(2, c, *hw) for c, hw in zip(channels, hws)]


def test_first_maps_have_the_norm_that_is_asked_for() -> None:
    for initialised in (False, True):
        module = neck()
        if initialised:
            module.init_weights()
        x = inputs((8, 6), (4, 3), (2, 2))
        sources, transferred = module(x)
        for source, norm in zip(sources, (10.0, 8.0)):
            torch.testing.assert_close(source.norm(dim=1), torch.full((2, *source.shape[-2:]), norm))
        assert torch.equal(sources[2], x[2])
        assert [tuple(s.shape) for s in sources] == [(2, 4, 8, 6), (2, 6, 4, 3), (2, 8, 2, 2), (2, 10, 1, 1)]
        assert [tuple(t.shape) for t in transferred] == [(2, 5, 8, 6), (2, 5, 4, 3), (2, 5, 2, 2), (2, 5, 1, 1)]


def test_l2_norm_is_a_learned_factor_of_each_channel() -> None:
    module = neck()
    with torch.no_grad():
        module.l2_norms[0].weight[2] = 30
    x = inputs((8, 6), (4, 3), (2, 2))
    expected = x[0].double() / x[0].double().square().sum(1, keepdim=True).sqrt()
    expected *= torch.tensor([10, 10, 30, 10], dtype=torch.float64)[:, None, None]
    torch.testing.assert_close(module(x)[0][0].double(), expected, rtol=1e-5, atol=1e-5)
    sum(t.sum() for t in module(x)[1]).backward()
    assert all(p.grad is not None for p in module.parameters())


def test_added_levels_start_from_the_last_map_as_the_backbone_gives_it() -> None:
    module = neck(l2_norm_scales=(10, 8, 8), extra_channels=(10, 12))
    x = inputs((8, 6), (4, 3), (2, 2))
    sources = module(x)[0]
    torch.testing.assert_close(sources[2].norm(dim=1), torch.full((2, 2, 2), 8.0))
    for source, layer, before in zip(sources[3:], module.extra_layers, (x[2], sources[3])):
        first, second = layer[0].conv, layer[1].conv
        half = nn.functional.relu(nn.functional.conv2d(before, first.weight, first.bias))
        expected = nn.functional.conv2d(half, second.weight, second.bias, stride=2, padding=1)
        torch.testing.assert_close(source, nn.functional.relu(expected))


@pytest.mark.parametrize('hw', [(4, 6), (5, 3), (1, 1)])
def test_a_transfer_connection_block_is_written_out(hw: tuple[int, int]) -> None:
    block = TransferConnectionBlock(3, 2, coarsest=False).double()
    half = tuple(math.ceil(side / 2) for side in hw)
    source, coarser = torch.randn(1, 3, *hw).double(), torch.randn(1, 2, *half).double()
    above = torch.zeros(1, 2, *hw, dtype=torch.float64)
    for row in range(hw[0]):
        for column in range(hw[1]):
            kernel = block.deconv.weight[:, :, row % 2, column % 2]  # (in, out): no two kernels overlap
            above[0, :, row, column] = coarser[0, :, row // 2, column // 2] @ kernel + block.deconv.bias
    x = nn.functional.relu(block.conv1(source))
    x = nn.functional.relu(block.conv2(x) + above)
    torch.testing.assert_close(block(source, coarser), nn.functional.relu(block.conv3(x)))


def test_levels_talk_from_coarse_to_fine_only() -> None:
    module = neck()
    x = [level.requires_grad_() for level in inputs((8, 8), (4, 4), (2, 2))]
    module(x)[1][1].sum().backward()
    assert x[0].grad is None and x[1].grad.any() and x[2].grad.any()


def test_wrong_maps_are_refused_by_their_numbers() -> None:
    with pytest.raises(ValueError, match=r'3 maps of \(4, 6, 8\) channels .* got 2 of \(4, 6\)'):
        neck()(inputs((8, 8), (4, 4)))
    with pytest.raises(ValueError, match=r'\(h, w\) = \(4, 4\) after \(8, 8\), got \(5, 4\)'):
        neck()(inputs((8, 8), (5, 4), (3, 2)))


@pytest.mark.parametrize(
    'kwargs, message',
    [
        (dict(in_channels=(), l2_norm_scales=()), 'at least one map of the backbone'),
        (dict(l2_norm_scales=(10, 8)), r'2 entries for 3 maps of \(4, 6, 8\)'),
        (dict(l2_norm_scales=(10, 0, None)), r'above 0, or None, got \(10, 0, None\)'),
        (dict(extra_channels=(7,)), r'must be even.* got \(7,\)'),
    ],
)
def test_bad_arguments_are_named(kwargs: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        neck(**kwargs)
