"""Bands cover every output row of every image once, and have the source rows that these need."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmdownsize.ops import bands

lengths = st.integers(1, 60) | st.sampled_from([1, 2, 3])


@given(st.integers(0, 5), lengths, lengths, st.integers(0, 4), st.integers(0, 5), st.integers(1, 2000))
def test_every_output_row_is_in_one_band_with_all_that_it_needs(n, src, dst, halo, reach, size):
    first = torch.arange(dst) * src // dst
    last = (first + reach).clamp(max=src - 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bands, 'BAND_BYTES', size)
        found = list(bands.cut(torch.zeros(n, 1, src, 7), first, last, halo, row_bytes=28))
    covered = torch.zeros(n, dst)
    for band in found:
        covered[band.images, band.target] += 1
        assert band.source.start == max(0, first[band.target].min() - halo)
        assert band.source.stop == min(src, last[band.target].max() + halo + 1)
    assert bool((covered == 1).all())
    assert all(band.images.stop <= n and band.target.stop <= dst for band in found)


def test_a_band_has_about_as_many_bytes_as_it_may(monkeypatch):
    monkeypatch.setattr(bands, 'BAND_BYTES', 20 * 100)  # 20 rows
    rows = torch.arange(0, 200, 4)  # 200 rows to 50
    found = list(bands.cut(torch.zeros(2, 1, 200, 10), rows, rows + 3, 2, row_bytes=100))
    assert [(band.target.start, band.target.stop) for band in found[:10]] == [(i, i + 5) for i in range(0, 50, 5)]
    assert {band.source.stop - band.source.start for band in found[1:9]} == {20 + 2 * 2}
    assert [band.images.start for band in found] == [0] * 10 + [1] * 10


def test_small_images_share_a_band(monkeypatch):
    monkeypatch.setattr(bands, 'BAND_BYTES', 20 * 100)
    rows = torch.arange(8)
    found = list(bands.cut(torch.zeros(5, 1, 8, 10), rows, rows, 1, row_bytes=100))
    assert [(band.images.start, band.images.stop) for band in found] == [(0, 2), (2, 4), (4, 5)]
    assert all(band.source == band.target == slice(0, 8) for band in found)
