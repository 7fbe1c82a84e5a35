"""Talebi & Milanfar's resizer against a forward pass written out in float64 loops and numpy."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmdownsize.resizers import LearnedResizer
from tests.references import resampling


def conv(x, weight, bias, radius):
    """(C, H, W), zero padding."""
    _, height, width = x.shape
    padded = np.pad(x, ((0, 0), (radius, radius), (radius, radius)))
    out = np.zeros((len(weight), height, width))
    for i in range(height):
        for j in range(width):
            patch = padded[:, i : i + 2 * radius + 1, j : j + 2 * radius + 1]
            out[:, i, j] = (weight * patch).sum((1, 2, 3)) + bias
    return out


def leaky(x):
    return np.where(x > 0, x, 0.2 * x)


def norm(x, name, state):
    mean, var = state[f'{name}.running_mean'], state[f'{name}.running_var']
    scaled = (x - mean[:, None, None]) / np.sqrt(var + 1e-5)[:, None, None]
    return scaled * state[f'{name}.weight'][:, None, None] + state[f'{name}.bias'][:, None, None]


def bilinear(x, dst_hw):
    return np.stack([resampling.resize(channel, dst_hw, 'bilinear') for channel in x])


def reference(image, dst_hw, state, blocks):
    x = image / 255
    f = leaky(conv(x, state['conv1.weight'], state['conv1.bias'], 3))
    f = norm(leaky(conv(f, state['conv2.weight'], state['conv2.bias'], 0)), 'bn1', state)
    g = f = bilinear(f, dst_hw)
    for k in range(blocks):
        h = leaky(norm(conv(f, state[f'blocks.{k}.conv1.weight'], 0, 1), f'blocks.{k}.bn1', state))
        f = f + norm(conv(h, state[f'blocks.{k}.conv2.weight'], 0, 1), f'blocks.{k}.bn2', state)
    g = g + norm(conv(f, state['conv3.weight'], 0, 1), 'bn2', state)
    return 255 * (bilinear(x, dst_hw) + conv(g, state['conv4.weight'], state['conv4.bias'], 3))


@pytest.mark.parametrize('blocks', [0, 1, 2])
@pytest.mark.parametrize('dst_hw', [(5, 4), (11, 13)])
def test_forward_equals_the_slow_one(blocks, dst_hw):
    net = LearnedResizer(num_blocks=blocks, channels=4).double().eval()
    for name, tensor in net.state_dict().items():
        if 'bn' in name and tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5)
    image = torch.rand(1, 3, 9, 8, dtype=torch.float64) * 255
    expected = reference(image[0].numpy(), dst_hw, {k: v.numpy() for k, v in net.state_dict().items()}, blocks)
    np.testing.assert_allclose(net(image, dst_hw)[0].detach().numpy(), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize(('blocks', 'channels'), [(0, 16), (1, 16), (2, 16), (3, 16), (1, 8)])
def test_number_of_parameters_from_the_layers(blocks, channels):
    n = channels
    first = (7 * 7 * 3 * n + n) + (n * n + n) + 2 * n
    block = 2 * (9 * n * n + 2 * n)
    last = (9 * n * n + 2 * n) + (7 * 7 * n * 3 + 3)
    net = LearnedResizer(num_blocks=blocks, channels=channels)
    assert sum(p.numel() for p in net.parameters()) == first + blocks * block + last
    assert (first + block + last, first + 2 * block + last) == (12035, 16707) or n != 16  # "about 12,000 and 16,700"


def test_a_bilinear_start_is_bilinear_and_learns_from_the_first_step():
    net = LearnedResizer(start='bilinear')
    images = torch.rand(2, 3, 20, 30) * 255
    out = net(images, (7, 12))
    assert torch.equal(out, F.interpolate(images, size=(7, 12), mode='bilinear'))
    out.square().mean().backward()
    assert net.conv4.weight.grad.any()


def test_reset_gives_the_start_again():
    net = LearnedResizer(start='bilinear')
    images = torch.rand(2, 3, 20, 30) * 255
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-6)
    for _ in range(2):
        net(images, (7, 12)).square().mean().backward()
        optimizer.step()
    assert not torch.equal(net(images, (7, 12)), F.interpolate(images, size=(7, 12), mode='bilinear'))
    assert net.bn1.running_mean.any()
    net.reset_parameters()
    assert not net.bn1.running_mean.any()
    assert torch.equal(net(images, (7, 12)), F.interpolate(images, size=(7, 12), mode='bilinear'))


@pytest.mark.parametrize('training', [True, False])
def test_empty_batch(training):
    assert LearnedResizer().train(training)(torch.empty(0, 3, 9, 8), (4, 5)).shape == (0, 3, 4, 5)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_images(dtype):
    net = LearnedResizer(start='bilinear').eval()
    images = (torch.rand(1, 3, 9, 8) * 255).to(dtype)
    out = net(images, (4, 5))
    assert out.dtype == dtype
    torch.testing.assert_close(out, F.interpolate(images.float(), size=(4, 5), mode='bilinear').to(dtype))


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'num_blocks': -1}, 'num_blocks must be a whole number, 0 to 64, got -1'),
        ({'channels': 0}, 'channels must be a whole number, at least 1, got 0'),
        ({'start': 'area'}, "unknown start 'area', choose one of random, bilinear"),
        ({'value_range': (1, 1)}, r'value_range must be \(lowest, highest\)'),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        LearnedResizer(**arguments)


def test_wrong_channels():
    with pytest.raises(ValueError, match=r'images must have 3 channels, got \(1, 4, 9, 8\)'):
        LearnedResizer()(torch.rand(1, 4, 9, 8), (4, 5))
