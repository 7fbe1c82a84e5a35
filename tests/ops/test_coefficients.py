import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import gradcheck

from mmdownsize.ops import exact_start, sigmoid_tilt, soften, softmax_tilt
from mmdownsize.ops.coefficients import SOFTNESS
from tests.references import downsize_net as reference

seeds = st.integers(0, 10**6)
counts = st.sampled_from([2, 4, 6, 16])
KINDS = ('softmax', 'sigmoid')
kinds = st.sampled_from(KINDS)


def some_kernel(count, seed, dtype=torch.float64):
    """(1, K, 3, 3): random distributions, one that hits a pixel exactly, a uniform one."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(1, count, 3, 3, dtype=torch.float64, generator=generator)
    weights *= torch.rand(weights.shape, generator=generator) > 0.3
    weights[:, 0] += 0.1
    weights[:, :, 0, 0] = torch.eye(count, dtype=torch.float64)[seed % count]
    weights[:, :, 0, 1] = 1
    return (weights / weights.sum(1, keepdim=True)).to(dtype)


def some_logits(count, seed, size=1.0, dtype=torch.float64):
    return (size * torch.randn(2, count, 3, 3, generator=torch.Generator().manual_seed(seed + 1))).to(dtype)


def coefficients(weights, logits, kind):
    prior = soften(weights, 1)
    tilt = softmax_tilt(prior, logits) if kind == 'softmax' else sigmoid_tilt(prior, logits, 1.0)
    return exact_start(weights, prior, tilt)


def pixels(tensor):
    return [tensor[n, :, i, j].tolist() for n in range(len(tensor)) for i in range(3) for j in range(3)]


@given(counts, seeds, st.sampled_from([0.1, 1.0, 5.0]), kinds)
def test_tilts_match_the_reference(count, seed, size, kind):
    prior, logits = soften(some_kernel(count, seed), 1), some_logits(count, seed, size)
    tilt = softmax_tilt(prior, logits) if kind == 'softmax' else sigmoid_tilt(prior, logits, 1.0)
    for q, v, t in zip(pixels(prior.expand(2, -1, -1, -1)), pixels(logits), pixels(tilt)):
        np.testing.assert_allclose(np.array(q) * t, reference.tilted(q, v, kind), rtol=0, atol=1e-10)


@given(counts, seeds, st.sampled_from([0.1, 1.0, 5.0]), kinds)
def test_uniform_prior_is_the_plain_softmax_or_the_papers_sigmoid(count, seed, size, kind):
    prior = torch.full((1, count, 3, 3), 1 / count, dtype=torch.float64)
    logits = some_logits(count, seed, size)
    if kind == 'softmax':
        ours, expected = prior * softmax_tilt(prior, logits), logits.softmax(1)
    else:
        ours = prior * sigmoid_tilt(prior, logits, count / 2)
        expected = logits.sigmoid() / logits.sigmoid().sum(1, keepdim=True)
    torch.testing.assert_close(ours, expected, rtol=0, atol=1e-10)


@given(counts, seeds, st.sampled_from([0.1, 1.0, 5.0]), kinds)
def test_coefficients_match_the_reference(count, seed, size, kind):
    weights, logits = some_kernel(count, seed), some_logits(count, seed, size)
    out = coefficients(weights, logits, kind)
    for w, v, a in zip(pixels(weights.expand(2, -1, -1, -1)), pixels(logits), pixels(out)):
        np.testing.assert_allclose(a, reference.from_kernel(w, v, kind), rtol=0, atol=1e-10)


@given(counts, seeds, kinds, st.sampled_from([torch.float32, torch.float64]))
def test_zero_logits_give_the_kernel_to_the_last_bit(count, seed, kind, dtype):
    weights = some_kernel(count, seed, dtype)
    out = coefficients(weights, torch.zeros(2, count, 3, 3, dtype=dtype), kind)
    assert torch.equal(out, weights.expand(2, -1, -1, -1))


@given(counts, seeds)
def test_softmax_ignores_a_constant_added_to_all_logits(count, seed):
    weights = some_kernel(count, seed)
    assert torch.equal(
        coefficients(weights, torch.full((1, count, 3, 3), 7.0, dtype=torch.float64), 'softmax'), weights
    )


@given(counts, seeds, kinds, st.sampled_from([1.0, 30.0, 1e4]), st.sampled_from([-1e4, -30.0, -10.0, 0.0, 30.0, 1e4]))
def test_any_logits_give_a_distribution(count, seed, kind, size, shift):
    weights = some_kernel(count, seed, torch.float32)
    logits = some_logits(count, seed, size, torch.float32) + shift
    plain = torch.full_like(weights, 1 / count)
    tilt = softmax_tilt(plain, logits) if kind == 'softmax' else sigmoid_tilt(plain, logits, count / 2)
    for out in (coefficients(weights, logits, kind), plain * tilt):
        assert out.isfinite().all()
        assert (out >= 0).all()
        torch.testing.assert_close(out.sum(1), torch.ones(2, 3, 3), rtol=0, atol=1e-5)


@pytest.mark.parametrize('value', [-1e4, -40.0, -30.0, -20.0, 20.0, 1e4])
@pytest.mark.parametrize('kind', KINDS)
def test_equal_logits_far_from_0_stay_near_uniform_where_the_prior_is(kind, value):
    uniform = torch.full((1, 4, 1, 1), 0.25)
    out = coefficients(uniform, torch.full((1, 4, 1, 1), value), kind)
    torch.testing.assert_close(out, uniform, rtol=0, atol=1e-6)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('wanted', range(4))
def test_large_logits_reach_any_single_neighbor_from_an_exact_hit(kind, wanted):
    weights = torch.eye(4)[0].view(1, 4, 1, 1)
    logits = torch.full((1, 4, 1, 1), -20.0)
    logits[:, wanted] = 20
    out = coefficients(weights, logits, kind).flatten()
    assert out[wanted] == 1


@pytest.mark.parametrize('kind', KINDS)
def test_at_an_exact_hit_every_neighbor_has_a_usable_gradient(kind):
    weights = torch.eye(4, dtype=torch.float64)[0].view(1, 4, 1, 1)
    for k in range(4):
        logits = torch.zeros(1, 4, 1, 1, dtype=torch.float64, requires_grad=True)
        coefficients(weights, logits, kind)[0, k].backward()
        # softmax: q (1 - q) / (1 - e), q = e / 4 for the neighbours of weight 0; sigmoid within a factor of it
        assert logits.grad[0, k].item() > 0.3 * SOFTNESS / 4


@pytest.mark.parametrize('kind', KINDS)
def test_a_neighbor_below_0_is_cut_but_keeps_a_gradient(kind):
    weights = torch.eye(4, dtype=torch.float64)[0].view(1, 4, 1, 1)
    logits = torch.tensor([0.0, -1, 0, 0], dtype=torch.float64).view(1, 4, 1, 1).requires_grad_()
    out = coefficients(weights, logits, kind)[0, 1]
    assert out == 0
    out.backward()
    assert logits.grad[0, 1] > 0


def test_soften_golden_values():
    assert soften(torch.tensor([1.0, 0.0, 0.0, 0.0], dtype=torch.float64), 0).tolist() == pytest.approx(
        [0.85, 0.05, 0.05, 0.05]
    )
    along_rows = soften(torch.eye(2, dtype=torch.float64), 1)
    torch.testing.assert_close(along_rows, torch.tensor([[0.9, 0.1], [0.1, 0.9]], dtype=torch.float64))


def test_golden_value_on_paper():
    # w = (1, 0), e = 0.2: q = (0.9, 0.1). Logit log 9 on the second makes both 1/2; sharpened (0.4 / 0.8, 0.4 / 0.8).
    weights = torch.tensor([1.0, 0.0], dtype=torch.float64).view(1, 2, 1, 1)
    logits = torch.tensor([0.0, 9.0], dtype=torch.float64).view(1, 2, 1, 1)
    logits[:, 1] = logits[:, 1].log()
    assert coefficients(weights, logits, 'softmax').flatten().tolist() == pytest.approx([0.5, 0.5])
    # sigmoid: logit(0.1) + log 81 = logit(0.9)
    assert coefficients(weights, 2 * logits, 'sigmoid').flatten().tolist() == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize('kind', KINDS)
def test_gradcheck_of_tilts_and_exact_start(kind):
    weights = some_kernel(4, 5) / 2 + 0.125
    prior = soften(weights, 1)
    logits = some_logits(4, 5, 0.2).requires_grad_()
    # away from the kink at 0, which a kernel's coefficient of 0 starts at
    assert coefficients(weights, logits, kind).min() > 0.02
    assert gradcheck(lambda v: coefficients(weights, v, kind), (logits,))
    far = (10 * logits).detach().requires_grad_()
    if kind == 'softmax':
        assert gradcheck(lambda v: softmax_tilt(prior, v), (far,))
    else:
        assert gradcheck(lambda v: sigmoid_tilt(prior, v, 1.0), (far,))
        plain = torch.full_like(prior, 0.25)
        assert gradcheck(lambda v: sigmoid_tilt(plain, v, 2.0), (far,))


def test_inputs_are_not_modified():
    weights, logits = some_kernel(4, 1), some_logits(4, 1)
    before = weights.clone(), logits.clone()
    for kind in KINDS:
        coefficients(weights, logits, kind)
    assert torch.equal(weights, before[0])
    assert torch.equal(logits, before[1])
