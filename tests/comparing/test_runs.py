"""What a run depends on, and the process that it has of its own."""

import json
import platform
import signal

import pytest
import torch
from mmengine.config import Config
from rich.console import Console

from mmdownsize.comparing import runs
from mmdownsize.comparing.arms import Arm, config_of
from mmdownsize.comparing.runs import fingerprint
from mmdownsize.refusal import Refusal
from tests.tools.small_training import write_config


def test_a_run_is_known_by_all_it_depends_on(tmp_path, data):
    cfg = Config.fromfile(write_config(tmp_path / 'c.py', data, by_epoch=True, seed=0, workers=0))
    arm = Arm('area', {'type': 'FixedResizer', 'kernel': 'area'}, {})
    tested = Arm('area', {'type': 'FixedResizer', 'kernel': 'area'}, {}, train=False)
    starts = tmp_path / 'a.pth', tmp_path / 'b.pth'
    for number, start in enumerate(starts):
        torch.save(number, start)
    own = config_of(cfg, arm, 3)
    names = [
        fingerprint(own, arm, None),
        fingerprint(own, tested, None),
        fingerprint(config_of(cfg, arm, 4), arm, None),
        *(fingerprint(own, arm, start) for start in starts),
    ]
    assert len(set(names)) == 5
    own.load_from = 'elsewhere'
    assert fingerprint(own, arm, None) == names[0]
    assert fingerprint(own, arm, starts[1].rename(tmp_path / 'c.pth')) == names[4]  # its content counts


def test_a_trained_downsizer_is_found_by_seed_and_known_by_its_content(tmp_path, data):
    cfg = Config.fromfile(write_config(tmp_path / 'c.py', data, by_epoch=True, seed=0, workers=0))
    arm = Arm('a', dict(type='DownsizeNet', pretrained=str(tmp_path / 'of_{seed}.x')), {}, train=False)
    assert arm.depends_on_seed
    assert not Arm('a', dict(type='DownsizeNet', pretrained='one'), {}, train=False).depends_on_seed
    for name, content in {'of_3.x': b'1', 'of_4.x': b'2'}.items():
        (tmp_path / name).write_bytes(content)
    third, fourth = (config_of(cfg, arm, seed) for seed in (3, 4))
    assert third.model.data_preprocessor.downsizer.pretrained == str(tmp_path / 'of_3.x')
    name = fingerprint(third, arm, None)
    (tmp_path / 'of_3.x').write_bytes(b'2')
    assert len({name, fingerprint(third, arm, None), fingerprint(fourth, arm, None)}) == 3
    with pytest.raises(FileNotFoundError, match='of_5'):
        fingerprint(config_of(cfg, arm, 5), arm, None)


def test_trainings_keep_their_memory_unless_the_environment_says_otherwise(tmp_path, data, monkeypatch):
    (tmp_path / 'tools').mkdir()
    (tmp_path / 'tools/train.py').write_text('import json, os; print(json.dumps(dict(os.environ)))')
    for name in runs.FASTER:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('MALLOC_TOP_PAD_', '7')
    monkeypatch.setattr(runs, 'tool', lambda name: tmp_path / 'tools' / name)
    cfg = Config.fromfile(write_config(tmp_path / 'c.py', data, by_epoch=True, seed=0, workers=0))
    runs.execute(cfg, tmp_path / 'run', Console(), 'label', train=True)
    found = json.loads((tmp_path / 'run/train.log').read_text())
    assert {name: found[name] for name in runs.FASTER} == {**runs.FASTER, 'MALLOC_TOP_PAD_': '7'}


@pytest.mark.parametrize(
    ('about', 'maker'),
    [
        (
            'processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: A: B\n\nprocessor\t: 1\nvendor_id\t: other\n',
            'AuthenticAMD',
        ),
        ('processor\t: 0\nCPU implementer\t: 0x41\n', '0x41'),
        (None, platform.machine()),
    ],
)
def test_a_log_says_whose_cpu_it_was(tmp_path, about, maker):
    if about is not None:
        (tmp_path / 'cpuinfo').write_text(about)
    assert runs.processor(tmp_path / 'cpuinfo') == f'{maker} {torch.backends.cpu.get_cpu_capability()}'


@pytest.mark.parametrize(
    ('script', 'said'),
    [
        ("print('a [b] c'); raise KeyError('gone')", "KeyError: 'gone'"),
        ('import sys; sys.exit(3)', 'nothing was logged'),
    ],
)
def test_a_run_that_fails_says_how_and_where_its_log_is(script, said, tmp_path, data, monkeypatch, capsys):
    (tmp_path / 'test.py').write_text(script)
    monkeypatch.setattr(runs, 'tool', lambda name: tmp_path / name)
    cfg = Config.fromfile(write_config(tmp_path / 'c.py', data, by_epoch=True, seed=0, workers=0))
    cfg.load_from = 'model.pth'
    with pytest.raises(Refusal, match='label failed: ') as refused:
        runs.execute(cfg, tmp_path / 'run', Console(), 'label', train=False)
    assert str(refused.value) == f'label failed: {said} (all of it: {tmp_path / "run/train.log"})'
    if 'KeyError' in said:
        assert 'a [b] c' in (printed := capsys.readouterr().out) and 'Traceback' in printed


def test_sigterm_ends_what_runs_and_the_callers_handler_comes_back():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit, match='terminated'), runs.ended_by_sigterm():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before
