"""List the resizers: fixed kernels, trained weights, and those that a config can take. Needs no OpenMMLab package."""

from __future__ import annotations

import argparse
import textwrap

WIDTH = 80  # characters


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: there are none."""
    parser.epilog = 'example:\n  %(prog)s | less'


def run(args: argparse.Namespace) -> None:
    """Print the names, and what each is."""
    from mmdownsize.places import fragments
    from mmdownsize.resizers.io import list_pretrained
    from mmdownsize.resizers.named import FIXED, card

    print('Fixed kernels, for `mmdownsize resize` and resize_image:')
    _table(FIXED)
    print('\nTrained weights, for the same and for pretrained=NAME in a config:')
    for name in list_pretrained():
        print(f'  {name}')
        for line in card(name):
            print(textwrap.fill(line, WIDTH, initial_indent=' ' * 4, subsequent_indent=' ' * 6))
    found = fragments()
    learned = {name: line for name, (line, fixed) in found.items() if not fixed}
    if found:
        print('\nFiles of configs/_base_/downsize, for --resizer of swap, fit and compare:')
        _table(learned)
        fixed = ', '.join(name for name in found if name not in learned)
        print(textwrap.fill(f'and the fixed kernels {fixed}', WIDTH, initial_indent='  ', subsequent_indent='  '))


def _table(lines: dict[str, str]) -> None:
    column = max(map(len, lines)) + 4
    for name, line in lines.items():
        start = f'  {name}'.ljust(column)
        print(textwrap.fill(line, WIDTH, initial_indent=start, subsequent_indent=' ' * column, break_on_hyphens=False))
