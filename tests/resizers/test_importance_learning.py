"""From a fixed kernel ImportanceResizer learns what counts, keeps it on images and at scales that it has not seen."""

import pytest
import torch
import torch.nn.functional as F

from mmdownsize.resizers import FixedResizer, ImportanceResizer


def noise(n, src_hw, seed):
    images = 255 * torch.rand(n, 1, *src_hw, generator=torch.Generator().manual_seed(seed))
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


@pytest.mark.parametrize('kernel', ['darkest', 'brightest'])
def test_the_extreme_pixel_is_learned_and_holds_at_another_scale(kernel):
    wanted = FixedResizer(kernel=kernel)
    source = noise(8, (32, 32), 1)
    net = ImportanceResizer(limit=8.0)
    losses = train(net, source, wanted(source, (8, 8)), 100, 0.02)
    assert losses[-1] < losses[0] / 20
    fresh = noise(4, (48, 48), 2)
    for dst_hw in ((12, 12), (24, 24), (16, 16)):
        with torch.no_grad():
            error, before = (
                (found - wanted(fresh, dst_hw)).square().mean().sqrt()
                for found in (net(fresh, dst_hw), F.interpolate(fresh, dst_hw, mode='area'))
            )
        assert error < before / 3


def lines(n, src_hw, seed):
    """Dark noise with thin bright and dark lines across; and which pixels are line."""
    generator = torch.Generator().manual_seed(seed)
    images = 100 + 56 * torch.rand(n, 1, *src_hw, generator=generator)
    rows = torch.rand(n, 1, src_hw[0], 1, generator=generator) < 0.08
    tone = torch.where(torch.rand(n, 1, src_hw[0], 1, generator=generator) < 0.5, 60.0, 196.0)
    is_line = rows.expand_as(images)
    return torch.where(is_line, tone.expand_as(images), images).expand(-1, 3, -1, -1).contiguous(), is_line


def test_texture_tells_what_brightness_cannot():
    """Lines are dark or bright: only what is around a pixel says that it belongs to one."""
    source, is_line = lines(8, (48, 48), 1)
    fresh, fresh_line = lines(8, (48, 48), 2)
    count = F.avg_pool2d(fresh_line.float(), 4)
    seen = (count > 0).expand(-1, 3, -1, -1)

    def kept(images, mask):  # the mean of the line's pixels where an output pixel has any, else of all
        held = F.avg_pool2d(mask * images, 4) / F.avg_pool2d(mask.float(), 4).clamp(min=1e-6)
        return torch.where(F.avg_pool2d(mask.float(), 4) > 0, held, F.avg_pool2d(images, 4))

    def error(net):
        with torch.no_grad():
            return (net(fresh, (12, 12)) - kept(fresh, fresh_line))[seen].square().mean().sqrt()

    tone_only, net = ImportanceResizer(), ImportanceResizer(num_convs=2, limit=8.0)
    tone_only.texture.requires_grad_(False)
    tone_only.score.requires_grad_(False)
    for resizer in (tone_only, net):
        train(resizer, source, kept(source, is_line), 150, 0.02)
    before = error(ImportanceResizer())
    assert error(tone_only) > 0.8 * before
    assert error(net) < 0.4 * before


def test_each_channel_can_have_its_own():
    """The lowest red and the highest blue of each block."""
    source = 255 * torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    target = F.avg_pool2d(source, 4)
    target[:, 0], target[:, 2] = -F.max_pool2d(-source[:, 0], 4), F.max_pool2d(source[:, 2], 4)
    together, apart = (
        train(ImportanceResizer(per_channel=per_channel), source, target, 150, 0.03)[-1]
        for per_channel in (False, True)
    )
    assert apart < together / 4
