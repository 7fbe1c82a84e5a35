"""Train one small model with three resizers on a set whose classes differ only in fine texture, and show what each kept.

python tools/demo.py [--work-dir DIR] [--seed SEED] [--iters N] [--quick]

The set is synthetic (``mmdownsize/demo/data.py``). Each arm is an ordinary ``tools/train.py configs/demo/texture_ARM.py``:
same data, seed and schedule. Every run makes everything anew: the data, three trainings, one table, ``demo.png`` and
``results.json``.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import installed  # noqa: F401  (says what to do without the package)

# Threads that spin for long while they wait slow each other down many times over where the cores are shared. Threads that do
# not spin at all take longer to wake than small layers take to compute. Read when torch is imported, here and in trainings.
os.environ.setdefault('GOMP_SPINCOUNT', '20000')

from rich.console import Console

from mmdownsize.command_line import in_one_line
from mmdownsize.demo.run import Options, run
from mmdownsize.demo.trainings import TrainingFailed
from mmdownsize.environment import requirements


def parse_args(argv: Sequence[str]) -> Options:
    """Return the options, checked."""
    parser = argparse.ArgumentParser(description='Three resizers on a set whose classes differ only in fine texture.')
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs', 'demo'), help='default: %(default)s')
    parser.add_argument('--seed', type=int, default=0, help='of the data and of the trainings; default: %(default)s')
    parser.add_argument('--iters', type=int, help='training iterations of each arm; default: those of the config')
    parser.add_argument('--quick', action='store_true', help='few images and iterations: only to see that it runs')
    args = parser.parse_args(argv)
    if args.seed < 0:
        parser.error(f'--seed must be at least 0, got {args.seed}')
    if args.iters is not None and args.iters < 1:
        parser.error(f'--iters must be at least 1, got {args.iters}')
    return Options(**vars(args), command=shlex.join(['python', 'tools/demo.py', *argv]))


def main(argv: Sequence[str] | None = None) -> None:
    """Run the demo.

    Args:
        argv: The arguments; the command line's by default.
    """
    options = parse_args(sys.argv[1:] if argv is None else argv)
    if importlib.util.find_spec('mmseg') is None:
        sys.exit(f'the demo trains segmentors and mmseg is not installed: pip install {requirements("demo")["mmseg"]}')
    with in_one_line():
        try:
            run(options, Console())
        except TrainingFailed as error:  # more than one line: the end of a log
            sys.exit(str(error))


if __name__ == '__main__':
    main()
