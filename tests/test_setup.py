"""Set-up compiles mmcv as a few large files: which files go together, what is written, and how the wheel is kept."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

REQUIREMENTS = Path(__file__).parents[1] / 'requirements'
SCRIPT = REQUIREMENTS / 'build_mmcv.py'


@pytest.fixture(scope='module')
def build() -> ModuleType:
    spec = spec_from_file_location('build_mmcv', SCRIPT)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Eight C++ files of different lengths in the current folder; two of them define the same function."""
    monkeypatch.chdir(tmp_path)
    for number in range(8):
        name = 'shared' if number in (2, 5) else f'own_{number}'
        body = f'  x += {number};\n' * (number + 1)
        Path(f'{number}.cpp').write_text(f'#define WIDTH_{number} 4\nvoid {name}(int x) {{\n{body}}}\n')
    return [f'./{number}.cpp' for number in range(8)]


@pytest.mark.parametrize(
    ('text', 'names'),
    [
        ('', set()),
        ('void crop(int x) { x += 1; }', {'crop'}),
        ('at::Tensor crop(at::Tensor x,\n                int y)\n{\n  return x;\n}', {'crop'}),
        ('static inline float sum(float a) { if (a > 0) { return a; } return f(a); }', {'sum'}),
        ('template <typename T>\nT larger(const T& a, const T& b) { return a > b ? a : b; }', {'larger'}),
        ('struct Box { float x; float area() const { return x * x; } };', {'Box'}),
        ('class Hull { };\nenum class Mode { kSum, kMean };', {'Hull', 'Mode'}),
        ('struct Box { float x; };\nvoid Box::grow(float by) { x += by; }', {'Box', 'grow'}),
        ('namespace {\nvoid one() { }\n}  // namespace\nvoid two() { }', {'one', 'two'}),
        ('namespace mmcv { namespace ops {\nstruct Inner { };\n} }\nvoid outer() { }', {'Inner', 'outer'}),
        ('extern "C" {\nvoid plain() { }\n}', {'plain'}),
        (
            '#define THREADS 512\n#  define LARGER(a, b) \\\n  ((a) > (b) ? (a) : (b))\n#undef THREADS',
            {'THREADS', 'LARGER'},
        ),
        ('void one() { say("}}}"); }\nvoid two() { say("// { \\" "); }', {'one', 'two'}),
        ('#include <vector>\n#if defined(ONCE)\nvoid once() { }\n#endif', {'once'}),
    ],
)
def test_definitions_are_what_a_file_defines_at_its_top_level(build: ModuleType, text: str, names: set[str]) -> None:
    assert build.definitions(text) == names


@pytest.mark.parametrize(
    'text',
    [
        'void crop(int x);',
        'template <typename T>\nT larger(const T& a, const T& b);',
        'struct Box;\nclass Hull;\nenum class Mode : int;',
        'namespace mmcv {\nvoid crop(int x);\n}',
        '// void crop() { }\n/* struct Box { };\n   void two() { } */',
        'using namespace at;\nusing mmcv::crop;\ntypedef unsigned long long int ull;',
        'extern const int threads;\nstatic int count = 0;',
    ],
)
def test_what_is_only_declared_is_no_definition(build: ModuleType, text: str) -> None:
    assert build.definitions(text) == set()


def test_after_a_declaration_the_next_definition_is_found(build: ModuleType) -> None:
    assert build.definitions('void one(int x);\nstruct Box;\nvoid two(int x) { one(x); }') == {'two'}


def test_every_file_is_in_one_unit_and_no_unit_defines_a_name_twice(build: ModuleType, sources: list[str]) -> None:
    paths = [Path(source) for source in sources]
    units = build.grouped(paths, 3)
    assert len(units) == 3
    assert sorted(path for unit in units for path in unit) == sorted(paths)
    assert not any({Path('2.cpp'), Path('5.cpp')} <= set(unit) for unit in units)
    for unit in units:
        names = [name for path in unit for name in build.definitions(path.read_text())]
        assert len(names) == len(set(names))


def test_units_are_about_equally_long(build: ModuleType, sources: list[str]) -> None:
    paths = [Path(source) for source in sources]
    lengths = [sum(len(path.read_text()) for path in unit) for unit in build.grouped(paths, 2)]
    assert max(lengths) - min(lengths) <= max(len(path.read_text()) for path in paths)


def test_the_order_of_the_files_does_not_change_the_units(build: ModuleType, sources: list[str]) -> None:
    paths = [Path(source) for source in sources]
    assert build.grouped(paths, 3) == build.grouped(paths[::-1], 3)


def test_there_are_more_units_where_more_files_define_the_same_name(
    build: ModuleType, tmp_path: Path, sources: list[str]
) -> None:
    clashing = [tmp_path / f'clash_{number}.cpp' for number in range(4)]
    for path in clashing:
        path.write_text('void helper() { }\n')
    units = build.grouped([*map(Path, sources), *clashing], 2)
    assert len(units) == 4
    assert all(len(set(unit) & set(clashing)) == 1 for unit in units)


def test_there_is_no_empty_unit(build: ModuleType, sources: list[str]) -> None:
    assert build.grouped([Path(source) for source in sources[:2]], 4) == [[Path('1.cpp')], [Path('0.cpp')]]


def test_files_that_use_a_whole_namespace_come_last(build: ModuleType, sources: list[str]) -> None:
    first = Path(sources[0])
    first.write_text('using namespace std;\n' + first.read_text())
    (unit,) = build.grouped([Path(source) for source in sources[:2]], 1)
    assert unit == [Path('1.cpp'), Path('0.cpp')]


def test_a_unit_includes_every_file_and_undefines_its_macros(
    build: ModuleType, tmp_path: Path, sources: list[str]
) -> None:
    text = build.unit_of([Path(sources[3]), Path(sources[1])])
    assert text.splitlines() == [
        f'#include "{tmp_path.resolve().as_posix()}/3.cpp"',
        '#undef WIDTH_3',
        f'#include "{tmp_path.resolve().as_posix()}/1.cpp"',
        '#undef WIDTH_1',
    ]


def test_the_units_are_written_and_include_all_files(build: ModuleType, sources: list[str]) -> None:
    written = build.write_units(sources, 2)
    assert written == [str(build.UNITS / f'unit_{number}.cpp') for number in range(4)]
    included = re.findall(
        r'^#include "(.*)"$', '\n'.join(Path(path).read_text() for path in written), flags=re.MULTILINE
    )
    assert sorted(included) == sorted(Path(source).resolve().as_posix() for source in sources)


def test_only_a_unit_that_changes_is_written_again(build: ModuleType, sources: list[str]) -> None:
    units = [Path(path) for path in build.write_units(sources, 2)]
    for unit in units:
        os.utime(unit, ns=(1, 1))
    assert [Path(path) for path in build.write_units(sources, 2)] == units
    assert [unit.stat().st_mtime_ns for unit in units] == [1] * 4  # else ninja would compile them all again
    changed = next(unit for unit in units if '/7.cpp"' in unit.read_text())
    Path('7.cpp').write_text(Path('7.cpp').read_text().replace('WIDTH_7', 'WIDTH_X'))
    build.write_units(sources, 2)
    assert [unit for unit in units if unit.stat().st_mtime_ns != 1] == [changed]


def cached(command: str, folder: Path, **environ: str) -> str | None:
    """Return what functions of wheel_cache.sh print; None if they fail."""
    script = f'set -euo pipefail; py={sys.executable} log=log; source {REQUIREMENTS}/wheel_cache.sh; {command}'
    done = subprocess.run(
        ['bash', '-c', script], cwd=folder, env=os.environ | environ, capture_output=True, text=True, check=False
    )
    return None if done.returncode else done.stdout


def write_wheel(path: Path, content: str = 'kernels' * 999) -> Path:
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('mmcv/_ext.so', content)
    return path


def test_a_wheel_that_was_kept_is_found_again(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path / 'built' / 'mmcv-2.1.0-any.whl')
    assert cached('whole_wheel kept/mmcv-2.1.0', tmp_path) is None
    assert cached(f'keep_wheel {wheel} kept', tmp_path) == ''
    assert cached('whole_wheel kept/mmcv-2.1.0', tmp_path) == 'kept/mmcv-2.1.0-any.whl'
    assert cached('whole_wheel kept/mmcv-2.2.0', tmp_path) is None
    assert (tmp_path / 'kept' / wheel.name).read_bytes() == wheel.read_bytes()


@pytest.mark.parametrize('broken', ['half', 'a changed byte', 'empty'])
def test_a_wheel_that_is_not_whole_is_never_used(broken: str, tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path / 'kept' / 'mmcv-2.1.0-any.whl')
    content = wheel.read_bytes()
    half = content[: len(content) // 2]
    wheel.write_bytes({'half': half, 'a changed byte': half + b'?' + content[len(half) + 1 :], 'empty': b''}[broken])
    assert cached('whole_wheel kept/mmcv-2.1.0', tmp_path) is None
    assert not wheel.exists()


def test_what_another_set_up_is_writing_is_neither_used_nor_removed(tmp_path: Path) -> None:
    (tmp_path / 'kept').mkdir()
    other, left = tmp_path / 'kept' / '4711.partial', tmp_path / 'kept' / '4712.partial'
    for path in (other, left):
        path.write_bytes(b'half')
    os.utime(left, (1, 1))  # of a process that was killed
    assert cached('whole_wheel kept/mmcv-2.1.0', tmp_path) is None
    write_wheel(tmp_path / 'built' / 'mmcv-2.1.0-any.whl')
    assert cached('keep_wheel built/mmcv-2.1.0-any.whl kept', tmp_path) == ''
    assert sorted(path.name for path in (tmp_path / 'kept').iterdir()) == ['4711.partial', 'mmcv-2.1.0-any.whl']


def test_wheels_are_kept_apart_by_python_torch_and_compiler(tmp_path: Path) -> None:
    (tmp_path / 'torch.py').write_text("__version__ = '9.9+cpu'")
    for version in ('12.2.0', '13.1.0'):
        compiler = tmp_path / version / 'g++'
        compiler.parent.mkdir()
        compiler.write_text(f'#!/bin/sh\necho {version}\n')
        compiler.chmod(0o755)
    found = [
        cached('kept_in', tmp_path, PYTHONPATH=str(tmp_path), CXX=str(tmp_path / version / 'g++'))
        for version in ('12.2.0', '13.1.0')
    ]
    python = f'cp{sys.version_info[0]}{sys.version_info[1]}-{os.uname().machine}'
    assert [name.replace('cuda-', '').strip() for name in found if name] == [
        f'{python}-torch9.9+cpu-g++12.2.0',
        f'{python}-torch9.9+cpu-g++13.1.0',
    ]
    assert cached('kept_in', tmp_path, PYTHONPATH=str(tmp_path), CXX='no-such-compiler') is None


# Stands for Python in an environment: it notes what it is asked for, and does as little of it as set-up can see.
PYTHON = """#!/bin/bash
venv=$(dirname "$(dirname "$0")")
echo "$*" >>"$venv/calls.txt"
case "$*" in
    *'import mmcv.ops'*) test -f "$venv/mmcv" ;;
    *pip\\ download*)
        mkdir -p "$venv/sdist/mmcv-2.1.0" "$venv/build/sdist" && touch "$venv/sdist/mmcv-2.1.0/setup.py"
        tar -czf "$venv/build/sdist/mmcv-2.1.0.tar.gz" -C "$venv/sdist" mmcv-2.1.0 ;;
    *build_mmcv.py*)
        while [ ! -f "$venv/.step-rest" ]; do sleep 0.1; done  # goes on meanwhile
        mkdir -p "${@: -1}" && cp "$venv/../mmcv.whl" "${@: -1}/mmcv-2.1.0-any.whl" ;;
    *mmcv-2.1.0-any.whl) case "$*" in *zipfile*) exec REAL "$@" ;; *) touch "$venv/mmcv" ;; esac ;;
    -\\ * | *sysconfig*) exec REAL "$@" ;;
esac
"""


def clone(folder: Path) -> Path:
    """A folder that set-up can work in, with an environment that it takes for an empty one. Returns what it asked Python for."""
    shutil.copytree(REQUIREMENTS, folder / 'requirements')
    for name in ('setup.py', 'mmdownsize/ops/backends/csrc/a.cpp', 'mmdownsize/geometry/csrc/a.cpp'):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    for name in ('ops/backends/_native', 'ops/backends/_importance', 'ops/backends/_separable', 'geometry/_native'):
        (folder / f'mmdownsize/{name}{sysconfig.get_config_var("EXT_SUFFIX")}').touch()
    python = folder / 'venv' / 'bin' / 'python'
    python.parent.mkdir(parents=True)
    python.write_text(PYTHON.replace('REAL', sys.executable))
    python.chmod(0o755)
    write_wheel(folder / 'mmcv.whl')
    return folder / 'venv' / 'calls.txt'


def set_up(folder: Path, cache: Path) -> str:
    done = subprocess.run(
        ['bash', 'requirements/setup_venv.sh', 'venv'],
        cwd=folder,
        env=os.environ | {'XDG_CACHE_HOME': str(cache)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_second_clone_takes_the_wheel_that_the_first_has_compiled(tmp_path: Path) -> None:
    calls = clone(tmp_path / 'first')
    said = set_up(tmp_path / 'first', tmp_path / 'cache')
    assert 'compiling mmcv 2.1.0' in said and 'ready: ' in said and re.search(r'^mmcv +\d+ s$', said, re.MULTILINE)
    times = (tmp_path / 'first/venv/times.txt').read_text().splitlines()
    assert [line.split()[0] for line in times] == ['torch', 'rest', 'mmcv', 'mmdownsize']
    (packages,) = [line for line in calls.read_text().splitlines() if 'packages.txt' in line]
    assert '--no-compile' in packages
    assert 'mmcv==' not in (tmp_path / 'first/venv/packages.txt').read_text()
    assert 'mmdet==' in (tmp_path / 'first/venv/packages.txt').read_text()
    (wheel,) = (tmp_path / 'cache').glob('mmdownsize/*/*')
    assert wheel.name == 'mmcv-2.1.0-any.whl'

    calls = clone(tmp_path / 'second')
    assert 'compiled earlier on this machine' in set_up(tmp_path / 'second', tmp_path / 'cache')
    assert 'build_mmcv' not in calls.read_text() and 'packages.txt' in calls.read_text()
    before = calls.read_text().count('pip install')
    assert set_up(tmp_path / 'second', tmp_path / 'cache') == ''  # finished: it does nothing
    assert calls.read_text().count('pip install') == before
