"""What an environment lacks: three purposes, each with its own needs, and how they are said."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mmdownsize import environment, pins, registry
from tools import check_env

ROOT = Path(__file__).parents[1]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The modules that are asked for, all of which can be imported."""
    modules: list[str] = []
    monkeypatch.setattr(environment, 'import_module', modules.append)
    monkeypatch.setattr(environment, 'find_spec', lambda name: object())
    return modules


def test_each_purpose_asks_for_what_it_needs_and_no_more(asked: list[str]) -> None:
    found = {}
    for purpose in environment.PURPOSES:
        assert not environment.check(purpose).broken
        found[purpose] = set(asked)
        asked.clear()
    assert {'torch', 'numpy', 'PIL', 'safetensors', 'mmengine', 'mmcv.ops', 'mmdet', 'mmseg'} <= found['use']
    assert found['demo'] - found['use'] == {'skimage', 'rich'}  # for the photographs and the table
    assert found['use'] - found['demo'] == {'mmdet', 'mmpretrain'}  # it trains segmentors
    assert found['demo'] | {'mmdet', 'pytest', 'sphinx', 'ruff', 'efficientnet_lite_pytorch'} <= found['develop']
    assert not {'pytest', 'sphinx', 'ruff', 'skimage'} & found['use']


@pytest.mark.parametrize(('stack', 'spared'), [('det', 'mmseg'), ('seg', 'mmdet')])
def test_a_stack_is_not_asked_for_what_it_is_without(asked: list[str], stack: str, spared: str) -> None:
    assert check_env.main(['--for', 'develop', '--stack', stack]) == 0
    assert asked == [module for module in environment.requirements('develop') if module != spared]


@pytest.mark.parametrize('installed', [{'mmdet'}, {'mmseg'}, {'mmpretrain'}, {'mmdet', 'mmseg'}, set()])
def test_one_package_with_models_is_enough(
    asked: list[str], installed: set[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(environment, 'find_spec', lambda name: name in installed or None)
    assert check_env.main([]) == (0 if installed else 1)
    assert set(environment.WITH_MODELS) & set(asked) == installed
    said = capsys.readouterr().err
    assert ('none is installed, and one is enough' in said) == (not installed)
    assert ('pip install mmdet==3.3.0, or mmsegmentation==1.2.2 ftfy regex, or ' in said) == (not installed)


def test_a_missing_package_is_named_with_how_to_get_it_and_the_extra_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(module: str) -> None:
        if module == 'mmengine':
            raise ImportError(module)

    monkeypatch.setattr(environment, 'import_module', missing)
    assert check_env.main(['--stack', 'onedl']) == 1
    said = capsys.readouterr().err
    assert f'pip install {pins.FORKS["mmengine"]}' in said
    assert 'the extra [onedl] pins torch and setuptools' in said
    assert check_env.main(['--for', 'demo']) == 1
    assert 'not ready for demo' in (said := capsys.readouterr().err)
    assert 'the extra [openmmlab] pins torch and setuptools and replaces those that are installed' in said


def test_a_good_environment_is_said_in_one_line(
    asked: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(environment, 'import_module', lambda name: torch if name == 'torch' else None)
    assert check_env.main([]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f'ready for use: torch {torch.__version__}'


def test_it_runs_and_names_torch_where_torch_is_missing(tmp_path: Path) -> None:
    (tmp_path / 'torch.py').write_text("raise ImportError('no torch here')")
    done = subprocess.run(
        [sys.executable, str(ROOT / 'tools' / 'check_env.py')],
        env=os.environ | {'PYTHONPATH': os.pathsep.join([str(tmp_path), str(ROOT)])},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 1 and 'Traceback' not in done.stderr
    assert f'cannot import torch: ImportError: no torch here\n    pip install {pins.SHARED["torch"]}' in done.stderr


@pytest.mark.parametrize(
    ('module', 'work'),
    [
        ('ops.backends.native', 'no compiled back end: it is gone'),
        ('ops.backends.native_importance', 'no compiled back end for ImportanceResizer: it is gone'),
        ('ops.backends.native_separable', 'no compiled back end for fixed kernels: it is gone'),
        ('geometry.selection', 'no compiled back end for instance masks: it is gone'),
    ],
)
def test_each_compiled_library_that_is_missing_is_named(
    asked: list[str], module: str, work: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(f'mmdownsize.{module}.unavailable', lambda: 'it is gone')
    assert check_env.main([]) == 0  # slower, and not broken
    assert f'note: slower than it could be: {work}' in capsys.readouterr().out


# By its scope, as a config says it. mmengine logs what it does not find.
LOOK_UP = """
from mmengine.registry import DATASETS, METRICS
for root, name in ((METRICS, 'FeatureError'), (DATASETS, 'ShiftedDataset')):
    assert root.get(f'mmdownsize.{name}').__name__ == name
"""


@pytest.mark.parametrize('name', ['MODELS', 'HOOKS', 'METRICS', 'DATASETS'])
def test_every_registry_says_where_its_modules_are(name: str) -> None:
    assert getattr(registry, name)._locations


def test_mmengine_never_says_that_the_package_is_not_installed(tmp_path: Path) -> None:
    # Also of a clone on the path that was never installed.
    done = subprocess.run(
        [sys.executable, '-c', LOOK_UP],
        cwd=tmp_path,
        env=os.environ | {'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert 'WARNING' not in done.stdout + done.stderr
