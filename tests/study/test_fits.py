"""The fits of the study that are kept: each loads, and says how it was made."""

import re
from pathlib import Path

import pytest

from mmdownsize.resizers import DownsizeNet
from mmdownsize.resizers import io as files
from tests.resizers.test_shipped_weights import photograph_like

FITS = sorted((Path(__file__).parents[2] / 'study/fitted').glob('*.safetensors'))
EPOCHS = {
    'camvid': '14',
    'voc2012_balanced': '10',
    'voc2012_det': '2',
    'voc2012_distance_only': '10',
    'voc2012_positions': '2',  # of five positions
}


def test_fits_of_five_kinds_are_kept():
    kinds = [path.stem.rpartition('_')[0] for path in FITS]
    assert {kind: kinds.count(kind) for kind in kinds} == dict.fromkeys(EPOCHS, 5) | {'voc2012_det': 10}


@pytest.mark.parametrize('path', FITS, ids=lambda path: path.stem)
def test_a_fit_loads_and_says_how_long_it_took_and_at_which_factor(path):
    saved = files.load(path)
    kind, seed = re.fullmatch(r'(\w+)_(\d)', path.stem).groups()
    assert saved.scale_factors == ((0.3, 0.3) if kind.startswith('camvid') else (0.3333, 0.3333))
    assert saved.provenance['epoch'] == EPOCHS[kind]
    assert saved.provenance['seed'] == seed
    assert DownsizeNet.from_pretrained(path, frozen=True)(photograph_like(), (20, 22)).shape == (1, 3, 20, 22)
