"""Gradients of ImportanceResizer against finite differences, in float64."""

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.func import functional_call

from mmdownsize.ops import bands
from mmdownsize.resizers import ImportanceResizer

CASES = {
    'area': ((5, 6), (2, 3), {}),
    'blocks': ((6, 6), (3, 2), {}),
    'two convolutions': ((6, 5), (2, 3), {'num_convs': 2, 'dilation': 2, 'kernel': 'triangle'}),
    'per channel': ((5, 6), (3, 2), {'per_channel': True, 'start': 'darkest', 'strength': 0.5}),
    'upsizing': ((3, 3), (4, 5), {'kernel': 'bilinear'}),
    'nearest': ((5, 5), (3, 3), {'kernel': 'nearest'}),
    'around Lanczos': ((6, 6), (3, 2), {'around': 'lanczos_antialias', 'per_channel': True}),
}


def net_and_images(src_hw, n=1, **arguments):
    net = ImportanceResizer(channels=2, in_channels=2, **arguments).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return net, 255 * torch.rand(n, 2, *src_hw, dtype=torch.float64)


def call_of(net, dst_hw):
    names = [name for name, _ in net.named_parameters()]
    return lambda images, *parameters: functional_call(net, dict(zip(names, parameters)), (images, dst_hw))


@pytest.mark.parametrize('backend', ['banded', 'dense'])
@pytest.mark.parametrize('case', CASES)
def test_gradcheck_of_parameters_and_images(case, backend, monkeypatch):
    monkeypatch.setattr(bands, 'BAND_BYTES', 1)
    src_hw, dst_hw, arguments = CASES[case]
    net, source = net_and_images(src_hw, backend=backend, **arguments)
    call, values = call_of(net, dst_hw), [p.detach().clone() for p in net.parameters()]
    assert gradcheck(lambda *parameters: call(source, *parameters), [v.requires_grad_() for v in values], atol=1e-4)
    detached = [value.detach() for value in values]
    assert gradcheck(lambda images: call(images, *detached), (source.requires_grad_(),), atol=1e-6)


@pytest.mark.parametrize('case', ['area', 'per channel', 'nearest', 'around Lanczos'])
def test_gradients_of_gradients_with_plain_operators(case):
    src_hw, dst_hw, arguments = CASES[case]
    net, source = net_and_images(src_hw, backend='dense', **arguments)
    values = [p.detach().clone().requires_grad_() for p in net.parameters()]
    assert gradgradcheck(call_of(net, dst_hw), (source.requires_grad_(), *values), atol=1e-4)


def test_bands_say_that_they_have_no_gradients_of_gradients():
    net, source = net_and_images((5, 6), backend='banded')
    out = net(source, (2, 3)).square().sum()
    (gradient,) = torch.autograd.grad(out, [net.score.weight], create_graph=True)
    with pytest.raises(RuntimeError, match='once_differentiable'):
        gradient.sum().backward()


@pytest.mark.parametrize('backend', ['auto', 'banded', 'dense'])
def test_frozen_passes_gradients_on_to_images_only(backend):
    net = ImportanceResizer(frozen=True, backend=backend)
    source = torch.rand(1, 3, 9, 9, requires_grad=True)
    net(source, (4, 4)).sum().backward()
    assert source.grad.any()
    assert all(parameter.grad is None for parameter in net.parameters())


@pytest.mark.parametrize('backend', ['auto', 'banded', 'dense'])
def test_a_part_may_be_frozen(backend):
    net, source = net_and_images((9, 9), backend=backend)
    net(source, (4, 4)).square().sum().backward()
    wanted = {name: parameter.grad.clone() for name, parameter in net.named_parameters()}
    net.zero_grad()
    net.texture.requires_grad_(False)
    net(source, (4, 4)).square().sum().backward()
    for name, parameter in net.named_parameters():
        if name.startswith('texture'):
            assert parameter.grad is None
        else:
            torch.testing.assert_close(parameter.grad, wanted[name])


@pytest.mark.parametrize('backend', ['auto', 'banded', 'dense'])
def test_gradients_accumulate_over_a_batch(backend):
    net, source = net_and_images((9, 9), n=2, backend=backend)
    net(source, (4, 4)).square().sum().backward()
    together = [parameter.grad.clone() for parameter in net.parameters()]
    net.zero_grad()
    for image in source:
        net(image[None], (4, 4)).square().sum().backward()
    for parameter, expected in zip(net.parameters(), together):
        torch.testing.assert_close(parameter.grad, expected)


@pytest.mark.parametrize('backend', ['auto', 'banded', 'dense'])
def test_the_texture_learns_from_the_second_step_on(backend):
    net = ImportanceResizer(num_convs=2, backend=backend)
    source = 255 * torch.rand(2, 3, 30, 30)
    target = 255 * torch.rand(2, 3, 10, 10)
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)
    for step in range(2):
        optimizer.zero_grad()
        ((net(source, (10, 10)) - target) / 255).square().mean().backward()
        for name, parameter in net.named_parameters():
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.any() == (step == 1 or not name.startswith('texture')), name
        optimizer.step()
