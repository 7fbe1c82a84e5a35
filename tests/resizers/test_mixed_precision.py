"""Under autocast and with weights of half precision: what is made of the features is computed in float32."""

import pytest
import torch
from torch import nn

from mmdownsize.resizers import DownsizeNet, FixedResizer, LearnedResizer, MullerResizer

SRC_HW, DST_HW = (41, 57), (18, 26)
BF16 = 2.0**-8  # relative distance of neighbouring bfloat16 numbers, half of it the largest rounding error

every_form = pytest.mark.parametrize(
    'settings',
    [
        dict(),
        dict(normalize='sigmoid', neighbors=4),
        dict(neighbors='auto'),
        dict(normalize='signed', start='bicubic', neighbors=4),
        dict(normalize='signed', neighbors='auto'),
        dict(normalize='signed', start='random', distance='offset'),
    ],
    ids=str,
)
every_backend = pytest.mark.parametrize('backend', ['auto', 'banded', 'dense'])


def trained(**settings):
    net = DownsizeNet(**settings)
    nn.init.normal_(net.fusion.weight, std=0.5)
    nn.init.normal_(net.fusion.bias, std=0.5)
    return net


def autocast():
    return torch.autocast('cpu', dtype=torch.bfloat16)


@every_form
@every_backend
@pytest.mark.parametrize('half_weights', [False, True], ids=['autocast', 'half weights'])
def test_a_constant_image_stays_constant(settings, backend, half_weights):
    net = trained(backend=backend, **settings)
    image = torch.full((2, 3, *SRC_HW), 200.0)
    if half_weights:
        out = net.bfloat16()(image, DST_HW)
    else:
        with autocast():
            out = net(image, DST_HW)
    assert out.dtype == torch.float32
    torch.testing.assert_close(out, torch.full_like(out, 200.0), rtol=0, atol=2e-3)


@every_form
def test_coefficients_are_float32_and_near_those_of_full_precision(settings):
    net = trained(**settings)
    image = torch.randint(0, 256, (1, 3, *SRC_HW)).float()
    wanted = net.coefficients(image, DST_HW)
    with autocast():
        found = net.coefficients(image, DST_HW)
    assert found.dtype == torch.float32
    assert (found.sum(1) - 1).abs().max() < 1e-5
    # Features are rounded a few times on the way, logits not at all: in units of the coefficients, which are around 1.
    assert (found - wanted).abs().max() < 10 * BF16
    assert not torch.equal(found, wanted)


def test_only_the_convolutions_are_rounded():
    # Without them nothing is in half precision, whatever the neighbourhood.
    image = torch.randint(0, 256, (1, 3, *SRC_HW)).float()
    for neighbors in (2, 'auto'):
        net = trained(texture=False, neighbors=neighbors)
        with autocast():
            found = net(image, DST_HW)
        assert torch.equal(found, net(image, DST_HW))


@pytest.mark.parametrize('backend', ['banded', 'dense'])
def test_gradients_are_near_those_of_full_precision(backend):
    image = torch.randint(0, 256, (2, 3, *SRC_HW)).float()
    target = torch.rand(2, 3, *DST_HW) * 255
    net = trained(backend=backend)
    gradients = []
    for context in (autocast(), torch.autocast('cpu', enabled=False)):
        net.zero_grad()
        with context:
            loss = (net(image, DST_HW) - target).square().mean()
        loss.backward()
        gradients.append({name: p.grad.clone() for name, p in net.named_parameters()})
    for name, wanted in gradients[1].items():
        found = gradients[0][name]
        assert found.dtype == torch.float32
        assert float((found - wanted).norm() / wanted.norm()) < 10 * BF16, name


@pytest.mark.parametrize(
    ('resizer', 'tolerance'),
    [
        (FixedResizer(kernel='area'), 0),
        (FixedResizer(kernel='bicubic', antialias=True), 0),
        (LearnedResizer(start='bilinear'), 0),
        (MullerResizer(), 0),
        (LearnedResizer(), 6 * 255 * BF16),  # what its network adds is rounded
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else '',
)
def test_the_other_resizers_keep_the_image_in_float32(resizer, tolerance):
    image = torch.randint(0, 256, (2, 3, *SRC_HW), dtype=torch.uint8)
    resizer.eval()
    wanted = resizer(image, DST_HW)
    with autocast():
        found = resizer(image, DST_HW)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, wanted, rtol=0, atol=tolerance)
