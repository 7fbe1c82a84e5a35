"""The trained downsizers that come with the package: each loads, is documented, and does what its card says."""

import re
import warnings
from pathlib import Path

import pytest
import torch

from mmdownsize.resizers import DownsizeNet, FixedResizer
from mmdownsize.resizers import io as files

CARD = (Path(__file__).parents[2] / 'docs/weights.md').read_text()
NAMES = sorted(path.stem for path in files.SHIPPED.glob('*.safetensors'))


def photograph_like(hw=(60, 66)) -> torch.Tensor:
    """Edges and noise in a smooth image, bytes as float."""
    rows, cols = (torch.linspace(0, 6, n) for n in hw)
    smooth = 90 + 50 * torch.sin(rows)[:, None] * torch.cos(cols)
    edges = 60.0 * ((rows[:, None] + cols).floor() % 2)
    noise = 8 * torch.randn(3, *hw, generator=torch.Generator().manual_seed(0))
    return (smooth + edges + noise).clamp(0, 255).round()[None]


def test_there_is_one():
    assert NAMES


@pytest.mark.parametrize('name', NAMES)
def test_it_is_small_documented_and_says_where_it_comes_from(name):
    assert files.find(name).stat().st_size < 64_000
    assert f'`{name}`' in CARD
    saved = files.load(name)
    assert {'data', 'recipe', 'fitted_to'} <= saved.provenance.keys()
    for value in saved.provenance.values():
        assert not re.search(r'(?:^|\s)[/~]|work_dirs|\\\\', value), 'a path of the machine that it was trained on'


@pytest.mark.parametrize('name', NAMES)
def test_out_of_place_it_says_so(name):
    low, high = files.load(name).scale_factors
    image = photograph_like()
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        for factor in (low, high):
            DownsizeNet.from_pretrained(name)(image, [round(side * factor) for side in image.shape[2:]])
    with pytest.warns(UserWarning, match='was trained at a scale factor of'):
        DownsizeNet.from_pretrained(name, frozen=True)(image, [round(side * 1.4 * high) for side in image.shape[2:]])


@pytest.mark.filterwarnings('ignore:this DownsizeNet was trained at')
@pytest.mark.parametrize('name', NAMES)
@pytest.mark.parametrize('dst_hw', [(20, 22), (31, 40)])
def test_it_is_an_image_of_the_image(name, dst_hw):
    net = DownsizeNet.from_pretrained(name, frozen=True)
    image = photograph_like()
    coefficients = net.coefficients(image, dst_hw)
    torch.testing.assert_close(coefficients.sum(1), torch.ones(1, *dst_hw), atol=1e-4, rtol=0)
    constant = torch.full_like(image, 77)
    torch.testing.assert_close(net(constant, dst_hw), torch.full((1, 3, *dst_hw), 77.0), atol=0.02, rtol=0)
    small, area = net(image, dst_hw), FixedResizer(kernel='area')(image, dst_hw)
    assert (small - area).abs().mean() > 0.5  # it has learned something
    assert torch.corrcoef(torch.stack([small.flatten(), area.flatten()]))[0, 1] > 0.6  # and the picture is still there
    varies = coefficients.std((0, 2, 3)).max()
    assert varies > 0.01  # with the texture: it is not one kernel for the whole image
