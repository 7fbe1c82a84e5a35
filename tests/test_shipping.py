"""What an installation carries: source distribution, wheel with and without a compiler, editable install."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from mmengine.config import Config
from packaging.requirements import Requirement
from PIL import Image

ROOT = Path(__file__).parents[1]
CONFIG = 'deeplabv3plus/deeplabv3plus_efficientnet-lite0_camvid-360x480-to-108x144.py'
NOT_IN_SDIST = ('tests/', 'benchmarks/', 'study/', '.ci/', '.gitignore', 'Makefile')
# What lies about in a working tree, and may be in no distribution.
LITTER = (
    'mmdownsize/ops/backends/_native.cpython-30-any.so',
    'mmdownsize/ops/backends/_importance.cpython-30-any.so',
    'mmdownsize/ops/backends/_separable.cpython-30-any.so',
    'mmdownsize/geometry/_native.cpython-30-any.so',
    'mmdownsize/ops/__pycache__/grid.cpython-311.pyc',
    'configs/demo/__pycache__/texture_bilinear.cpython-311.pyc',
    'tools/__pycache__/train.cpython-311.pyc',
    'docs/_build/html/index.html',
    'work_dirs/run/epoch_1.pth',
    'data/camvid/train.txt',
    '.venv/bin/activate',
)


def run(*command: str, cwd: Path, **environ: str) -> str:
    inherited = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}
    done = subprocess.run(
        command, cwd=cwd, env=inherited | environ, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, f'{command}: {done.stdout[-2000:]}{done.stderr[-4000:]}'
    return done.stdout


def git(*command: str, cwd: Path) -> str:
    return run('git', '-c', 'safe.directory=*', '-c', 'core.quotePath=false', *command, cwd=cwd)


def build(hook: str, source: Path, out: Path, **environ: str) -> Path:
    """Call a hook of the build backend, as pip does, and return the file that it made."""
    code = f'import sys; from setuptools import build_meta; build_meta.{hook}(sys.argv[1])'
    out.mkdir()
    run(sys.executable, '-c', code, str(out), cwd=source, **environ)
    (made,) = out.iterdir()
    return made


def plant_litter(folder: Path) -> None:
    for name in LITTER:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text('litter')


@pytest.fixture(scope='module')
def tracked() -> set[str]:
    if shutil.which('git') is None or not (ROOT / '.git').exists():
        pytest.skip('no git repository: what belongs into a distribution is what git tracks')
    return {name for name in git('ls-files', cwd=ROOT).splitlines() if (ROOT / name).is_file()}


@pytest.fixture(scope='module')
def tree(tracked: set[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what git tracks, with litter."""
    folder = tmp_path_factory.mktemp('tree')
    for name in tracked:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    git('init', '-q', cwd=folder)
    git('add', '-A', cwd=folder)
    plant_litter(folder)
    return folder


@pytest.fixture(scope='module')
def editable(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of an editable install of the tree; the compiler is left out, which is the extension's own matter."""
    return build('build_editable', tree, tmp_path_factory.mktemp('editable') / 'dist', CC='false', CXX='false')


@pytest.fixture(scope='module')
def sdist(tree: Path, editable: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made after an editable install, whose traces are in the tree."""
    return build('build_sdist', tree, tmp_path_factory.mktemp('sdist') / 'dist')


def unpacked(sdist: Path, folder: Path) -> Path:
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter='data')
    (root,) = folder.iterdir()
    return root


@pytest.fixture(scope='module')
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the source distribution where there is no compiler."""
    folder = tmp_path_factory.mktemp('wheel')
    source = unpacked(sdist, folder / 'source')
    plant_litter(source)
    return build('build_wheel', source, folder / 'dist', CC='false', CXX='false')


def install(wheel: Path, target: Path) -> Path:
    options = ('--no-index', '--no-deps', '--no-build-isolation', '--quiet', '--target', str(target))
    run(sys.executable, '-m', 'pip', 'install', *options, str(wheel), cwd=target.parent)
    return target


@pytest.fixture(scope='module')
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(wheel, tmp_path_factory.mktemp('installed') / 'site')


def content(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if '.dist-info/' not in name}


def expected_in_wheel(tracked: set[str]) -> set[str]:
    package = {name for name in tracked if name.startswith('mmdownsize/')}
    mim = {name for name in tracked if name.startswith(('configs/', 'tools/')) or name == 'model-index.yml'}
    return package | {f'mmdownsize/.mim/{name}' for name in mim}


def test_sdist_is_what_git_tracks_but_for_tests_and_workshop(sdist: Path, tracked: set[str]) -> None:
    with tarfile.open(sdist) as archive:
        names = {member.name.split('/', 1)[1] for member in archive if not member.isdir()}
    generated = {name for name in names if '.egg-info/' in name} | {'PKG-INFO', 'setup.cfg'}
    assert names - generated == {name for name in tracked if not name.startswith(NOT_IN_SDIST)}


def test_wheel_is_the_package_with_configs_tools_and_index(wheel: Path, tracked: set[str]) -> None:
    assert content(wheel) == expected_in_wheel(tracked)
    assert {'mmdownsize/py.typed', f'mmdownsize/.mim/configs/{CONFIG}'} <= content(wheel)
    assert not [name for name in content(wheel) if 'study' in name]


def test_it_asks_for_no_version_of_any_package_and_leaves_torch_alone(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith('.dist-info/METADATA'))
        lines = archive.read(metadata).decode().splitlines()
    asked = [line.removeprefix('Requires-Dist: ') for line in lines if line.startswith('Requires-Dist: ')]
    assert {line for line in asked if 'extra ==' not in line} == {'numpy', 'pillow', 'safetensors'}


def test_weights_are_shipped_where_they_are_looked_up(tree: Path, tmp_path: Path) -> None:
    from mmdownsize.resizers import io

    shipped = io.SHIPPED.relative_to(ROOT) / 'planted.safetensors'
    copy = tmp_path / 'tree'
    shutil.copytree(tree, copy, ignore=shutil.ignore_patterns('.git', 'configs', 'docs', 'build'))
    (copy / 'configs').mkdir()
    (copy / shipped).parent.mkdir(exist_ok=True)
    (copy / shipped).write_bytes(b'')
    source = unpacked(build('build_sdist', copy, tmp_path / 'sdist'), tmp_path / 'source')
    assert (source / shipped).is_file()
    (source / 'configs').mkdir(exist_ok=True)
    assert str(shipped) in content(build('build_wheel', source, tmp_path / 'dist', CC='false', CXX='false'))


def test_a_wheel_without_a_compiler_works_and_says_what_is_missing(installed: Path, tmp_path: Path) -> None:
    code = (
        'import torch, warnings, mmdownsize; from mmdownsize.ops.backends import native\n'
        'from mmdownsize.resizers import DownsizeNet\n'
        'with warnings.catch_warnings(record=True) as caught:\n'
        '    warnings.simplefilter("always")\n'
        '    small = DownsizeNet()(torch.full((1, 3, 9, 12), 7.0), (3, 4))\n'
        'assert torch.allclose(small, torch.tensor(7.0)) and small.shape == (1, 3, 3, 4)\n'
        'print(mmdownsize.__file__, native.unavailable(), *[str(c.message) for c in caught], sep="\\n")'
    )
    where, reason, *warned = run(sys.executable, '-c', code, cwd=tmp_path, PYTHONPATH=str(installed)).splitlines()
    assert where == str(installed / 'mmdownsize' / '__init__.py')
    assert 'it was not compiled' in reason
    assert any('compiled back end is missing' in line for line in warned)


@pytest.mark.skipif(shutil.which(os.environ.get('CXX', 'g++')) is None, reason='no C++ compiler')
def test_a_wheel_made_with_a_compiler_brings_the_kernels(sdist: Path, tracked: set[str], tmp_path: Path) -> None:
    wheel = build('build_wheel', unpacked(sdist, tmp_path / 'source'), tmp_path / 'dist')
    suffix = sysconfig.get_config_var('EXT_SUFFIX')
    names = ('ops/backends/_native', 'ops/backends/_importance', 'ops/backends/_separable', 'geometry/_native')
    libraries = {module: f'mmdownsize/{module}{suffix}' for module in names}
    assert content(wheel) - expected_in_wheel(tracked) == set(libraries.values())
    site = install(wheel, tmp_path / 'site')
    loads = {
        'ops.backends.native': 'LIBRARY.load',
        'ops.backends.native_importance': 'LIBRARY.load',
        'ops.backends.native_separable': 'LIBRARY.load',
        'geometry.selection': '_load',
    }
    for (module, load), library in zip(loads.items(), libraries.values(), strict=True):
        code = f'import mmdownsize.{module} as m; print(m.unavailable(), m.{load}()[0]._name)'
        found = run(sys.executable, '-c', code, cwd=tmp_path, PYTHONPATH=str(site)).split()
        assert found == ['None', str(site / library)]


HELP = """
import contextlib, io, runpy, sys
from pathlib import Path
for tool in map(Path, sys.argv[1:]):
    sys.argv = [str(tool), '--help']
    sys.path[0] = str(tool.parent)  # as `python TOOL` has it
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        runpy.run_path(str(tool), run_name='__main__')
    print(tool.stem, f'usage: {tool.name}' in said.getvalue())
import mmdownsize.configs
from mmengine.config.utils import MODULE2PACKAGE
print(mmdownsize.__file__, 'mmdownsize' in MODULE2PACKAGE)
"""


def test_the_tools_run_from_the_installed_package(installed: Path, tmp_path: Path) -> None:
    tools = installed / 'mmdownsize' / '.mim' / 'tools'
    said = run(sys.executable, str(tools / 'train.py'), '--help', cwd=tmp_path, PYTHONPATH=str(installed))
    assert 'usage: train.py' in said and '--launcher' in said
    commands = sorted(path for path in tools.glob('*.py') if 'def main(' in path.read_text())
    said = run(sys.executable, '-c', HELP, *map(str, commands), cwd=tmp_path, PYTHONPATH=str(installed))
    lines = said.splitlines()
    assert lines[:-1] == [f'{path.stem} True' for path in commands] and len(commands) >= 13
    assert lines[-1] == f'{installed / "mmdownsize" / "__init__.py"} True'


def test_the_command_is_installed(installed: Path, tmp_path: Path) -> None:
    script = str(installed / 'bin' / 'mmdownsize')
    listed, alone = (
        run(sys.executable, *command, cwd=tmp_path, PYTHONPATH=str(installed))
        for command in ([script], ['-m', 'mmdownsize'])
    )
    assert listed == alone and 'usage: mmdownsize COMMAND' in listed and '  swap ' in listed


def linked(folder: Path, *names: str) -> None:
    """Put distributions of this environment, and what they require, into a folder as links."""
    waiting, seen = list(names), set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        found = distribution(name)
        for part in {path.parts[0] for path in found.files or ()} - {'..', '__pycache__'}:
            if not (folder / part).exists():
                (folder / part).symlink_to(found.locate_file(part))
        needed = map(Requirement, found.requires or ())
        waiting += [one.name for one in needed if not one.marker or one.marker.evaluate({'extra': ''})]


def test_in_an_environment_without_openmmlab_the_command_resizes(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / 'venv')
    python = tmp_path / 'venv/bin/python'
    (tmp_path / 'packages').mkdir()
    linked(tmp_path / 'packages', 'torch', 'numpy', 'pillow', 'safetensors')
    (site,) = (tmp_path / 'venv').glob('lib/python*/site-packages')
    (site / 'packages.pth').write_text(str(tmp_path / 'packages'))
    # No index and no --no-deps: what the wheel requires is there.
    pip = (sys.executable, '-m', 'pip', '--python', str(python), 'install', '--no-index', '--quiet')
    run(*pip, str(wheel), cwd=tmp_path)
    elsewhere = tmp_path / 'elsewhere'
    elsewhere.mkdir()
    Image.linear_gradient('L').convert('RGB').save(elsewhere / 'photo.jpg')
    command = str(python.with_name('mmdownsize'))
    options = ('--scale-factor', '0.3333', '--resizer', 'downsizenet_6x6_signed_voc2012')
    said = run(command, 'resize', 'photo.jpg', 'small.png', *options, cwd=elsewhere)
    assert said.startswith('small.png: 256x256 -> 85x85 px (w x h)')
    with Image.open(elsewhere / 'small.png') as small:
        assert small.size == (85, 85) and small.getextrema()[0][0] < 5 and small.getextrema()[0][1] > 250
    code = (
        'from importlib import metadata, util; import json, mmdownsize; found = metadata.metadata("mmdownsize")\n'
        'fields = [found.get_all(name) for name in ("Author", "License-File", "Requires-Dist", "Classifier")]\n'
        'print(json.dumps([mmdownsize.__file__, util.find_spec("mmengine") is None, *fields]))'
    )
    where, is_bare, author, license_file, requires, classifiers = json.loads(
        run(str(python), '-c', code, cwd=elsewhere)
    )
    assert where == str(site / 'mmdownsize' / '__init__.py') and is_bare
    assert author == ['mmdownsize contributors'] and license_file == ['LICENSE']
    assert [one for one in requires if 'extra' not in one] == ['numpy', 'pillow', 'safetensors']
    assert {'Typing :: Typed', 'Programming Language :: Python :: 3.12'} <= set(classifiers)


# By mmengine.hub, in a user's `_base_`, and by path. The last line says what came of it; mmengine may print before.
RESOLVE = """
import functools, sys
from pathlib import Path
import mmdownsize.registry
from mmengine.config import Config, utils
from mmengine.hub import get_config
utils.load = functools.cache(utils.load)  # mmengine reads all of a package's index again for every config it takes from there
cfg = get_config(f'mmdownsize::{sys.argv[1]}')
cfg.dump('hub.py')
Path('mine.py').write_text("_base_ = ['mmdownsize::_base_/downsize/area.py']")
for name in sys.argv[2:]:
    Config.fromfile(Path(mmdownsize.__path__[0], '.mim', 'configs', name))
print(f"\\n{cfg.filename} {Config.fromfile('mine.py').downsizer.kernel} {len(sys.argv[2:])}")
"""


def every_config(configs: Path) -> list[str]:
    """The configs, by their paths below ``configs``, but those that inherit from a package that is not installed."""
    needs = {path: 'mmpretrain::' in path.read_text() for path in sorted(configs.rglob('*.py'))}
    without = importlib.util.find_spec('mmpretrain') is None
    return [str(path.relative_to(configs)) for path, mmpretrain in needs.items() if not (mmpretrain and without)]


def test_configs_of_the_installed_package(installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip('mmdet')
    pytest.importorskip('mmseg')
    monkeypatch.setenv('MMDOWNSIZE_DATA', '/elsewhere')
    names = every_config(installed / 'mmdownsize' / '.mim' / 'configs')
    assert len(names) >= 100
    said = run(sys.executable, '-c', RESOLVE, CONFIG, *names, cwd=tmp_path, PYTHONPATH=str(installed))
    path = installed / 'mmdownsize' / '.mim' / 'configs' / CONFIG
    assert said.splitlines()[-1].split() == [str(path), 'area', str(len(names))]
    ours = Config.fromfile(ROOT / 'configs' / CONFIG).to_dict()
    assert Config.fromfile(tmp_path / 'hub.py').to_dict() == ours
    assert ours['train_dataloader']['dataset']['data_root'] == '/elsewhere/camvid'


def test_an_editable_install_finds_configs_and_leaves_nothing_that_git_sees(
    editable: Path, tree: Path, tmp_path: Path
) -> None:
    seen = git('status', '--porcelain', '--untracked-files=all', cwd=tree).splitlines()
    assert {line[3:] for line in seen if not line.startswith('A ')} == {'data/camvid/train.txt'}  # planted
    site = install(editable, tmp_path / 'site')
    # The environment's packages without its own editable installs.
    head = (
        f'import site, sys; site.addsitedir({str(site)!r}); sys.path += {[p for p in sys.path if "-packages" in p]!r}\n'
    )
    said = run(sys.executable, '-S', '-c', head + RESOLVE, CONFIG, cwd=tmp_path)
    path = tree / 'mmdownsize' / '.mim' / 'configs' / CONFIG
    assert said.splitlines()[-1].split() == [str(path), 'area', '0']
    assert (tree / 'mmdownsize' / '.mim' / 'tools').resolve() == (tree / 'tools').resolve()
