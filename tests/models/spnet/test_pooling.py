"""The strip pooling module and the mixed pooling module against slow versions, and what they promise."""

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip('mmseg')

from mmdownsize.models.spnet import MixedPoolingModule, StripPooling, StripPoolingModule
from tests.references import strip_pooling as reference


def randomised(module: nn.Module) -> nn.Module:
    """In float64 and eval mode, with batch norms that do something."""
    module = module.double().eval()
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            for value in (norm.running_mean, norm.bias.data):
                value.normal_()
            for value in (norm.running_var, norm.weight.data):
                value.uniform_(0.5, 2)
    return module


def weights_of(module: nn.Module) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in module.state_dict().items()}


@pytest.mark.parametrize('hw', [(5, 7), (1, 4), (6, 1), (1, 1)])
def test_strip_pooling_module_is_that_of_the_paper(hw: tuple[int, int]) -> None:
    module = randomised(StripPoolingModule(3))
    x = torch.randn(2, 3, *hw, dtype=torch.float64)
    with torch.no_grad():
        out = module(x)
    for given, found in zip(x.numpy(), out.numpy()):
        np.testing.assert_allclose(found, reference.strip_pooling_module(given, weights_of(module)), atol=1e-12)


def test_a_pixel_is_heard_in_its_row_and_column_and_their_neighbours_only() -> None:
    module = randomised(StripPooling(2))
    for norm in (module.along_height.bn, module.along_width.bn):
        norm.bias.data.fill_(10)  # above the ReLU
    x = torch.zeros(1, 2, 9, 11, dtype=torch.float64)
    struck = x.clone()
    struck[..., 4, 6] = 1
    with torch.no_grad():
        changed = (module(struck) != module(x)).any(1)[0]
    wanted = torch.zeros(9, 11, dtype=torch.bool)
    wanted[3:6] = True  # 3 taps along the height
    wanted[:, 5:8] = True
    assert torch.equal(changed, wanted)


def test_a_strip_pooling_module_only_weakens() -> None:
    x = torch.randn(2, 4, 6, 5)
    gate = StripPoolingModule(4)(x) / x
    assert bool((gate > 0).all()) and bool((gate < 1).all())


@pytest.mark.parametrize('align_corners', [False, True])
@pytest.mark.parametrize('hw, pool_sizes', [((7, 9), (5, 3)), ((5, 5), (5, 2)), ((6, 4), (1,))])
def test_mixed_pooling_module_is_that_of_the_paper(
    hw: tuple[int, int], pool_sizes: tuple[int, ...], align_corners: bool
) -> None:
    module = randomised(MixedPoolingModule(8, pool_sizes=pool_sizes, align_corners=align_corners))
    x = torch.randn(1, 8, *hw, dtype=torch.float64)
    with torch.no_grad():
        (out,) = module(x).numpy()
    wanted = reference.mixed_pooling_module(x[0].numpy(), weights_of(module), pool_sizes, align_corners)
    np.testing.assert_allclose(out, wanted, atol=1e-12)
    assert (wanted > 0).any() and (wanted == 0).any()


@pytest.mark.parametrize('hw', [(23, 23), (29, 29), (20, 20), (39, 77)])
def test_mixed_pooling_keeps_odd_shapes(hw: tuple[int, int]) -> None:
    module = MixedPoolingModule(16).eval()
    with torch.no_grad():
        assert module(torch.randn(1, 16, *hw)).shape == (1, 16, *hw)
    assert module.pool_sizes == (20, 12)


def test_gradients_reach_the_map_and_every_weight() -> None:
    module = nn.Sequential(StripPoolingModule(8), MixedPoolingModule(8, pool_sizes=(4, 3)))
    x = torch.randn(2, 8, 5, 6, requires_grad=True)
    module(x).square().sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
    assert bool((x.grad != 0).all())


@pytest.mark.parametrize(
    'module, channels',
    [(StripPoolingModule(2), 2), (MixedPoolingModule(4, pool_sizes=(3, 2)), 4)],
    ids=['strip', 'mixed'],
)
def test_gradients_are_right(module: nn.Module, channels: int) -> None:
    x = torch.randn(1, channels, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(randomised(module), (x,))


@pytest.mark.parametrize('hw', [(14, 18), (20, 19), (19, 40)])
def test_a_map_with_fewer_pixels_than_bins_is_refused_with_the_numbers(hw: tuple[int, int]) -> None:
    message = rf'{hw[0]} x {hw[1]} px .* 20 x 20 bins: .* pool_sizes, now \(20, 12\), to at most {min(hw)}'
    with pytest.raises(ValueError, match=message):
        MixedPoolingModule(8).eval()(torch.zeros(1, 8, *hw))


@pytest.mark.parametrize(
    'channels, kwargs, message',
    [
        (6, {}, 'multiple of 4, got 6'),
        (0, {}, 'multiple of 4, got 0'),
        (8, dict(pool_sizes=()), r'pool_sizes .* got \(\)'),
        (8, dict(pool_sizes=(20, 0)), r'got \(20, 0\)'),
        (8, dict(pool_sizes=(2.5,)), r'got \(2.5,\)'),
    ],
)
def test_bad_arguments_are_named(channels: int, kwargs: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MixedPoolingModule(channels, **kwargs)
