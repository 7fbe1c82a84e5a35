"""The count of a config's multiply-adds, against mmengine's own analysis."""

from functools import partial

import pytest
from mmengine.analysis import get_model_complexity_info

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')

from mmdownsize.deploy.flops import Options, Part, count, count_config
from mmdownsize.loading import model_config
from mmdownsize.made_up import made_up_batch
from mmdownsize.refusal import Refusal
from mmdownsize.registry import MODELS
from mmdownsize.resizers import DownsizeNet
from mmdownsize.resizers.cost import multiply_adds
from tests.integration.swapped_models import config_of


@pytest.mark.parametrize('name', ['fcn', 'faster_rcnn', 'centernet'])
def test_parts_add_up_to_what_mmengine_counts(name, tmp_path):
    config_of(name, tmp_path).dump(tmp_path / 'config.py')
    cfg = model_config(tmp_path / 'config.py')
    found = count(cfg, (64, 96))
    assert (found.src_hw, found.dst_hw) == ((64, 96), (32, 48))
    model = MODELS.build(cfg.model).eval()
    data = model.data_preprocessor(made_up_batch(cfg.default_scope, (64, 96), images=1, annotated=False))
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


def test_a_config_without_a_downsizer(tmp_path):
    config_of('fcn', tmp_path, swapped=False).dump(tmp_path / 'config.py')
    found = count_config(Options(tmp_path / 'config.py'))
    assert found.src_hw == found.dst_hw == (64, 96)  # the preprocessor's size
    assert found.downsizers == {'no downsizer': Part('downsizer', 0, 0)}


def test_a_config_of_another_package_is_refused(tmp_path):
    cfg = config_of('fcn', tmp_path)
    cfg.default_scope = 'mmengine'
    with pytest.raises(Refusal, match="default_scope must be 'mmdet' or 'mmseg', got 'mmengine'"):
        count(cfg, (64, 96))
