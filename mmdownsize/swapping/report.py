"""What ``mmdownsize swap`` says beside the config."""

from __future__ import annotations

from mmdownsize.swapping.run import Options, Swapped


def lines_of(options: Options, swapped: Swapped) -> list[str]:
    """Return what was found, and, where a file was written, every edit, the file, and the next command.

    A config that is printed has the edits as comments.
    """
    lines = [f'check: {line}' for line in swapped.found]
    lines += swapped.sizes
    if options.out is None:
        return lines
    then = f'mmdownsize train {options.out}'
    if options.fit:
        then += '      (mmdownsize fit does it, and tests the result beside fixed kernels)'
    return [*lines, *(f'- {note}' for note in swapped.notes), f'written: {options.out}', f'next: {then}']
