"""Says what an existing environment lacks, and how to get it.

python tools/check_env.py [--for use|demo|develop] [--stack openmmlab|onedl|det|seg]

``use``: to run configs, and to resize images. ``demo``: for ``make demo``. ``develop``: for ``make test`` and ``make docs``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import installed  # noqa: F401  (says what to do without the package)

from mmdownsize.environment import PURPOSES, STACKS, check  # nothing else of the package before torch has been tried


def main(argv: Sequence[str] | None = None) -> int:
    """Import everything once and report.

    Returns:
        0 if nothing is missing.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--for', dest='purpose', choices=PURPOSES, default='use', help='default: %(default)s')
    parser.add_argument('--stack', choices=STACKS, default='openmmlab', help='which OpenMMLab packages it has')
    args = parser.parse_args(argv)
    report = check(args.purpose, args.stack)
    print('\n'.join(report.lines(args.purpose)), file=sys.stderr if report.broken else sys.stdout)
    return 1 if report.broken else 0


if __name__ == '__main__':
    sys.exit(main())
