"""Build mmcv's wheel for the CPU in minutes: its C++ files are compiled a few at a time, as one file.

python build_mmcv.py SOURCE WHEELS

Each of mmcv's 78 C++ files reads PyTorch's headers, which takes longer than compiling what is in it. Here a few large files
include them instead, under SOURCE/build/units. The sources stay as they are. A build for a GPU is left to mmcv.
"""

from __future__ import annotations

import os
import re
import runpy
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

UNITS = Path('build', 'units')
UNITS_A_JOB = 2  # more would read the headers more often, fewer would show no progress and resume nothing


def definitions(text: str) -> set[str]:
    """Return the names of functions, classes and macros that a C++ file defines outside of any other."""
    text = re.sub(r'//[^\n]*|/\*.*?\*/', '', text, flags=re.DOTALL).replace('\\\n', ' ')
    names = set(re.findall(r'^\s*#\s*define\s+(\w+)', text, flags=re.MULTILINE))
    text = re.sub(r'^\s*#[^\n]*', '', text, flags=re.MULTILINE)
    for head in _heads(text):
        found = (
            re.search(r'([\w~]+)\s*\(', head) if '(' in head else re.search(r'\b(?:struct|class|enum)\s+(\w+)', head)
        )
        if found:
            names.add(found[1])
    return names


def _heads(text: str) -> Iterator[str]:
    """Yield what comes before each outermost pair of braces, those of namespaces not counted."""
    depth, head = 0, ''
    for part in re.split(r'([{};])', text):
        if part == '{' and depth == 0 and re.search(r'\bnamespace\b|extern\s*""', head):
            head = ''  # what follows is as good as outside
        elif part == '{':
            if depth == 0:
                yield head
            depth += 1
        elif part == '}':
            depth, head = max(0, depth - 1), ''
        elif part == ';':
            head = ''
        elif depth == 0:
            head = part


def grouped(sources: Sequence[Path], count: int) -> list[list[Path]]:
    """Divide files over units of about equal length, those that define the same name over different ones.

    Args:
        sources: The C++ files.
        count: Units to make; more where names clash in more files than that.
    """
    texts = {path: path.read_text() for path in sources}
    units: list[tuple[list[Path], set[str]]] = [([], set()) for _ in range(count)]
    for path in sorted(sources, key=lambda path: (-len(texts[path]), path)):
        names = definitions(texts[path])
        free = [unit for unit in units if not names & unit[1]]
        if not free:
            units.append(([], set()))
            free = units[-1:]
        shortest = min(free, key=lambda unit: sum(len(texts[one]) for one in unit[0]))
        shortest[0].append(path)
        shortest[1].update(names)
    # What a file takes from a namespace all those after it get as well.
    return [sorted(paths, key=lambda path: ('using namespace std' in texts[path], path)) for paths, _ in units if paths]


def unit_of(paths: Sequence[Path]) -> str:
    """Return the text of a unit: it includes each of the files, and forgets the macros that they define."""
    lines = []
    for path in paths:
        lines.append(f'#include "{path.resolve().as_posix()}"')
        lines += [
            f'#undef {name}' for name in re.findall(r'^\s*#\s*define\s+(\w+)', path.read_text(), flags=re.MULTILINE)
        ]
    return '\n'.join(lines) + '\n'


def write_units(sources: Sequence[str], jobs: int) -> list[str]:
    """Write the units, but for those that are there already, and return their paths."""
    UNITS.mkdir(parents=True, exist_ok=True)
    written = []
    for number, paths in enumerate(grouped([Path(source) for source in sources], UNITS_A_JOB * jobs)):
        path, text = UNITS / f'unit_{number}.cpp', unit_of(paths)
        if not path.is_file() or path.read_text() != text:  # or what is compiled already would be compiled again
            path.write_text(text)
        written.append(str(path))
    return written


def main(source: str, wheels: str) -> None:
    """Run mmcv's own setup.py, with its CPU extension made of units."""
    from torch.utils import cpp_extension

    wheels = str(Path(wheels).resolve())
    os.chdir(source)
    jobs = int(os.environ.get('MAX_JOBS', os.cpu_count() or 1))
    plain = cpp_extension.CppExtension

    def extension(name: str, sources: list[str], **settings: Any) -> Any:
        flags = settings.pop('extra_compile_args', {'cxx': []})
        flags['cxx'] = [*flags['cxx'], '-g0']  # the interpreter's own flags ask for what a debugger needs
        return plain(name, write_units(sources, jobs), extra_compile_args=flags, **settings)

    cpp_extension.CppExtension = extension
    sys.path.insert(0, os.getcwd())
    sys.argv = ['setup.py', 'bdist_wheel', '--dist-dir', wheels]
    runpy.run_path('setup.py', run_name='__main__')


if __name__ == '__main__':
    main(*sys.argv[1:])
