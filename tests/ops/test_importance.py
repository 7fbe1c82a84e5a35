"""The importance of source pixels and the resize that it weighs, as a function: values, bands, types, back ends."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from mmdownsize.ops import bands, importance
from mmdownsize.ops.importance import BACKENDS, Score, importance_resize
from tests.references import importance as reference

EVERYWHERE = ('banded', 'dense')  # native, which need not be there, has a file of its own


def problem(dilations=(1,), channels=3, in_channels=2, scores=1, dtype=torch.float64, seed=0):
    """Return a score and its parameters. Images in 0.3 - 1/1.7 .. 0.3 + 1/1.7 are -1 .. 1 to the convolutions."""
    generator = torch.Generator().manual_seed(seed)
    widths = [in_channels] + [channels] * len(dilations)
    shapes = [shape for i, o in pairwise(widths) for shape in ((o, i, 3, 3), (o,))] + [(scores, channels), (scores,)]
    parameters = [(torch.randn(s, dtype=torch.float64, generator=generator) / 3).to(dtype) for s in shapes]
    score = Score(dilations, limit=2.0, shift=0.3, gain=1.7, dtype=dtype)
    return score, [p.requires_grad_() for p in parameters]


def noise(*shape, dtype=torch.float64):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).to(dtype)


def expected_of(image, score, parameters):
    *convolutions, to_score, tone = (p.detach().double().numpy() for p in parameters)
    return reference.importance_map(
        image.numpy(),
        convs=list(zip(convolutions[::2], convolutions[1::2])),
        dilations=score.dilations,
        to_score=to_score,
        tone=tone,
        limit=score.limit,
        value_range=(0.3 - 1 / 1.7, 0.3 + 1 / 1.7),
    )


@pytest.mark.parametrize('scores', [1, 2])
@pytest.mark.parametrize('dilations', [(1,), (1, 3), (2, 1, 2)])
def test_values_equal_the_reference(dilations, scores):
    images = noise(2, 2, 9, 7)
    score, parameters = problem(dilations, scores=scores)
    found = score.of(images, parameters)
    assert found.shape == (2, scores, 9, 7) and found.abs().max() < score.limit
    for n in range(2):
        weights = expected_of(images[n], score, parameters)
        np.testing.assert_allclose(found[n].exp().detach(), weights, rtol=1e-10)
        for kernel in ('area', 'triangle'):
            wanted = reference.weighted_resize(images[n].numpy(), weights, (4, 5), kernel)
            for backend in EVERYWHERE:
                out = importance_resize(images, score, parameters, (4, 5), kernel=kernel, backend=backend)
                np.testing.assert_allclose(out[n].detach(), wanted, rtol=0, atol=1e-10)


def test_small_images_share_a_band_and_large_ones_are_cut(monkeypatch):
    calls = []
    conv2d = torch.nn.functional.conv2d
    monkeypatch.setattr(
        importance.F, 'conv2d', lambda x, *rest, **kw: calls.append(tuple(x.shape)) or conv2d(x, *rest, **kw)
    )
    score, parameters = problem(channels=2)
    monkeypatch.setattr(bands, 'BAND_BYTES', 16 * 10 * 2 * 8)  # 16 rows: two images
    with torch.no_grad():
        importance_resize(noise(5, 2, 8, 10), score, parameters, (4, 5), backend='banded')
    assert [shape[0] for shape in calls] == [2, 2, 1]
    calls.clear()
    with torch.no_grad():
        importance_resize(noise(1, 2, 80, 10), score, parameters, (40, 5), backend='banded')
    assert len(calls) == 5
    assert max(shape[2] for shape in calls) <= 16 + 2


@pytest.mark.parametrize('backend', EVERYWHERE)
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16, torch.float32])
def test_the_convolutions_alone_are_in_the_type_of_the_score(dtype, backend):
    images = noise(1, 2, 9, 7, dtype=torch.float32)
    exact, parameters = problem((1, 2), dtype=torch.float32)
    score = Score(exact.dilations, exact.limit, exact.shift, exact.gain, dtype)
    out = importance_resize(images, score, parameters, (4, 5), backend=backend)
    wanted = importance_resize(images, exact, parameters, (4, 5), backend='dense')
    assert out.dtype == torch.float32
    tolerance = {torch.bfloat16: 0.1, torch.float16: 0.01, torch.float32: 1e-5}[dtype]
    torch.testing.assert_close(out, wanted, rtol=tolerance, atol=tolerance)
    ours, others = (torch.autograd.grad(x.square().sum(), parameters) for x in (out, wanted))
    for gradient, other in zip(ours, others):
        assert gradient.dtype == torch.float32
        torch.testing.assert_close(gradient, other, rtol=4 * tolerance, atol=40 * tolerance)


@pytest.mark.parametrize('backend', EVERYWHERE)
@pytest.mark.parametrize('layout', ['channels_last', 'strided'])
def test_memory_layout_does_not_matter(layout, backend):
    images = noise(2, 2, 9, 8)
    other = images.contiguous(memory_format=torch.channels_last)
    if layout == 'strided':
        other = torch.stack([images, images + 1], -1).flatten(-2)[..., ::2]
    score, parameters = problem((1, 2))
    a, b = (importance_resize(x.requires_grad_(), score, parameters, (4, 5), backend=backend) for x in (images, other))
    torch.testing.assert_close(a, b, rtol=0, atol=1e-12)
    for x, y in zip(*(torch.autograd.grad(o.square().sum(), [i, *parameters]) for o, i in ((a, images), (b, other)))):
        torch.testing.assert_close(x, y, rtol=0, atol=1e-10)


@pytest.mark.parametrize('backend', EVERYWHERE)
def test_an_empty_batch_has_gradients_of_zero(backend):
    score, parameters = problem()
    images = torch.empty(0, 2, 9, 7, dtype=torch.float64, requires_grad=True)
    out = importance_resize(images, score, parameters, (4, 5), backend=backend)
    assert out.shape == (0, 2, 4, 5)
    assert not any(g.any() for g in torch.autograd.grad(out.sum(), [images, *parameters]))


def test_only_needed_gradients_are_made_and_nothing_is_changed():
    score, parameters = problem()
    images = noise(2, 2, 9, 7)
    before = [t.detach().clone() for t in (images, *parameters)]
    importance_resize(images, score, parameters, (4, 5), backend='banded').square().sum().backward()
    assert images.grad is None
    assert all(torch.equal(a, b) for a, b in zip(before, (images, *parameters)))
    assert all(p.grad.any() for p in parameters)


def test_an_unknown_back_end_is_refused():
    score, parameters = problem()
    with pytest.raises(ValueError, match=f"unknown backend 'fast', choose one of {', '.join(BACKENDS)}"):
        importance_resize(noise(1, 2, 9, 7), score, parameters, (4, 5), backend='fast')
