"""Build mmcv's wheel for the CPU in minutes: many of its C++ files are compiled as one.

python build_mmcv.py SOURCE WHEELS

SOURCE is mmcv's unpacked source package, WHEELS the folder that the wheel is written to. mmcv has almost 80 C++ files. Each
reads PyTorch's headers, which takes longer than to compile the rest of the file. This script writes a few units to
SOURCE/build/units instead. A unit is a file that includes many of mmcv's files, so the headers are read once a unit. It does
not change mmcv's own files. The name of the package does not matter: onedl-mmcv works too. A build for a GPU uses mmcv's own
settings.
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
# With more units the headers are read more often. With fewer there is no progress to show, and nothing to resume from.
UNITS_A_JOB = 2


def definitions(text: str) -> set[str]:
    """Return the names that a C++ file defines at its top level: functions, classes, enums and macros.

    Namespaces count as top level. Two files that define the same name cannot be in one unit. A name too many is harmless:
    it only keeps two files apart that could be together.

    Args:
        text: The text of the file.
    """
    # Comments go, and strings become empty: a brace in them is no brace of the program.
    text = re.sub(
        r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"',
        lambda found: '""' if found[0][0] == '"' else '',
        text,
        flags=re.DOTALL,
    ).replace('\\\n', ' ')
    names = set(re.findall(r'^\s*#\s*define\s+(\w+)', text, flags=re.MULTILINE))
    text = re.sub(r'^\s*#[^\n]*', '', text, flags=re.MULTILINE)
    for head in _heads(text):
        found = (
            re.search(r'([\w~]+)\s*\(', head)
            if '(' in head
            else re.search(r'\b(?:enum\s+class|enum\s+struct|struct|class|enum)\s+(\w+)', head)
        )
        if found:
            names.add(found[1])
    return names


def _heads(text: str) -> Iterator[str]:
    """Yield the text before each outermost pair of braces. Braces of namespaces do not count."""
    depth, head = 0, ''
    for part in re.split(r'([{};])', text):
        if part == '{' and depth == 0 and re.search(r'\bnamespace\b|extern\s*""', head):
            head = ''  # what is inside a namespace is at the top level too
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
    """Divide files into units of about equal length. Files that define the same name go into different units.

    Args:
        sources: The C++ files.
        count: Number of units. There are more if more files than that define the same name, and fewer if there are fewer
            files.

    Returns:
        The files of each unit, each file in exactly one.
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
    # `using namespace std` also holds for the files after it in the unit, so the files that have it come last.
    return [sorted(paths, key=lambda path: ('using namespace std' in texts[path], path)) for paths, _ in units if paths]


def unit_of(paths: Sequence[Path]) -> str:
    """Return the text of a unit: it includes each file by its absolute path and then undefines the macros of that file."""
    lines = []
    for path in paths:
        lines.append(f'#include "{path.resolve().as_posix()}"')
        lines += [
            f'#undef {name}' for name in re.findall(r'^\s*#\s*define\s+(\w+)', path.read_text(), flags=re.MULTILINE)
        ]
    return '\n'.join(lines) + '\n'


def write_units(sources: Sequence[str], jobs: int) -> list[str]:
    """Write the units below the current folder and return their paths.

    A unit that is there with the same text is not written again: a new date would make ninja compile it again.

    Args:
        sources: Paths of the C++ files.
        jobs: How many compilers run at a time.
    """
    UNITS.mkdir(parents=True, exist_ok=True)
    written = []
    for number, paths in enumerate(grouped([Path(source) for source in sources], UNITS_A_JOB * jobs)):
        path, text = UNITS / f'unit_{number}.cpp', unit_of(paths)
        if not path.is_file() or path.read_text() != text:
            path.write_text(text)
        written.append(str(path))
    return written


def main(source: str, wheels: str) -> None:
    """Run mmcv's own setup.py, but compile the units instead of its C++ files.

    Args:
        source: Folder of mmcv's source package.
        wheels: Folder that the wheel is written to.
    """
    from torch.utils import cpp_extension

    wheels = str(Path(wheels).resolve())
    os.chdir(source)
    jobs = int(os.environ.get('MAX_JOBS', os.cpu_count() or 1))
    plain = cpp_extension.CppExtension

    def extension(name: str, sources: list[str], **settings: Any) -> Any:
        flags = settings.pop('extra_compile_args', {'cxx': []})
        flags['cxx'] = [*flags['cxx'], '-g0']  # Python's own flags ask for debug information: twice the time to compile
        return plain(name, write_units(sources, jobs), extra_compile_args=flags, **settings)

    cpp_extension.CppExtension = extension
    sys.path.insert(0, os.getcwd())
    sys.argv = ['setup.py', 'bdist_wheel', '--dist-dir', wheels]
    runpy.run_path('setup.py', run_name='__main__')


if __name__ == '__main__':
    main(*sys.argv[1:])
