"""Selecting pixels, with the compiled back end and without, against one pixel after the other."""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmdownsize.geometry import selection
from mmdownsize.geometry.selection import select_labels

missing = selection.unavailable()
needs_library = pytest.mark.skipif(missing is not None, reason=f'no compiled back end: {missing}')
BYTES = [torch.uint8, torch.bool, torch.int8]
OTHERS = [
    *(torch.int16, torch.uint16, torch.int32, torch.uint32, torch.int64, torch.uint64),
    *(
        torch.float16,
        torch.bfloat16,
        torch.float32,
        torch.float64,
        torch.float8_e4m3fn,
        torch.complex64,
        torch.complex128,
    ),
]


def one_by_one(maps, rows, cols):
    """(N, H, W) of NumPy, and two lists."""
    out = np.empty((len(maps), len(rows), len(cols)), maps.dtype)
    for n, plane in enumerate(maps):
        for i, y in enumerate(rows):
            for j, x in enumerate(cols):
                out[n, i, j] = plane[y, x]
    return out


def random_bytes(*shape, seed=0):
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def thinned(count, src):
    """Indices spread over an axis, not falling."""
    return torch.arange(count) * src // count


@pytest.fixture(params=['compiled', 'PyTorch'])
def back_end(request, monkeypatch):
    if request.param == 'PyTorch':
        monkeypatch.setattr(selection, '_load', lambda: (None, 'for this test'))
    elif missing is not None:
        pytest.skip(f'no compiled back end: {missing}')
    return request.param


@pytest.fixture
def calls(monkeypatch):
    """How many threads each call of the library was given."""
    seen, call = [], selection._selected_bytes

    class Spy:
        def __init__(self, library):
            self.library = library

        def mmdownsize_select(self, *arguments):
            seen.append(arguments[-1])
            self.library.mmdownsize_select(*arguments)

    monkeypatch.setattr(selection, '_selected_bytes', lambda library, *tensors: call(Spy(library), *tensors))
    return seen


def test_the_library_is_there_where_make_test_has_built_it():
    if os.environ.get('MMDOWNSIZE_NATIVE') != 'required':
        pytest.skip('the environment is not our own: MMDOWNSIZE_NATIVE=required is not set')
    assert missing is None


# Widths around 16 and 32, of which the library moves 16 at a time, and around the 64 of a cache line.
lengths = st.integers(1, 40) | st.sampled_from([15, 16, 17, 31, 32, 33, 47, 48, 63, 64, 65, 130, 200])


@needs_library
@given(st.integers(1, 6), lengths, st.integers(1, 6), st.data(), st.integers(0, 3))
def test_the_library_picks_any_rows_and_any_columns_that_do_not_fall(height, width, h, data, count):
    rows = data.draw(st.lists(st.integers(0, height - 1), min_size=h, max_size=h))
    cols = sorted(data.draw(st.lists(st.integers(0, width - 1), min_size=1, max_size=80)))
    maps = random_bytes(count, height, width, seed=width)
    out = select_labels(maps, torch.tensor(rows), torch.tensor(cols))
    np.testing.assert_array_equal(out, one_by_one(maps.numpy(), rows, cols))


@needs_library
@given(lengths, lengths)
def test_the_library_picks_columns_of_every_spacing(width, w):
    cols = thinned(w, width)
    maps = random_bytes(2, 3, width, seed=w)
    out = select_labels(maps, torch.tensor([2, 0]), cols)
    np.testing.assert_array_equal(out, one_by_one(maps.numpy(), [2, 0], cols.tolist()))


@pytest.mark.parametrize('dtype', [*BYTES, *OTHERS], ids=str)
@pytest.mark.parametrize('leading', [(), (1,), (2, 3), (0,)], ids=str)
def test_bits_of_any_dtype(dtype, leading, back_end):
    size = dtype.itemsize
    raw = random_bytes(*leading, 5, 40 * size) if dtype != torch.bool else random_bytes(*leading, 5, 40) % 2
    maps = raw.view(dtype)
    rows, cols = thinned(3, 5), thinned(19, 40)
    out = select_labels(maps, rows, cols)
    assert (out.dtype, out.shape) == (dtype, (*leading, 3, 19))
    assert out.is_contiguous()
    planes = raw.reshape(-1, 5, 40, size).numpy()
    for byte in range(size):
        got = out.view(torch.uint8).reshape(-1, 3, 19, size)[..., byte]
        np.testing.assert_array_equal(got, one_by_one(planes[..., byte], rows.tolist(), cols.tolist()))


def test_golden_values(back_end):
    maps = torch.arange(40, dtype=torch.uint8).view(1, 2, 20)
    out = select_labels(maps, torch.tensor([1]), torch.tensor([0, 15, 16, 19]))
    assert out.tolist() == [[[20, 35, 36, 39]]]


@pytest.mark.parametrize('threads', [1, 2])
def test_full_size_with_threads(threads, back_end, monkeypatch, calls):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        maps = random_bytes(4, 800, 1333)
        rows, cols = thinned(400, 800), thinned(667, 1333)
        out = select_labels(maps, rows, cols)
        assert np.array_equal(out, maps.numpy()[:, rows.numpy()][:, :, cols.numpy()])
        small = select_labels(maps[:1], rows[:2], cols)
        assert torch.equal(small, out[:1, :2])
    finally:
        torch.set_num_threads(before)
    assert calls == ([threads, 1] if back_end == 'compiled' else [])


@needs_library
@pytest.mark.parametrize('dtype', [*BYTES, *OTHERS], ids=str)
def test_the_library_takes_bytes_only(dtype, calls):
    maps = torch.zeros(2, 4, 20, dtype=dtype)
    select_labels(maps, thinned(2, 4), thinned(10, 20))
    assert len(calls) == (dtype in BYTES or dtype.itemsize == 1)


@pytest.mark.parametrize('transposed', [True, False])
def test_maps_and_indices_that_are_not_contiguous(transposed, back_end, calls):
    maps = random_bytes(3, 8, 40)
    given_maps = maps.transpose(1, 2).contiguous().transpose(1, 2) if transposed else maps
    rows, cols = torch.arange(8)[::2], torch.arange(40)[1::2]
    assert not rows.is_contiguous()
    out = select_labels(given_maps, rows, cols)
    np.testing.assert_array_equal(out, one_by_one(maps.numpy(), rows.tolist(), cols.tolist()))
    assert len(calls) == (back_end == 'compiled' and not transposed)


def test_the_result_is_a_copy_also_where_all_is_kept(back_end):
    maps = random_bytes(2, 6, 32)
    before = maps.clone()
    out = select_labels(maps, torch.arange(6), torch.arange(32))
    assert torch.equal(out, before)
    out.fill_(7)
    assert torch.equal(maps, before)


def test_gradients_reach_what_was_kept_and_nothing_else(back_end):
    maps = torch.rand(2, 4, 6, requires_grad=True)
    select_labels(maps, torch.tensor([1, 3]), torch.tensor([0, 4])).sum().backward()
    expected = torch.zeros(2, 4, 6)
    expected[:, 1::2, 0] = expected[:, 1::2, 4] = 1
    assert torch.equal(maps.grad, expected)


def test_while_tracing_plain_operators_are_recorded(back_end, calls):
    rows, cols = thinned(2, 4), thinned(10, 20)
    traced = torch.jit.trace(lambda maps: select_labels(maps, rows, cols), random_bytes(2, 4, 20), check_trace=False)
    other = random_bytes(2, 4, 20, seed=1)
    assert torch.equal(traced(other), select_labels(other, rows, cols))
    assert len(calls) == (back_end == 'compiled')  # the last one's


class Labelled(torch.Tensor):
    """A tensor that has a meaning of its own."""


def test_subclasses_of_tensors_are_pytorchs(back_end, calls):
    maps = random_bytes(2, 4, 20).as_subclass(Labelled)
    out = select_labels(maps, thinned(2, 4), thinned(10, 20))
    assert type(out) is Labelled
    assert calls == []


# A page behind the source that may not be read, and known bytes behind the target: nothing past the end is touched.
EDGES = """
import ctypes, mmap
import torch
from mmdownsize.geometry import selection
library, page = selection._load()[0], mmap.PAGESIZE
libc = ctypes.CDLL(None, use_errno=True)
memory = mmap.mmap(-1, 2 * page)
start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
assert libc.mprotect(ctypes.c_void_p(start + page), page, 0) == 0
for width in range(1, 100):
    spread = [torch.arange(w) * width // w for w in {1, width // 3 + 1, width // 2 + 1, width, 20 * width}]
    crowded = torch.cat([torch.arange(width // 16 * 16), torch.full((16,), width - 1)])  # at the end of a row
    for cols in [*spread, crowded]:
        rows, w = torch.tensor([0, 1, 1]), len(cols)
        out = torch.full((3 * w + 64,), 99, dtype=torch.uint8)
        source = start + page - 2 * width
        ctypes.memset(source, 1, 2 * width)
        library.mmdownsize_select(
            source, out.data_ptr(), rows.data_ptr(), cols.data_ptr(), 1, 2, width, 3, w, 1
        )
        assert (out[: 3 * w] == 1).all() and (out[3 * w :] == 99).all(), (width, w)
print('untouched')
"""


@needs_library
@pytest.mark.skipif(sys.platform == 'win32', reason='mprotect is of POSIX')
def test_nothing_past_the_ends_is_read_or_written():
    done = subprocess.run([sys.executable, '-c', EDGES], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, 'untouched\n'), done.stderr


def test_without_the_library_it_is_said_why(monkeypatch, tmp_path):
    selection._load.cache_clear()
    try:
        monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
        assert 'not compiled' in selection.unavailable()
        selection._load.cache_clear()
        broken = tmp_path / 'broken.so'
        broken.write_text('no library')
        spec = importlib.util.spec_from_file_location('broken', broken)
        monkeypatch.setattr(importlib.util, 'find_spec', lambda name: spec)
        assert 'cannot be loaded' in selection.unavailable()
        assert str(broken) in selection.unavailable()
    finally:
        selection._load.cache_clear()
