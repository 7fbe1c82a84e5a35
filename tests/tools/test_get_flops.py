"""tools/get_flops.py against mmengine's own analysis and sums that a person can do."""

from functools import partial

import pytest
import torch
from mmengine.analysis import get_model_complexity_info
from torch import nn

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')

from mmdownsize.registry import MODELS
from mmdownsize.resizers import DownsizeNet, FixedResizer, LearnedResizer
from mmdownsize.resizers.cost import multiply_adds
from tests.integration.swapped_models import config_of
from tools import get_flops


@pytest.mark.parametrize('name', ['fcn', 'faster_rcnn', 'centernet'])
def test_parts_add_up_to_what_mmengine_counts(name, tmp_path, capsys):
    config_of(name, tmp_path).dump(tmp_path / 'config.py')
    cfg = get_flops.load_config(tmp_path / 'config.py', None)
    found = get_flops.count(cfg, (64, 96))
    assert (found.src_hw, found.dst_hw) == ((64, 96), (32, 48))
    model = MODELS.build(cfg.model).eval()
    data = model.data_preprocessor(get_flops.made_up_batch(cfg.default_scope, (64, 96)))
    model.forward = partial(model.forward, data_samples=data['data_samples'])
    wanted = get_model_complexity_info(model, None, inputs=data['inputs'], show_table=False, show_arch=False)
    rel = 0.2 if name == 'faster_rcnn' else 0  # random weights: the number of proposals differs
    assert sum(part.multiply_adds for part in found.parts) == pytest.approx(wanted['flops'], rel=rel)
    net = found.downsizers['DownsizeNet']
    assert sum(part.parameters for part in found.parts) + net.parameters == wanted['params']
    assert net.parameters == 2852
    assert found.downsizers['bilinear'].parameters == 0
    assert net.multiply_adds == multiply_adds(DownsizeNet(), 3, (64, 96), (32, 48))
    assert any('DeformConv' in skipped for skipped in found.skipped) == (name == 'centernet')
    get_flops.main([str(tmp_path / 'config.py'), '--shape', '64', '96'])
    printed = capsys.readouterr().out
    assert '64x96 to 32x48 px' in printed
    assert {'downsizer', 'backbone', 'total'} <= set(printed.replace('│', ' ').split())
    assert ('not counted: ' in printed) == (name != 'fcn')  # of Faster R-CNN RoIAlign


def test_a_config_without_a_downsizer(tmp_path):
    config_of('fcn', tmp_path, swapped=False).dump(tmp_path / 'config.py')
    found = get_flops.count(get_flops.load_config(tmp_path / 'config.py', None), None)
    assert found.src_hw == found.dst_hw == (64, 96)  # the preprocessor's size
    assert found.downsizers == {'no downsizer': get_flops.Part('downsizer', 0, 0)}


def test_bad_input(tmp_path):
    config_of('fcn', tmp_path).dump(tmp_path / 'config.py')
    with pytest.raises(SystemExit, match=r'no such config: nowhere\.py'):
        get_flops.main(['nowhere.py'])
    with pytest.raises(SystemExit, match=r'--shape must be H W, at least 1 each, got \[0, 5\]'):
        get_flops.main([str(tmp_path / 'config.py'), '--shape', '0', '5'])


def test_dense_convolutions_where_every_pixel_is_selected():
    # 10 x 12 to the same size: both convolutions everywhere, 4 logits of 16 features, 4 neighbours of 3 channels.
    wanted = 10 * 12 * (9 * 3 * 16 + 9 * 16 * 16 + 4 * 16 + 4 * 3)
    assert multiply_adds(DownsizeNet(), 3, (10, 12), (10, 12)) == wanted


def test_the_last_convolution_is_counted_where_it_is_selected():
    # 40 to 8: every fifth pixel, so the convolution before is read at 3 x 3 pixels around each.
    selected, read = 8 * 8, (3 * 8) ** 2
    wanted = read * 9 * 3 * 16 + selected * (9 * 16 * 16 + 4 * 16 + 4 * 3)
    assert multiply_adds(DownsizeNet(), 3, (40, 40), (8, 8)) == wanted
    assert multiply_adds(DownsizeNet(texture=False), 3, (40, 40), (8, 8)) == selected * 4 * 3
    # Antialiasing reaches over 10 neighbours at a fifth of the size.
    auto = DownsizeNet(neighbors='auto', start='antialiased')
    assert multiply_adds(auto, 3, (40, 40), (8, 8)) == wanted + selected * (100 - 4) * (16 + 3)


def test_fixed_kernels_and_the_others():
    assert multiply_adds(FixedResizer(kernel='nearest'), 3, (40, 30), (8, 10)) == 0
    assert multiply_adds(FixedResizer(), 3, (40, 30), (8, 10)) == 3 * 8 * (2 * 30 + 2 * 10)
    assert multiply_adds(FixedResizer(antialias=True), 3, (40, 30), (8, 10)) == 3 * 8 * (10 * 30 + 6 * 10)
    learned = LearnedResizer(num_blocks=0, channels=4)
    full, small = 40 * 30 * (49 * 3 * 4 + 4 * 4), 8 * 10 * (9 * 4 * 4 + 49 * 4 * 3)
    assert multiply_adds(learned, 3, (40, 30), (8, 10)) == full + small
    assert multiply_adds(Pool(), 3, (40, 30), (8, 10)) == 0


class Pool(nn.Module):
    def forward(self, images, dst_hw):
        return torch.nn.functional.adaptive_avg_pool2d(images, dst_hw)
