"""MULLER against a forward pass written out in float64 loops."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmdownsize.resizers import FixedResizer, MullerResizer
from tests.references import resampling


def blur(channel, size, stddev):
    radius = size // 2
    line = [math.exp(-(d**2) / (2 * stddev**2)) for d in range(-radius, radius + 1)]
    height, width = channel.shape
    out = np.zeros_like(channel)
    for i in range(height):
        for j in range(width):
            for di, by_y in zip(range(-radius, radius + 1), line):
                for dj, by_x in zip(range(-radius, radius + 1), line):
                    y, x = min(max(i + di, 0), height - 1), min(max(j + dj, 0), width - 1)
                    out[i, j] += by_y * by_x / sum(line) ** 2 * channel[y, x]
    return out


def reference(channel, dst_hw, weights, biases, size, stddev):
    finer = channel / 255
    out = resampling.resize(finer, dst_hw, 'bilinear')
    for weight, bias in zip(weights, biases):
        coarser = blur(finer, size, stddev)
        out = out + np.tanh(weight * resampling.resize(coarser - finer, dst_hw, 'bilinear') + bias)
        finer = coarser
    return 255 * out


@pytest.mark.parametrize(('layers', 'size', 'stddev'), [(1, 5, 1.0), (2, 5, 1.0), (3, 3, 0.7)])
@pytest.mark.parametrize('dst_hw', [(5, 4), (11, 13)])
def test_forward_equals_the_slow_one(layers, size, stddev, dst_hw):
    net = MullerResizer(num_layers=layers, kernel_size=size, stddev=stddev).double()
    with torch.no_grad():
        net.weights.copy_(torch.tensor([1.892, -11.295, 0.5])[:layers])
        net.biases.copy_(torch.tensor([-0.014, 0.003, 0.1])[:layers])
    image = torch.rand(1, 2, 9, 8, dtype=torch.float64) * 255
    out = net(image, dst_hw)[0].detach().numpy()
    for channel, ours in zip(image[0].numpy(), out):
        expected = reference(channel, dst_hw, net.weights.tolist(), net.biases.tolist(), size, stddev)
        np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize('layers', [1, 2, 4])
def test_two_parameters_a_layer(layers):
    assert sum(p.numel() for p in MullerResizer(num_layers=layers).parameters()) == 2 * layers


@pytest.mark.parametrize('arguments', [{}, {'antialias': True}, {'kernel': 'area'}])
def test_starts_as_its_fixed_kernel_and_learns_from_the_first_step(arguments):
    net = MullerResizer(**arguments)
    images = torch.rand(2, 3, 20, 30) * 255
    out = net(images, (7, 12))
    assert torch.equal(out, FixedResizer(**arguments)(images, (7, 12)))
    out.square().mean().backward()
    assert (net.weights.grad != 0).all() and (net.biases.grad != 0).all()
    torch.optim.SGD(net.parameters(), lr=1e-3).step()
    assert not torch.equal(net(images, (7, 12)), out)
    net.reset_parameters()
    assert torch.equal(net(images, (7, 12)), out)


def test_detail_of_a_constant_image_is_none_up_to_its_border():
    net = MullerResizer()
    torch.nn.init.constant_(net.weights, 5.0)
    images = torch.full((1, 3, 9, 8), 130.0)
    torch.testing.assert_close(net(images, (4, 5)), torch.full((1, 3, 4, 5), 130.0))


def test_empty_batch_and_half_precision():
    assert MullerResizer()(torch.empty(0, 3, 9, 8), (4, 5)).shape == (0, 3, 4, 5)
    images = (torch.rand(1, 3, 9, 8) * 255).bfloat16()
    expected = F.interpolate(images.float(), size=(4, 5), mode='bilinear').bfloat16()
    torch.testing.assert_close(MullerResizer()(images, (4, 5)), expected)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'num_layers': 0}, 'num_layers must be a whole number, at least 1, got 0'),
        ({'kernel_size': 4}, 'kernel_size must be an odd number, got 4'),
        ({'stddev': 0}, 'stddev must be a number above 0, and finite, got 0'),
        ({'kernel': 'sinc'}, "unknown kernel 'sinc'"),
        ({'value_range': (1, 1)}, r'value_range must be \(lowest, highest\)'),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        MullerResizer(**arguments)
