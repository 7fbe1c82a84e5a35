"""Compiled libraries: which fit this package, and what is said of those that do not."""

import ctypes

import pytest

from mmdownsize.ops.backends import native_separable as native
from mmdownsize.ops.compiled import AGAIN, INSTRUCTIONS, Library

MODULE = 'mmdownsize.ops.backends._separable'


class Other(ctypes.Structure):
    _fields_ = (('one', ctypes.c_int64),)


@pytest.mark.skipif(native.unavailable() is not None, reason=f'no compiled back end: {native.unavailable()}')
def test_a_library_of_other_sources_is_not_called():
    library = Library(MODULE, 'mmdownsize_separable', Other)
    assert library.unavailable() == f'it was compiled from other sources; {AGAIN}'
    with pytest.raises(RuntimeError, match='no compiled back end: it was compiled from other sources'):
        library.run('mmdownsize_separable', Other(), 0)
    assert native.LIBRARY.instructions() in INSTRUCTIONS


def test_a_library_that_is_not_there():
    library = Library('mmdownsize.ops.backends._gone', 'gone', Other)
    assert library.unavailable() == f'it was not compiled; with a C++ compiler, {AGAIN}'
    with pytest.raises(RuntimeError, match='it was not compiled'):
        library.instructions()


def test_a_library_that_cannot_be_loaded(tmp_path, monkeypatch):
    (tmp_path / 'broken.so').write_text('no library')
    spec = type('Spec', (), dict(origin=str(tmp_path / 'broken.so')))
    monkeypatch.setattr('importlib.util.find_spec', lambda module: spec)
    assert Library('broken', 'broken', Other).unavailable().startswith('it cannot be loaded: ')
