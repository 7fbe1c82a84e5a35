"""The compiled resampling with fixed kernels against dense float64 matrices: values, gradients, strides, threads, refusals."""

import os

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from mmdownsize.ops import separable
from mmdownsize.ops.backends import native_separable as native
from mmdownsize.ops.kernels import KERNELS
from tests.references import resampling

missing = native.unavailable()
needs_library = pytest.mark.skipif(missing is not None, reason=f'no compiled back end: {missing}')

lengths = st.integers(1, 70) | st.sampled_from([1, 2, 3])
sizes = st.tuples(lengths, lengths)
kernels = st.sampled_from(sorted(KERNELS))


def test_it_is_compiled():
    if os.environ.get('MMDOWNSIZE_NATIVE') != 'required':
        pytest.skip('the environment is not our own: MMDOWNSIZE_NATIVE=required is not set')
    assert missing is None, missing


def made_up(*shape, seed=0):
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


LAYOUTS = {
    'contiguous': lambda images: images.contiguous(),
    'channels last': lambda images: images.contiguous(memory_format=torch.channels_last),
    'columns first': lambda images: images.transpose(2, 3).contiguous().transpose(2, 3),
    'a part of wider images': lambda images: torch.cat([images, images], 3)[..., : images.shape[3]],
    'every other row': lambda images: images.repeat_interleave(2, 2)[:, :, ::2],
    'one image for all': lambda images: images[:1].expand_as(images),
}


@needs_library
@given(kernels, sizes, sizes, st.integers(1, 16), st.sampled_from(sorted(LAYOUTS)), st.booleans(), st.integers(0, 2))
def test_it_equals_the_matrices(kernel, src_hw, dst_hw, channels, layout, as_bytes, instruction_set):
    images = LAYOUTS[layout](made_up(2, channels, *src_hw))
    wanted = resampling.resize(images.double().numpy(), dst_hw, kernel)
    given_images = images if as_bytes else images.float()
    out = native.resize(given_images, dst_hw, kernel, min(instruction_set, native.instructions()))
    assert out.dtype == torch.float32 and out.is_contiguous()
    np.testing.assert_allclose(out, wanted, rtol=0, atol=2e-4)


@given(kernels, lengths, lengths)
@example('bicubic', 2, 6)  # whose first weight is exactly 0 for one output pixel, and not for the next
def test_neighbours_never_go_back(kernel, src, dst):
    for axis in (native.table(kernel, src, dst), native.table(kernel, src, dst).transposed):
        assert bool((axis.first.diff() >= 0).all()) and axis.first.min() >= 0 and axis.first.max() < axis.src


@needs_library
@given(kernels, sizes, sizes)
def test_its_gradient_is_the_transposed_matrices(kernel, src_hw, dst_hw):
    images = made_up(2, 3, *src_hw).float().requires_grad_()
    out = native.resize(images, dst_hw, kernel)
    direction = torch.randn(out.shape, generator=torch.Generator().manual_seed(1))
    (found,) = torch.autograd.grad(out, images, direction)
    rows, cols = (resampling.matrix(kernel, src, dst) for src, dst in zip(src_hw, dst_hw))
    wanted = np.einsum('ab,ncax,xy->ncby', rows, direction.double().numpy(), cols)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-5)


@needs_library
def test_it_has_gradients_of_gradients():
    images, mixing = made_up(1, 2, 9, 8).float().requires_grad_(), torch.randn(1, 2, 4, 3, requires_grad=True)
    out = native.resize(images, (4, 3), 'lanczos_antialias')
    (by_images,) = torch.autograd.grad(out, images, mixing, create_graph=True)
    (by_mixing,) = torch.autograd.grad(by_images.square().sum() / 2, mixing)
    torch.testing.assert_close(by_mixing, native.resize(by_images.detach(), (4, 3), 'lanczos_antialias'))


@needs_library
@pytest.mark.parametrize('layout', ['contiguous', 'channels last'])
def test_digits_do_not_depend_on_the_number_of_threads(layout):
    images = LAYOUTS[layout](made_up(1, 3, 211, 307)).float().requires_grad_()
    direction = torch.randn(1, 3, 50, 71, generator=torch.Generator().manual_seed(1))
    found = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 3, 7):
            torch.set_num_threads(threads)
            out = native.resize(images, (50, 71), 'sharp_area')
            found.append((out.detach(), *torch.autograd.grad(out, images, direction)))
    finally:
        torch.set_num_threads(before)
    for out, gradient in found[1:]:
        assert torch.equal(out, found[0][0]) and torch.equal(gradient, found[0][1])


@needs_library
def test_a_number_that_is_none_stays_where_it_is():
    images = made_up(1, 1, 12, 12).float()
    images[0, 0, 5, 5] = float('nan')
    out = native.resize(images, (3, 3), 'area')
    assert out.isnan().sum() == 1 and out[0, 0, 1, 1].isnan()


@needs_library
def test_who_asks_for_a_kernel_gets_it(monkeypatch):
    asked = []
    monkeypatch.setattr(native, 'resize', lambda images, dst_hw, kernel: asked.append(kernel) or torch.zeros(1))
    images = made_up(1, 3, 8, 8)
    for kernel in KERNELS:
        for given_images in (images, images.float()):
            separable.resize(given_images, (3, 3), kernel)
    assert sorted(asked) == sorted(2 * list(set(KERNELS) - {'nearest', 'bilinear', 'bicubic'}))


@pytest.mark.parametrize(
    ('images', 'said'),
    [
        (torch.zeros(1, 3, 4, 4, dtype=torch.float64), 'it reads float32 and uint8 images, these are torch.float64'),
        (torch.zeros(1, 3, 4, 4, device='meta'), 'it runs on a CPU, the images are on meta'),
        (torch.zeros(0, 3, 4, 4), 'there are no pixels'),
        (torch.nn.Parameter(torch.zeros(1, 3, 4, 4)), 'it takes plain tensors, not Parameter'),
    ],
)
def test_what_it_cannot_take_goes_to_pytorch(images, said):
    assert native.refusal(images) == said


def test_mapped_and_forward_derivatives_go_to_pytorch():
    images = made_up(3, 2, 3, 8, 8).float()
    mapped = torch.func.vmap(lambda one: separable.resize(one, (3, 3), 'area'))(images)
    torch.testing.assert_close(mapped, torch.stack([separable.resize(one, (3, 3), 'area') for one in images]))
    _, tangent = torch.func.jvp(lambda one: separable.resize(one, (3, 3), 'area'), (images[0],), (images[1],))
    torch.testing.assert_close(tangent, separable.resize(images[1], (3, 3), 'area'))
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(images[0], images[1])
        found = torch.autograd.forward_ad.unpack_dual(separable.resize(dual, (3, 3), 'area')).tangent
    torch.testing.assert_close(found, separable.resize(images[1], (3, 3), 'area'))


def test_without_the_library_pytorch_computes_it(monkeypatch):
    images = made_up(2, 3, 20, 30)
    wanted = separable.resize(images, (7, 9), 'sharp_area')
    native.LIBRARY.warn_of_absence.cache_clear()
    monkeypatch.setattr(native, 'unavailable', lambda: 'it was not compiled')
    with pytest.warns(UserWarning, match='the compiled back end of fixed kernels is missing and a slower one is used'):
        found = separable.resize(images, (7, 9), 'sharp_area')
    native.LIBRARY.warn_of_absence.cache_clear()
    torch.testing.assert_close(found, wanted, rtol=0, atol=2e-4)
