"""From an exact fixed kernel DownsizeNet learns what another neighbour, or the texture, has to say."""

import pytest
import torch

from mmdownsize.resizers import DownsizeNet

NORMALIZED = ('softmax', 'sigmoid')


def noise(n, src_hw, seed, channels=3):
    images = 255 * torch.rand(n, channels, *src_hw, generator=torch.Generator().manual_seed(seed))
    return images.expand(-1, 3, -1, -1).contiguous()


def train(net, source, target, steps, lr):
    """Return the mean squared errors of all steps, values counted in 0..1."""
    optimizer = torch.optim.Adam(net.parameters(), lr=lr)
    losses = []
    for _ in range(steps):
        loss = ((net(source, target.shape[-2:]) - target) / 255).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def neighbors_at_thirds(images):
    """The 2x2 neighbours of 3 -> 1, row-major: all output centres lie on the first."""
    return torch.stack([images[:, :, i::3, j::3] for i in (1, 2) for j in (1, 2)])


@pytest.mark.parametrize('texture', [True, False])
@pytest.mark.parametrize('normalize', ['softmax', 'sigmoid', 'signed', 'none'])
@pytest.mark.parametrize('wanted', [1, 3])
def test_at_exact_hits_another_neighbor_is_reached(wanted, normalize, texture):
    source = noise(4, (30, 30), 1)
    target = neighbors_at_thirds(source)[wanted]
    net = DownsizeNet(start='bilinear', neighbors=2, normalize=normalize, texture=texture, num_convs=2)
    assert torch.equal(net(source, (10, 10)), neighbors_at_thirds(source)[0])
    losses = train(net, source, target, 200, 0.02)
    assert losses[0] > 0.1
    assert losses[-1] < losses[0] / 500
    fresh = noise(2, (30, 30), 2)
    error = (net(fresh, (10, 10)) - neighbors_at_thirds(fresh)[wanted]).abs()
    assert error.mean() < 0.03 * 255
    if normalize not in ('signed', 'none'):  # unbounded coefficients stay a little noisy
        assert error.max() < 0.08 * 255


@pytest.mark.parametrize('normalize', NORMALIZED)
def test_what_is_needed_may_be_a_mix(normalize):
    """From bilinear at exact hits to the mean of all four neighbours."""
    source = noise(4, (30, 30), 1)
    target = neighbors_at_thirds(source).mean(0)
    losses = train(DownsizeNet(normalize=normalize, num_convs=1), source, target, 200, 0.02)
    assert losses[-1] < losses[0] / 500


@pytest.mark.parametrize(('normalize', 'lr'), [('softmax', 0.01), ('sigmoid', 0.01), ('sigmoid', 0.02)])
@pytest.mark.parametrize('extreme', ['brightest', 'darkest'])
def test_which_neighbor_is_needed_may_depend_on_the_texture(extreme, normalize, lr):
    def wanted(images):
        neighbors = neighbors_at_thirds(images)
        return neighbors.amax(0) if extreme == 'brightest' else neighbors.amin(0)

    source, fresh = noise(8, (30, 30), 1, channels=1), noise(8, (30, 30), 2, channels=1)
    # the best fixed kernel of the same neighbours, and a constant, by least squares
    columns = neighbors_at_thirds(source).flatten(1).T
    columns = torch.cat([columns, torch.ones(len(columns), 1)], 1).double()
    solution = torch.linalg.lstsq(columns, wanted(source).double().flatten()[:, None]).solution.float()
    fixed = (solution[:4].view(4, 1, 1, 1, 1) * neighbors_at_thirds(fresh)).sum(0) + solution[4]
    fixed_error = (fixed - wanted(fresh)).square().mean().sqrt()

    net = DownsizeNet(normalize=normalize)
    train(net, source, wanted(source), 120, lr)
    with torch.no_grad():
        error = (net(fresh, (10, 10)) - wanted(fresh)).square().mean().sqrt()
    assert error < fixed_error / 3


@pytest.mark.parametrize('normalize', NORMALIZED)
def test_a_neighbor_that_was_pushed_down_at_exact_hits_can_be_taken_up_again(normalize):
    source = noise(4, (30, 30), 1)
    net = DownsizeNet(normalize=normalize)
    with torch.no_grad():
        net.fusion.bias[3] = -0.1
    losses = train(net, source, neighbors_at_thirds(source)[3], 200, 0.02)
    assert losses[-1] < losses[0] / 500


def test_auto_learns_on_every_scale_at_once():
    """One net, trained at one ratio and used at another: slots are stretched, not relearned."""
    source = noise(4, (32, 32), 1)
    net = DownsizeNet(neighbors='auto', start='bilinear', distance='triangle', texture=False)
    losses = train(net, source, torch.nn.functional.avg_pool2d(source, 4), 150, 0.05)
    assert losses[-1] < losses[0] / 3  # 4x4 slots cannot draw the box sharply
    fresh = noise(2, (64, 64), 2)
    before = (DownsizeNet(neighbors='auto')(fresh, (8, 8)) - torch.nn.functional.avg_pool2d(fresh, 8)).square().mean()
    after = (net(fresh, (8, 8)) - torch.nn.functional.avg_pool2d(fresh, 8)).square().mean()
    assert after < before / 4
