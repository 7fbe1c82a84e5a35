"""Gradients of the whole module against finite differences, in float64."""

import pytest
import torch
from torch.autograd import gradcheck
from torch.func import functional_call

from mmdownsize.resizers import DownsizeNet


def net_and_images(src_hw, **arguments):
    net = DownsizeNet(channels=3, **arguments).double()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        net.fusion.weight.mul_(0.1)
        net.fusion.bias.mul_(0.3)
    return net, 255 * torch.rand(2, 3, *src_hw, dtype=torch.float64)


# Sizes at which no weight of the kernel is 0: a coefficient that starts at 0 starts on a kink.
CASES = {
    'softmax': ((5, 6), (4, 4), {}),
    'sigmoid': ((5, 6), (4, 4), {'normalize': 'sigmoid'}),
    'raw': ((6, 6), (2, 3), {'normalize': 'none'}),
    'signed': ((6, 6), (2, 3), {'normalize': 'signed', 'start': 'bicubic', 'neighbors': 4}),
    'paper': ((6, 7), (2, 3), {'normalize': 'sigmoid', 'start': 'random'}),
    'random softmax': ((6, 7), (2, 3), {'start': 'random', 'distance': 'offset'}),
    'upsizing': ((3, 3), (4, 4), {'num_convs': 1}),
    'auto': ((6, 6), (3, 4), {'neighbors': 'auto', 'start': 'random', 'distance': 'triangle'}),
    'no texture': ((5, 6), (4, 4), {'texture': False}),
    'no distance': ((6, 7), (2, 3), {'distance': None, 'start': 'random'}),
}


@pytest.mark.parametrize('case', CASES)
def test_gradcheck_of_parameters_and_images(case):
    src_hw, dst_hw, arguments = CASES[case]
    net, source = net_and_images(src_hw, **arguments)
    names = [name for name, _ in net.named_parameters()]
    values = [parameter.detach().clone().requires_grad_() for parameter in net.parameters()]

    def call(images, *parameters):
        return functional_call(net, dict(zip(names, parameters)), (images, dst_hw))

    if arguments.get('normalize') not in ('signed', 'none'):
        assert net.coefficients(source, dst_hw).min() > 1e-3  # away from the kink at 0
    assert gradcheck(lambda *parameters: call(source, *parameters), values, atol=1e-4)
    detached = [value.detach() for value in values]
    assert gradcheck(lambda images: call(images, *detached), (source.requires_grad_(),), atol=1e-6)


def test_frozen_passes_gradients_on_to_images_only():
    net = DownsizeNet(frozen=True)
    source = torch.rand(1, 3, 9, 9, requires_grad=True)
    net(source, (4, 4)).sum().backward()
    assert source.grad.any()
    assert all(parameter.grad is None for parameter in net.parameters())


def test_gradients_accumulate_over_a_batch():
    net, source = net_and_images((9, 9))
    net(source, (4, 4)).square().sum().backward()
    together = [parameter.grad.clone() for parameter in net.parameters()]
    net.zero_grad()
    for image in source:
        net(image[None], (4, 4)).square().sum().backward()
    for parameter, expected in zip(net.parameters(), together):
        torch.testing.assert_close(parameter.grad, expected)
