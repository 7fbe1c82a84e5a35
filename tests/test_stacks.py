"""The stacks: OpenMMLab's packages or their maintained forks, both tasks or one of them, by the same files."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mmdownsize import environment, pins, registry

ROOT = Path(__file__).parents[1]
PATH = os.pathsep.join([str(ROOT), str(ROOT / 'tools')])  # as a tool sees the package and its own folder
PINNED = re.compile(r'^([A-Za-z0-9_-]+)==(\S+)', re.MULTILINE)


def pinned(*names: str) -> dict[str, str]:
    """Distribution: version, as files of requirements/ pin them."""
    return dict(PINNED.findall(''.join((ROOT / 'requirements' / f'{name}.txt').read_text() for name in names)))


OPENMMLAB, ONEDL = pinned('mmcv', 'openmmlab', 'mmpretrain'), pinned('onedl')


def distributions(requirements: dict[str, str]) -> set[str]:
    return {requirement.split('==')[0] for requirement in requirements.values()}


def run(*command: str, code: int = 0, cwd: Path = ROOT, **environ: str) -> str:
    done = subprocess.run(
        command, cwd=cwd, env=os.environ | environ, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stderr + done.stdout


def test_a_fork_takes_the_place_of_every_package_and_all_else_is_the_same() -> None:
    ours, theirs = distributions(pins.OPENMMLAB), distributions(pins.FORKS)
    assert pins.OPENMMLAB.keys() == pins.FORKS.keys()
    assert ours <= OPENMMLAB.keys() and theirs <= ONEDL.keys()
    assert OPENMMLAB.keys() - ours == ONEDL.keys() - theirs
    assert {name: version for name, version in ONEDL.items() if name not in theirs}.items() <= OPENMMLAB.items()


@pytest.mark.parametrize('forks', [False, True])
def test_what_users_are_told_to_install_is_what_the_requirements_pin(forks: bool) -> None:
    stack = (ONEDL if forks else OPENMMLAB) | pinned('torch')
    for module in pins.OPENMMLAB | pins.SHARED:
        name, version = pins.requirement(module, forks).split('==')
        assert stack[name] == version
    assert {package for _, package in registry._ON_DEMAND.values()} <= pins.OPENMMLAB.keys() | pins.SHARED.keys()
    for purpose in environment.PURPOSES:
        for module, told in environment.requirements(purpose, forks).items():
            assert '==' not in told or told.split()[0] == pins.requirement(module.split('.')[0], forks)


def test_the_pins_are_read_without_any_other_package(tmp_path: Path) -> None:
    code = (
        'import sys\n'
        'from mmdownsize import pins\n'
        "print(*sorted({name.split('.')[0] for name in sys.modules} - set(sys.stdlib_module_names) - set(sys.argv)))"
    )
    at_start = run(sys.executable, '-c', "import sys; print(*{name.split('.')[0] for name in sys.modules})").split()
    assert run(sys.executable, '-c', code, *at_start, cwd=tmp_path, PYTHONPATH=str(ROOT)).split() == ['mmdownsize']


def test_beside_the_fork_of_mmengine_forks_are_named(tmp_path: Path) -> None:
    # The metadata of an installed fork; mmdet is hidden, so that it has to be named.
    (tmp_path / 'onedl_mmengine-0.10.12.dist-info').mkdir()
    (tmp_path / 'onedl_mmengine-0.10.12.dist-info' / 'METADATA').write_text('Name: onedl-mmengine\nVersion: 0.10.12\n')
    code = (
        'from mmdownsize import registry\n'
        'registry.find_spec = lambda name: None\n'
        "registry.MODELS.build(dict(type='DetDownsizePreprocessor'))"
    )
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    said = run(sys.executable, '-c', code, code=1, PYTHONPATH=path)
    assert f'pip install onedl-mmdetection=={ONEDL["onedl-mmdetection"]}' in said
    assert 'pip install mmdet' not in said


def test_the_demo_without_mmseg_says_so_and_writes_nothing(tmp_path: Path) -> None:
    code = (
        'import importlib.util, sys\n'
        'whole = importlib.util.find_spec\n'
        "importlib.util.find_spec = lambda name, *rest: None if name == 'mmseg' else whole(name, *rest)\n"
        'from tools import demo\n'
        "demo.main(['--quick', '--work-dir', sys.argv[1]])"
    )
    said = run(sys.executable, '-c', code, str(tmp_path / 'demo'), code=1, PYTHONPATH=PATH)
    assert 'mmseg is not installed: pip install mmsegmentation' in said and 'Traceback' not in said
    assert not (tmp_path / 'demo').exists()


@pytest.mark.parametrize('first', ['mmdownsize.registry', 'mmdownsize.launching.training'])
def test_configs_of_mmseg_are_found_whatever_its_distribution_is_called(first: str, tmp_path: Path) -> None:
    pytest.importorskip('mmseg')
    (tmp_path / 'mine.py').write_text("_base_ = 'mmseg::fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1024.py'")
    code = (
        'import importlib.metadata, sys\n'
        'whole = importlib.metadata.distribution\n'
        'def without_mmsegmentation(name):\n'
        "    if name == 'mmsegmentation':\n"
        '        raise importlib.metadata.PackageNotFoundError(name)\n'
        '    return whole(name)\n'
        'importlib.metadata.distribution = without_mmsegmentation\n'
        f'import {first}\n'
        'from mmengine.config import Config\n'
        'from mmengine.config.utils import MODULE2PACKAGE\n'
        "print(MODULE2PACKAGE['mmseg'], Config.fromfile(sys.argv[1]).model.type)"
    )
    said = run(sys.executable, '-c', code, str(tmp_path / 'mine.py'), PYTHONPATH=PATH)
    assert said.splitlines()[-1] == 'mmseg EncoderDecoder'


def test_the_distributions_own_name_is_kept_where_there_is_one() -> None:
    code = (
        'import importlib.metadata, importlib.util\n'
        'spec, whole = importlib.util.find_spec, importlib.metadata.distribution\n'
        "importlib.util.find_spec = lambda name: object() if name == 'mmseg' else spec(name)\n"
        "importlib.metadata.distribution = lambda name: object() if name == 'mmsegmentation' else whole(name)\n"
        'import mmdownsize.registry\n'
        'from mmengine.config.utils import MODULE2PACKAGE\n'
        "print(MODULE2PACKAGE['mmseg'])"
    )
    assert run(sys.executable, '-c', code, PYTHONPATH=str(ROOT)).split()[-1] == 'mmsegmentation'


# Two tests of one task each, a fixture, and imports that fail for other reasons, which must be seen.
TESTS = """
import pytest

@pytest.fixture
def sample():
    from tests.preprocessors.batches import seg_sample
    return seg_sample()

def test_detection():
    from tests.preprocessors.batches import det_preprocessor
    det_preprocessor()

def test_segmentation():
    from mmdownsize.registry import MODELS
    MODELS.build(dict(type='SegDownsizePreprocessor', downsizer=dict(type='DownsizeNet'), scale_factor=0.5))

def test_a_fixture(sample):
    pass

def test_another_package():
    import no_such_package

def test_a_wrong_name():
    from mmdet.structures import NoSuchName
"""
HIDE = """
import sys

class Hidden:
    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, *args, **kwargs):
        return None if name.split('.')[0] == 'mmseg' else self.finder.find_spec(name, *args, **kwargs)

    def __getattr__(self, name):
        return getattr(self.finder, name)

sys.meta_path[:] = [Hidden(finder) for finder in sys.meta_path]
"""


def test_what_needs_an_absent_package_is_skipped_with_its_name_and_nothing_else(tmp_path: Path) -> None:
    pytest.importorskip('mmdet')
    (tmp_path / 'hide.py').write_text(HIDE)
    (tmp_path / 'test_each.py').write_text(TESTS)
    (tmp_path / 'test_whole.py').write_text('from mmseg.structures import SegDataSample\ndef test(): pass')
    (tmp_path / 'test_broken.py').write_text('import no_such_package\ndef test(): pass')
    options = ('-p', 'hide', '-p', 'tests.conftest', '-p', 'no:cacheprovider', '--continue-on-collection-errors', '-v')
    said = run(
        *(sys.executable, '-m', 'pytest', '-c', str(ROOT / 'pyproject.toml'), *options, str(tmp_path)),
        code=1,
        cwd=tmp_path,
        COLUMNS='200',
        PYTHONPATH=os.pathsep.join([str(tmp_path), str(ROOT)]),
    )
    for name, outcome in dict(
        detection='PASSED',
        segmentation='SKIPPED (mmseg is not installed)',
        a_fixture='SKIPPED (mmseg is not installed)',
        another_package='FAILED',
        a_wrong_name='FAILED',
    ).items():
        assert re.search(rf'::test_{name} {re.escape(outcome)}', said), said
    assert re.search(r'SKIPPED \[1\] .*test_whole\.py.*: mmseg is not installed', said), said
    assert re.search(r'ERROR .*test_broken\.py', said), said


@pytest.mark.skipif(shutil.which('make') is None, reason='make is not installed')
@pytest.mark.parametrize(
    ('arguments', 'folder', 'stack'),
    [
        ((), '.venv', 'openmmlab'),
        (('STACK=openmmlab',), '.venv', 'openmmlab'),
        (('STACK=onedl',), '.venv-onedl', 'onedl'),
        (('STACK=det',), '.venv-det', 'det'),
        (('STACK=seg',), '.venv-seg', 'seg'),
    ],
)
def test_make_uses_one_folder_a_stack(
    arguments: tuple[str, ...], folder: str, stack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ('MAKEFLAGS', 'STACK', 'VENV'):  # of the make that runs the tests
        monkeypatch.delenv(name, raising=False)
    planned = run('make', '--no-print-directory', '-n', 'test', *arguments).splitlines()
    assert planned[0] == f'bash requirements/setup_venv.sh {folder} {stack}'
    assert planned[-1] == f'"{folder}/bin/python" -m pytest -n 2 --dist loadfile'
    given = run('make', '--no-print-directory', '-n', 'test', 'VENV=given', *arguments).splitlines()
    assert given[0] == f'"given/bin/python" tools/check_env.py --for develop --stack {stack}'
    assert given[-1] == '"given/bin/python" -m pytest -n 2 --dist loadfile'
    demo = run('make', '--no-print-directory', '-n', 'demo', 'VENV=given', *arguments).splitlines()
    assert demo == [
        f'"given/bin/python" tools/check_env.py --for demo --stack {stack}', '"given/bin/python" tools/demo.py'
    ]  # fmt: skip


def set_up(*arguments: str) -> str:
    return run('bash', str(ROOT / 'requirements' / 'setup_venv.sh'), *arguments, code=1, PYTHON='no-such-python')


def test_an_unknown_stack_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    said = set_up(str(tmp_path / 'venv'), 'mmlab')
    assert said == 'set-up failed: no stack is called mmlab: openmmlab, onedl, det or seg\n'
    assert not (tmp_path / 'venv').exists()


@pytest.mark.parametrize(('held', 'asked'), [(None, 'onedl'), ('onedl', 'openmmlab'), ('openmmlab', 'det')])
def test_a_folder_with_another_stack_is_refused_and_left_alone(held: str | None, asked: str, tmp_path: Path) -> None:
    (tmp_path / 'bin').mkdir()
    # It has pip and can do nothing: were the folder taken, nothing would be installed anywhere.
    (tmp_path / 'bin' / 'python').write_text('#!/bin/sh\ntest "$2" = "import pip"\n')
    (tmp_path / 'bin' / 'python').chmod(0o755)
    (tmp_path / '.step-torch').write_text('done')
    if held:
        (tmp_path / '.stack').write_text(held)
    before = sorted(tmp_path.iterdir())
    assert f'holds another stack than {asked}: name another folder' in set_up(str(tmp_path), asked)
    assert sorted(tmp_path.iterdir()) == before
