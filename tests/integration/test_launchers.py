"""The launcher scripts: two processes train, are killed, resume and test as one process with all of their batches does."""

import os
import socket
import subprocess
import sys
import weakref
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

pytest.importorskip('mmseg')

from mmdownsize.launching import machine
from mmdownsize.refusal import Refusal
from tests.integration.trainings import logged, losses, train, write
from tests.tools.small_training import IMAGES, ROOT, write_config, write_data
from tools import test as test_tool

TOOLS = ROOT / 'tools'
GROUP_NORM = dict(type='GN', num_groups=2)
EPOCH = IMAGES // 2  # iterations of two processes with one image each


def steady(batch: int, counts: int) -> str:
    """Nothing depends on chance or on what else is in the batch, so that processes can be compared with one."""
    return f"""
model = dict(
    data_preprocessor=dict(downsizer=dict(channels=16)),
    backbone=dict(
        _delete_=True, type='ResNetV1c', depth=18, base_channels=8, stem_channels=8, num_stages=1, strides=(1,), dilations=(1,),
        out_indices=(0,), norm_cfg={GROUP_NORM},
    ),
    decode_head=dict(in_channels=8, norm_cfg={GROUP_NORM}, dropout_ratio=0.0),
)
train_dataloader = dict(
    batch_size={batch},
    dataset=dict(pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]),
)
optim_wrapper = dict(accumulative_counts={counts}, optimizer=dict(_delete_=True, type='SGD', lr=0.1, momentum=0.9))
param_scheduler = None
default_hooks = dict(checkpoint=dict(save_best=None))
"""


def launch(script: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]
    environ = dict(os.environ, PORT=str(port), PYTHON=sys.executable, OMP_NUM_THREADS='1', PYTHONPATH=str(ROOT))
    command = ['bash', str(TOOLS / script), *arguments]
    return subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, check=False, timeout=240)


def recorded(folder: Path, command: str, script: str, arguments: list[str], environ: dict[str, str]) -> list[str]:
    """The arguments that a script gives to a command."""
    fake = folder / command
    fake.write_text('#!/usr/bin/env bash\nprintf "%s\\n" "$@"\n')
    fake.chmod(0o755)
    environ = dict(os.environ, PATH=f'{folder}:{os.environ["PATH"]}', **environ)
    done = subprocess.run(
        ['bash', str(TOOLS / script), *arguments], env=environ, capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('launched')
    (folder / 'data').mkdir()
    tiny = write_config(folder / 'tiny.py', write_data(folder / 'data'), by_epoch=True, seed=1, workers=0)
    write(folder / 'two.py', tiny, steady(batch=1, counts=EPOCH))
    kill = f"""
custom_imports = dict(imports='tests.integration.interruption')
custom_hooks = [dict(type='KillHook', iteration={EPOCH + 1})]
"""
    write(folder / 'killed.py', folder / 'two.py', kill)
    write(folder / 'one.py', tiny, steady(batch=IMAGES, counts=1))
    return folder


@pytest.fixture(scope='module')
def runs(folder: Path) -> list[subprocess.CompletedProcess[str]]:
    """Two processes that are killed in their second epoch, and resume."""
    killed = launch('dist_train.sh', 'killed.py', '2', '--work-dir', 'two', cwd=folder)
    resumed = launch('dist_train.sh', 'two.py', '2', '--work-dir', 'two', '--resume', cwd=folder)
    assert resumed.returncode == 0, resumed.stderr[-3000:]
    return [killed, resumed]


@pytest.fixture(scope='module')
def alone(folder: Path, runs) -> Path:
    train(folder / 'one.py', folder / 'one')
    return folder / 'one'


@pytest.mark.skipif(torch.cuda.is_available(), reason='two processes would need two GPUs')
class TestTwoProcesses:
    def test_without_a_gpu_they_use_gloo_and_say_so_once(self, runs):
        assert [run.stderr.count('no GPU: the processes use gloo in place of nccl') for run in runs] == [1, 1]

    def test_a_killed_training_goes_on_to_the_last_digit(self, runs, folder):
        assert runs[0].returncode != 0
        assert 'SIGKILL' in runs[0].stderr
        before, after = (losses(folder / 'two', run) for run in (0, 1))
        assert len(after) == EPOCH
        again = before[EPOCH:]  # what the killed one had done of its second epoch is done again
        assert len(again) >= 1
        assert after[: len(again)] == again
        assert len(set(before + after)) == 2 * EPOCH

    def test_they_train_as_one_with_all_their_batches(self, alone, folder):
        # The gradients of three iterations are accumulated, and reduced with the third.
        ours, theirs = (torch.load(run / 'epoch_2.pth')['state_dict'] for run in (folder / 'two', alone))
        start = torch.load(alone / 'epoch_1.pth')['state_dict']
        assert ours.keys() == theirs.keys()
        for name, value in theirs.items():
            moved = float((value - start[name]).abs().max())
            assert float((ours[name] - value).abs().max()) < 1e-3 * moved + 1e-7, name
        assert ours['data_preprocessor.downsizer.fusion.weight'].abs().max() > 1e-4  # it started at 0

    def test_they_validate_as_one(self, runs, folder):
        checkpoint = str(folder / 'two' / 'epoch_2.pth')
        options = ['--work-dir', str(folder / 'tested'), '--cfg-options', 'visualizer.name=tested']
        wanted = test_tool.main([str(folder / 'two.py'), checkpoint, *options])
        assert wanted.keys() == {'aAcc', 'mIoU', 'mAcc'}
        assert logged(folder / 'two', 'mIoU', run=1) == [wanted['mIoU']]


@pytest.mark.parametrize(
    ('script', 'arguments', 'wanted'),
    [
        ('dist_train.sh', ['c.py', '3', '--seed', '4'], ['train.py', 'c.py', '--launcher', 'pytorch', '--seed', '4']),
        (
            'dist_test.sh',
            ['c.py', 'a b.pth', '3', '--tta'],
            ['test.py', 'c.py', 'a b.pth', '--launcher', 'pytorch', '--tta'],
        ),
    ],
)
def test_what_the_launcher_is_asked_for(script, arguments, wanted, tmp_path):
    environ = dict(NNODES='2', NODE_RANK='1', MASTER_ADDR='host', PORT='1234')
    asked = recorded(tmp_path, 'python', script, arguments, environ)
    assert asked[:2] == ['-m', 'torch.distributed.run']
    begin = next(i for i, word in enumerate(asked) if word.endswith('.py'))
    assert [asked[begin].removeprefix(f'{TOOLS}/'), *asked[begin + 1 :]] == wanted
    assert dict(zip(asked[2:begin:2], asked[3:begin:2])) == {
        '--nnodes': '2',
        '--node-rank': '1',
        '--nproc-per-node': '3',
        '--master-addr': 'host',
        '--master-port': '1234',
    }


@pytest.mark.parametrize('script', sorted(path.name for path in TOOLS.glob('*.sh')))
def test_scripts_are_sound_and_say_how_they_are_used(script, tmp_path):
    assert os.access(TOOLS / script, os.X_OK)
    assert subprocess.run(['bash', '-n', str(TOOLS / script)], check=False).returncode == 0
    done = launch(script, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(f'usage: tools/{script} ')


@pytest.mark.parametrize(
    ('script', 'wanted', 'environ', 'gpus'),
    [
        (
            'slurm_train.sh',
            ['tools/train.py', 'c.py', '--work-dir', 'a dir', '--launcher', 'slurm', '--seed', '3'],
            {},
            ('8', '8'),
        ),
        (
            'slurm_test.sh',
            ['tools/test.py', 'c.py', 'a dir', '--launcher', 'slurm', '--seed', '3'],
            dict(GPUS='4'),
            ('4', '4'),
        ),
        (
            'slurm_test.sh',
            ['tools/test.py', 'c.py', 'a dir', '--launcher', 'slurm', '--seed', '3'],
            dict(GPUS='32', SRUN_ARGS='--quotatype=spot --exclusive'),
            ('32', '8'),
        ),
    ],
)
def test_what_slurm_is_asked_for(script, wanted, environ, gpus, tmp_path):
    arguments = ['part', 'job', 'c.py', 'a dir', '--seed', '3']
    asked = recorded(tmp_path, 'srun', script, arguments, dict(environ, PYTHON='py'))
    begin = asked.index('py')
    assert asked[begin : begin + 2] == ['py', '-u']
    assert [asked[begin + 2].removeprefix(f'{ROOT}/'), *asked[begin + 3 :]] == wanted
    options = dict(zip(asked[:begin:2], asked[1:begin:2]))
    assert (options['--partition'], options['--job-name']) == ('part', 'job')
    assert (options['--ntasks'], options['--ntasks-per-node']) == gpus
    assert options['--gres'] == f'gpu:{gpus[1]}'
    assert '--kill-on-bad-exit=1' in asked
    assert set(environ.get('SRUN_ARGS', '').split()) <= set(asked[:begin])


def settings(**changes):
    model = dict(data_preprocessor=dict(type='mmdownsize.SegDownsizePreprocessor', downsizer=dict(type='DownsizeNet')))
    return Config(dict(launcher='pytorch', model=model, env_cfg=dict(dist_cfg=dict(backend='nccl'))) | changes)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(optim_wrapper=dict(type='AmpOptimWrapper')), 'mixed precision on GPUs only'),
        (dict(launcher='slurm'), '--launcher slurm: it needs GPUs'),
        (dict(launcher='mpi'), '--launcher mpi: it needs GPUs'),
        (dict(runner_type='FlexibleRunner'), 'runner_type FlexibleRunner: mmengine distributes it over GPUs only'),
        (dict(strategy=dict(type='FSDPStrategy')), 'strategy FSDPStrategy cannot train a downsizer'),
        (dict(strategy=dict(type='mmengine.DeepSpeedStrategy')), 'DeepSpeedStrategy cannot train a downsizer'),
        (dict(strategy=dict(type='ColossalAIStrategy')), 'strategy ColossalAIStrategy cannot train a downsizer'),
    ],
)
def test_what_a_machine_without_gpus_cannot_do_is_said(changes, message, monkeypatch):
    monkeypatch.setattr(machine, 'get_device', lambda: 'cpu')
    with pytest.raises(Refusal, match=message):
        machine.prepare(settings(**changes), training=True)


def test_with_gpus_nothing_is_changed(monkeypatch):
    monkeypatch.setattr(machine, 'get_device', lambda: 'cuda')
    for changes in (dict(), dict(launcher='slurm'), dict(optim_wrapper=dict(type='AmpOptimWrapper'))):
        cfg = settings(**changes)
        machine.prepare(cfg, training=True)
        assert cfg.to_dict() == settings(**changes).to_dict()


def test_strategies_are_the_users_business_without_a_downsizer(monkeypatch):
    monkeypatch.setattr(machine, 'get_device', lambda: 'cuda')
    cfg = settings(strategy=dict(type='FSDPStrategy'), model=dict(data_preprocessor=dict(type='SegDataPreProcessor')))
    machine.prepare(cfg, training=True)


def test_a_test_needs_no_mixed_precision(monkeypatch):
    monkeypatch.setattr(machine, 'get_device', lambda: 'cpu')
    machine.prepare(settings(launcher='none', optim_wrapper=dict(type='AmpOptimWrapper')), training=False)


def test_a_group_that_is_made_is_left_when_python_ends(monkeypatch, tmp_path):
    at_the_end = []
    monkeypatch.setattr(machine, 'get_device', lambda: 'cpu')
    monkeypatch.setattr(machine.atexit, 'register', at_the_end.append)
    alone = dict(init_method=f'file://{tmp_path}/group', rank=0, world_size=1)
    machine.prepare(settings(launcher='pytorch', env_cfg=dict(dist_cfg=alone)), training=True)
    assert torch.distributed.is_initialized()
    (leave,) = at_the_end
    leave()
    assert not torch.distributed.is_initialized()


def test_what_holds_the_group_goes_before_it_and_leaving_twice_is_nothing(tmp_path: Path) -> None:
    torch.distributed.init_process_group('gloo', init_method=f'file://{tmp_path}/group', rank=0, world_size=1)
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(1, 1))
    gone = weakref.ref(model)
    model.itself = [model]  # a ring, as a runner is
    del model
    machine.leave()
    assert gone() is None and not torch.distributed.is_initialized()
    machine.leave()
