"""`mmdownsize resize` and `mmdownsize list`: options, one call, a report; and nothing of OpenMMLab."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmdownsize import progress
from mmdownsize.cli.main import main
from mmdownsize.images import resize
from mmdownsize.places import fragments
from mmdownsize.resizers.io import list_pretrained
from mmdownsize.resizers.named import FIXED

ROOT = Path(__file__).parents[2]
PHOTO = np.random.default_rng(0).integers(0, 256, (12, 18, 3), np.uint8)


def command(*arguments):
    main([str(argument) for argument in arguments])


@pytest.fixture
def photos(tmp_path):
    (tmp_path / 'photos').mkdir()
    for name in 'abc':
        Image.fromarray(PHOTO).save(tmp_path / f'photos/{name}.png')
    return tmp_path / 'photos'


def test_a_file(photos, tmp_path, capsys):
    command('resize', photos / 'a.png', tmp_path / 'small.png', '--size', '6', '4')
    assert Image.open(tmp_path / 'small.png').size == (6, 4)
    assert capsys.readouterr().out == f'{tmp_path}/small.png: 18x12 -> 6x4 px (w x h), area\n'


def test_a_folder_of_which_one_is_bad(photos, tmp_path, capsys):
    (photos / 'b.png').write_text('no image')
    with pytest.raises(SystemExit, match='1 of 3 images were not resized, for the reasons above'):
        command('resize', photos, tmp_path / 'out', '--scale-factor', '0.5', '--resizer', 'darkest')
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == ['a.png', 'c.png']
    said = capsys.readouterr()
    assert said.out == f'{tmp_path}/out: 2 of 3 images, darkest\n'
    assert f'{photos}/b.png is no image' in said.err


def test_a_notice_is_one_line_without_a_place_in_the_code(photos, tmp_path, capsys):
    (name,) = list_pretrained()
    resize._shipped.cache_clear()  # which has given its notice
    command('resize', photos / 'a.png', tmp_path / 'small.png', '--scale-factor', '0.8', '--resizer', name)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith('note: this DownsizeNet was trained at a scale factor of 0.333')


def test_trained_weights_see_the_colours_that_they_know(photos, tmp_path):
    from mmdownsize import resize_image

    (name,) = list_pretrained()
    command('resize', photos / 'a.png', tmp_path / 'small.png', '--size', '6', '4', '--resizer', name)
    assert np.array_equal(np.asarray(Image.open(tmp_path / 'small.png')), resize_image(PHOTO, (6, 4), resizer=name))


def test_the_list_has_everything_and_fits_80_columns(capsys):
    command('list')
    said = capsys.readouterr().out
    lines = said.splitlines()
    assert max(map(len, lines)) <= 80 and len(lines) <= 45
    first = {line.split()[0] for line in lines if line.startswith('  ') and line.split()}
    learned = {name for name, (_, fixed) in fragments().items() if not fixed}
    assert {*FIXED, *list_pretrained(), *learned} <= first and len(learned) >= 11
    last = ' '.join(said[said.index('and the fixed kernels') :].split())
    assert last == f'and the fixed kernels {", ".join(name for name in fragments() if name not in learned)}'
    assert any('4,676 parameters, for a factor of 0.33, trained on BGR images' in line for line in lines)


def test_without_configs_the_list_has_kernels_and_weights(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr('mmdownsize.places.PACKAGE', tmp_path / 'mmdownsize')
    command('list')
    said = capsys.readouterr().out
    assert 'lanczos_antialias' in said and 'voc2012' in said and 'configs' not in said


WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {'mmengine', 'mmcv', 'mmdet', 'mmseg', 'rich'}:
            raise ModuleNotFoundError(f'No module named {name!r}')

sys.meta_path.insert(0, Missing())
from mmdownsize.cli.main import main
main(['list'])
main(['resize', *sys.argv[1:]])
print(sorted({'cv2', 'sympy', 'torch._dynamo'} & set(sys.modules)))
"""


def test_nothing_of_openmmlab_is_needed(photos, tmp_path):
    (name,) = list_pretrained()
    options = [str(photos), str(tmp_path / 'out'), '--scale-factor', '0.3333', '--resizer', name]
    done = subprocess.run(
        [sys.executable, '-c', WITHOUT, *options], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-2:] == [f'{tmp_path}/out: 3 of 3 images, {name}', '[]']
    assert len(list((tmp_path / 'out').iterdir())) == 3


def test_without_rich_a_line_tells_how_far_it_is(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'rich.console', None)
    monkeypatch.setattr(progress, 'SECONDS', 0.0)
    assert list(progress.track('abc', 'resizing')) == ['a', 'b', 'c']
    assert capsys.readouterr().err.splitlines() == [f'resizing: {n} of 3' for n in range(3)]
    assert list(progress.track('a', 'resizing')) == ['a'] and not capsys.readouterr().err


def test_with_rich_there_is_a_bar(capsys):
    pytest.importorskip('rich')
    assert list(progress.track('abc', 'resizing')) == ['a', 'b', 'c']
    said = capsys.readouterr()
    assert 'resizing' in said.err and not said.out
