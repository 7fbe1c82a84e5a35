"""A warning names the first line outside the package and PyTorch."""

import warnings

import torch

from mmdownsize import notices
from mmdownsize.resizers import DownsizeNet


def warned(call):
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter('always')
        call()
    return [(warning.category, warning.filename, str(warning.message)) for warning in found]


def test_it_names_the_caller():
    assert warned(lambda: notices.warn('far away')) == [(notices.Notice, __file__, 'far away')]


def test_it_names_the_caller_of_a_module_inside_modules():
    def run():
        torch.nn.Sequential(Halved(), torch.nn.Identity())(255 * torch.rand(1, 3, 20, 10))

    class Halved(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = DownsizeNet(start='area', distance='area')

        def forward(self, images):
            return self.net(images, (4, 3))

    ((category, filename, message),) = warned(run)
    assert (category, filename) == (notices.Notice, __file__)
    assert 'it starts cut' in message


def test_filters_know_the_callers_module():
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter('always')
        warnings.filterwarnings('ignore', module=__name__)
        notices.warn('far away')
    assert not found
