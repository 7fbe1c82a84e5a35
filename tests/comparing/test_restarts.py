"""What an interruption can leave in the folder of a comparison, and that the next start goes on from it."""

import json
import shutil
import warnings
from pathlib import Path

import pytest
from mmengine.config import Config

pytest.importorskip('mmseg')

from mmdownsize.comparing import comparison
from mmdownsize.comparing.log import mend_end, read_log
from mmdownsize.comparing.report import rows_of
from mmdownsize.comparing.results import last_metrics, logged, training_losses
from tests.comparing.test_report import run_line
from tests.tools.small_training import ROOT, write_config
from tools import compare


def command(folder: Path, data: Path) -> list[str]:
    """Return the command line of a comparison with one small run."""
    config = write_config(folder / 'small.py', data, by_epoch=True, seed=0, workers=0)
    return [str(config), '--resizer', 'bilinear', '--seeds', '5', '--work-dir', str(folder / 'work')]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    monkeypatch.setenv('PYTHONPATH', str(ROOT))


@pytest.fixture(scope='module')
def done(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a comparison that has finished."""
    folder = tmp_path_factory.mktemp('done')
    compare.main(command(folder, data))
    return folder / 'work'


def finished(folder: Path) -> dict:
    (run,) = read_log([folder / 'runs.jsonl'])
    return run


def validated(run_dir: Path) -> list[int]:
    return [values['step'] for values in logged(run_dir) if 'mIoU' in values]


def test_a_run_that_died_in_its_last_validation_is_validated(data: Path, tmp_path: Path) -> None:
    options, flag = command(tmp_path, data), tmp_path / 'broken'
    flag.touch()
    config = Path(options[0])
    config.write_text(
        f'{config.read_text()}\ncustom_imports = dict(imports=["tests.comparing.dying"])\n'
        f"custom_hooks = [dict(type='DyingHook', while_there={str(flag)!r})]\n"
    )
    with pytest.raises(SystemExit, match=r"bilinear, seed 5 .* failed: KeyError: 'info'"):
        compare.main(options)
    (run_dir,) = (tmp_path / 'work/bilinear').iterdir()
    assert validated(run_dir) == [1]
    flag.unlink()
    compare.main(options)
    assert validated(run_dir) == [1, 2]  # the earlier one does not stand for the last
    assert finished(tmp_path / 'work')['metrics'] == last_metrics(run_dir)


def cut(path: Path) -> None:
    """Leave the first half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_half_written_files_of_every_kind(done: Path, data: Path, tmp_path: Path, capsys) -> None:
    work = Path(shutil.copytree(done, tmp_path / 'work'))
    (run_dir,), (start,) = (work / 'bilinear').iterdir(), work.glob('start_*.pth')
    (scalars,) = run_dir.glob('*/vis_data/scalars.json')
    for path in (work / 'runs.jsonl', start, run_dir / 'epoch_2.pth', run_dir / 'config.py'):
        cut(path)
    for name in ('last_checkpoint', 'seconds'):
        (run_dir / name).write_text('')
    lines = scalars.read_text().splitlines()
    scalars.write_text('\n'.join([*lines[:4], lines[4][:20]]))
    (run_dir / 'epoch_2.pth.999999999.partial').write_bytes(b'half')
    with pytest.warns(UserWarning, match=r'epoch_2\.pth is empty or cut off: the training resumes from .*epoch_1\.pth'):
        compare.main(command(tmp_path, data))
    found, wanted = finished(work), finished(done)
    for key in ('metrics', 'training_losses', 'fingerprint', 'arm', 'seed'):
        assert found[key] == wanted[key], key
    assert validated(run_dir)[-1] == 2
    assert 'runs.jsonl ended in half a line, ' in ' '.join(capsys.readouterr().out.split())
    assert not list(work.rglob('*.partial'))


def test_a_run_whose_checkpoints_are_all_broken_begins_anew(done: Path, data: Path, tmp_path: Path, capsys) -> None:
    work = Path(shutil.copytree(done, tmp_path / 'work'))
    (work / 'runs.jsonl').unlink()
    (run_dir,) = (work / 'bilinear').iterdir()
    for path in [*run_dir.glob('*.pth'), run_dir / 'last_checkpoint']:
        path.write_bytes(b'')
    compare.main(command(tmp_path, data))
    assert finished(work)['metrics'] == finished(done)['metrics']  # from the same start, to the last digit
    said = ' '.join(capsys.readouterr().out.split())
    assert 'is trained from the start: ' in said and 'epoch_1.pth is empty or cut off' in said


def test_what_a_run_logged_is_read_around_half_lines(tmp_path: Path) -> None:
    for part, text in {
        '20260101_000000': '{"loss": 4.0, "epoch": 1, "step": 1}\n\n{"mIoU": 10.0, "step": 1}\n{"loss": 2.',
        '20260101_000100': '{"loss": 1.0, "epoch": 2, "step": 2}\n7\n{"mIoU": 30.0, "step": 2}\n{"mIoU": 9',
    }.items():
        folder = tmp_path / part / 'vis_data'
        folder.mkdir(parents=True)
        (folder / 'scalars.json').write_bytes(text.encode() + b'\xff')
    assert last_metrics(tmp_path) == {'mIoU': 30.0}
    assert training_losses(tmp_path) == [4.0, 1.0]


LINE = json.dumps(run_line('a', 0, 50.0))


@pytest.mark.parametrize(
    'text, mended, half',
    [
        (f'{LINE}\n{LINE[:30]}', f'{LINE}\n', LINE[:30]),
        (LINE[:30], '', LINE[:30]),
        (f'{LINE}\n', f'{LINE}\n', None),
        (LINE, f'{LINE}\n', None),  # as an editor may leave it
        (f'\n{LINE}\n\n', f'\n{LINE}\n\n', None),
        ('', '', None),
    ],
    ids=['half a line', 'nothing else', 'whole', 'no end', 'empty lines', 'empty'],
)
def test_a_log_is_mended_at_its_end(text: str, mended: str, half: str | None, tmp_path: Path) -> None:
    log = tmp_path / 'runs.jsonl'
    log.write_text(text)
    assert len(read_log([log])) == mended.count('"arm"')  # a report reads it as it is
    assert mend_end(log) == half
    assert log.read_text() == mended
    assert mend_end(tmp_path / 'none') is None


def test_a_pretrained_downsizer_that_changes_meanwhile_is_refused(tmp_path: Path, data: Path, monkeypatch) -> None:
    config = write_config(tmp_path / 'small.py', data, by_epoch=True, seed=0, workers=0)
    net = tmp_path / 'net.safetensors'
    net.write_bytes(b'1')
    (tmp_path / 'arms.py').write_text(
        f"arms = dict(bilinear=dict(downsizer=dict(type='FixedResizer')), "
        f"net=dict(downsizer=dict(type='DownsizeNet', pretrained={str(net)!r}), train=False))\n"
    )
    monkeypatch.setattr(comparison, 'execute', lambda *_: net.write_bytes(b'2') and 1.0)
    monkeypatch.setattr(comparison, 'last_metrics', lambda _: {'mIoU': 40.0})
    monkeypatch.setattr(comparison, 'training_losses', lambda _: None)
    options = [str(config), '--arms', str(tmp_path / 'arms.py'), '--seeds', '5', '--work-dir', str(tmp_path / 'work')]
    with pytest.raises(
        SystemExit, match=r'net, seed 5: its pretrained downsizer .* changed since this comparison began'
    ):
        compare.main(options)
    compare.main(options)
    assert len(read_log([tmp_path / 'work/runs.jsonl'])) == 2


def test_runs_of_an_edited_config_are_not_compared_in_silence(tmp_path: Path, data: Path, monkeypatch) -> None:
    config = write_config(tmp_path / 'small.py', data, by_epoch=True, seed=0, workers=0)
    monkeypatch.setattr(comparison, 'execute', lambda *_: 1.0)
    monkeypatch.setattr(comparison, 'last_metrics', lambda _: {'mIoU': 40.0})
    monkeypatch.setattr(comparison, 'training_losses', lambda _: None)
    options = [
        str(config),
        '--resizer',
        'bilinear',
        '--resizer',
        'area',
        '--seeds',
        '5',
        '6',
        '--work-dir',
        str(tmp_path / 'work'),
    ]
    compare.main(options)
    cfg = Config.fromfile(config)
    cfg.optim_wrapper.optimizer.lr = 0.02
    cfg.dump(config)
    with pytest.warns(
        UserWarning, match='the runs are of 2 configs, .*2 such as bilinear seed 5, 2 such as area seed 5'
    ):
        compare.main([*options, '--only', 'area'])
    with warnings.catch_warnings():
        warnings.simplefilter('error', UserWarning)
        compare.main(options)


def test_runs_of_a_log_without_that_note_are_compared() -> None:
    rows_of([run_line('bilinear', 0, 50.0), dict(run_line('area', 0, 51.0), shared='x')], 'mIoU', 'bilinear')
