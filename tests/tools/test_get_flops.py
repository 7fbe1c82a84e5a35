"""tools/get_flops.py: a config in, a table out."""

import pytest

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')

from tests.integration.swapped_models import config_of
from tools import get_flops


@pytest.mark.parametrize('name', ['fcn', 'faster_rcnn', 'centernet'])
def test_the_table_has_every_part_and_says_what_is_not_counted(name, tmp_path, capsys):
    config_of(name, tmp_path).dump(tmp_path / 'config.py')
    get_flops.main([str(tmp_path / 'config.py'), '--shape', '96', '64'])
    printed = capsys.readouterr().out
    assert '64x96 to 32x48 px' in printed
    assert 'size: --shape 96 64 is W H: 96 px wide and 64 px high' in printed
    assert {'downsizer', 'backbone', 'total'} <= set(printed.replace('│', ' ').split())
    assert ('not counted: ' in printed) == (name != 'fcn')  # of Faster R-CNN RoIAlign


def test_bad_input(tmp_path):
    config_of('fcn', tmp_path).dump(tmp_path / 'config.py')
    with pytest.raises(SystemExit, match=r'no such config: nowhere\.py'):
        get_flops.main(['nowhere.py'])
    with pytest.raises(SystemExit, match=r'--shape must be W H, at least 1 each, got \[0, 5\]'):
        get_flops.main([str(tmp_path / 'config.py'), '--shape', '0', '5'])
