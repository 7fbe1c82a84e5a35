"""tools/demo.py: it runs to a table, a picture and its numbers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip('mmseg')
pytest.importorskip('skimage')

from mmdownsize.demo.trainings import TrainingFailed
from tools import demo

ROOT = Path(__file__).parents[2]


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess:
    env = {**os.environ, 'OMP_NUM_THREADS': '1', 'COLUMNS': '120'}
    command = [sys.executable, str(ROOT / 'tools' / 'demo.py'), *arguments]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True)


def test_quick_demo_runs_to_the_end_and_again(tmp_path: Path) -> None:
    left_behind = tmp_path / 'work_dirs' / 'demo' / 'bilinear' / 'left_behind'
    left_behind.parent.mkdir(parents=True)
    left_behind.touch()
    (tmp_path / 'work_dirs' / 'demo' / '.mmdownsize-demo').touch()
    result = run('--quick', '--seed', '1', cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    for text in ('synthetic', 'mIoU', 'bilinear', 'antialiased', 'DownsizeNet', 'work_dirs/demo/demo.png'):
        assert text in result.stdout
    assert '--quick: 6 iterations on 8 images. The numbers and predictions mean nothing.' in result.stdout
    assert not left_behind.exists()

    report = json.loads((tmp_path / 'work_dirs' / 'demo' / 'results.json').read_text())
    assert report['command'] == 'python tools/demo.py --quick --seed 1'
    assert (report['seed'], report['data'], report['quick']) == (1, 'synthetic', True)
    rows = report['resizers']
    assert rows['bilinear']['parameters'] == rows['antialiased']['parameters'] == 0 < rows['downsizenet']['parameters']
    for row in rows.values():
        assert 0 <= row['miou'] <= 1 and 0 <= row['pixel_accuracy'] <= 1
        assert row['ms_per_image'] > 0 and row['training_s'] > 0
    with Image.open(tmp_path / 'work_dirs' / 'demo' / 'demo.png') as picture:
        assert picture.width > 1000 and len(picture.convert('RGB').getcolors(1 << 24)) > 100


def test_the_end_of_a_failed_trainings_log_is_shown_line_by_line(monkeypatch, tmp_path: Path) -> None:
    def fail(options, console):
        raise TrainingFailed('no luck\n\nthe training failed')

    monkeypatch.setattr(demo, 'run', fail)
    with pytest.raises(SystemExit, match='no luck\n\nthe training failed'):
        demo.main(['--work-dir', str(tmp_path)])


@pytest.mark.parametrize('arguments', [['--seed', '-1'], ['--iters', '0']])
def test_bad_arguments(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        demo.main(arguments)
    assert 'must be at least' in capsys.readouterr().err
