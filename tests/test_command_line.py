"""One line for what a user can put right, a traceback for a fault of ours."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

pytest.importorskip('mmseg')

from mmdownsize.command_line import building, in_one_line
from mmdownsize.comparing import comparison, ranking
from mmdownsize.launching import testing, training
from mmdownsize.refusal import MissingFile, MissingPackage, Refusal, TypeRefusal
from mmdownsize.registry import MODELS
from mmdownsize.resizers import DownsizeNet
from tests.tools.small_training import write_training
from tools import compare, rank_resizers
from tools import test as test_tool
from tools import train as train_tool

FAULT = "'NoneType' object has no attribute 'faulty'"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A folder with the config of a small training and a checkpoint of its model."""
    cfg = Config.fromfile(write_training(tmp_path)[0])
    init_default_scope('mmseg')
    torch.save(dict(state_dict=MODELS.build(cfg.model).state_dict(), meta={}), tmp_path / 'model.pth')
    return tmp_path


def command_of(tool, folder: Path) -> list[str]:
    config, checkpoint = str(folder / 'config.py'), str(folder / 'model.pth')
    names = [f'experiment_name={folder.name}', f'visualizer.name={folder.name}']
    return {
        train_tool: [config, '--work-dir', str(folder / 'work'), '--cfg-options', *names],
        test_tool: [config, checkpoint, '--work-dir', str(folder / 'work'), '--cfg-options', *names],
        compare: [
            config,
            '--resizer',
            'bilinear',
            '--seeds',
            '0',
            '--work-dir',
            str(folder / 'work'),
            '--cfg-options',
            'a=1',
        ],
        rank_resizers: [config, checkpoint, '--resizer', 'bilinear', '--cfg-options', 'a=1'],
    }[tool]


def faulty(*_, **__):
    raise AttributeError(FAULT)


@pytest.mark.parametrize(
    ('tool', 'where', 'name'),
    [
        (train_tool, DownsizeNet, 'forward'),
        (train_tool, training, 'config_of'),
        (train_tool, training, 'prepare'),
        (test_tool, DownsizeNet, 'forward'),
        (test_tool, testing, 'config_of'),
        (compare, comparison, 'fingerprint'),
        (compare, comparison, 'write_start'),
        (compare, comparison, 'execute'),
        (compare, comparison, 'print_report'),
        (rank_resizers, ranking, 'config_of'),
        (rank_resizers, ranking, 'losses'),
    ],
    ids=lambda value: getattr(value, '__name__', value),
)
def test_a_fault_of_ours_keeps_its_traceback(tool, where, name, small, monkeypatch):
    if name == 'print_report':
        monkeypatch.setattr(comparison, 'execute', lambda *_: 1.0)
        monkeypatch.setattr(comparison, 'last_metrics', lambda _: dict(mIoU=1.0))
    monkeypatch.setattr(where, name, faulty)
    with pytest.raises(AttributeError, match=FAULT) as raised:
        tool.main(command_of(tool, small))
    assert raised.traceback[-1].name == 'faulty'


@pytest.mark.parametrize('tool', [train_tool, test_tool, compare, rank_resizers], ids=lambda tool: tool.__name__)
@pytest.mark.parametrize(
    ('setting', 'message'),
    [
        ('model.type=Nope', 'Nope'),
        ('model.decode_head.nope=1', 'nope'),
        ('model.data_preprocessor.scale_facter=0.3', "did you mean 'scale_factor'"),
    ],
)
def test_a_wrong_config_is_one_line(tool, setting, message, small):
    with pytest.raises(SystemExit) as stopped:
        tool.main([*command_of(tool, small), setting])
    assert message in str(stopped.value) and '\n' not in str(stopped.value)


@pytest.mark.parametrize('tool', [train_tool, test_tool, rank_resizers], ids=lambda tool: tool.__name__)
def test_a_config_that_lacks_a_part_is_one_line(tool, small):
    cfg = Config.fromfile(small / 'config.py')
    for key in ('train_dataloader', 'test_evaluator'):
        cfg.pop(key)
    cfg.dump(small / 'config.py')
    with pytest.raises(SystemExit) as stopped:
        tool.main(command_of(tool, small))
    assert isinstance(stopped.value.code, str) and '\n' not in stopped.value.code


@pytest.mark.parametrize(
    'fault', [AttributeError('a'), KeyError('a'), ImportError('a'), ValueError('a'), RuntimeError('a')]
)
def test_only_what_is_refused_ends_in_one_line(fault):
    with pytest.raises(type(fault)) as raised, in_one_line():
        raise fault
    assert raised.value is fault


@pytest.mark.parametrize(
    ('error', 'said'),
    [
        (Refusal('size must be above 0,\n  got 0'), 'size must be above 0, got 0'),
        (TypeRefusal('a str'), 'a str'),
        (MissingPackage('no scipy'), 'no scipy'),
        (MissingFile('no such file: a'), 'no such file: a'),
        (FileNotFoundError(2, 'No such file', 'a.py'), 'a.py: No such file'),
    ],
)
def test_what_is_refused_ends_in_one_line(error, said):
    with pytest.raises(SystemExit) as stopped, in_one_line():
        raise error
    assert stopped.value.code == said


def test_what_a_config_cannot_be_built_from_is_refused():
    with pytest.raises(Refusal, match="KeyError: 'model'") as raised, building():
        raise KeyError('model')
    assert isinstance(raised.value.__cause__, KeyError)
    refused = TypeRefusal('ours')
    with pytest.raises(TypeRefusal) as raised, building():
        raise refused
    assert raised.value is refused
    with pytest.raises(ZeroDivisionError), building():
        raise ZeroDivisionError
