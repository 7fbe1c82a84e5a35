"""Tables and a plot from the log of tools/compare.py.

python tools/compare_report.py LOG.jsonl [LOG.jsonl ...] [--baseline ARM] [--metric KEY] [--plot FILE.png] [--markdown]
"""

from __future__ import annotations

from collections.abc import Sequence

import installed  # noqa: F401  (says what to do without the package)

from mmdownsize.cli.main import run_command


def main(argv: Sequence[str] | None = None) -> None:
    """Print the tables."""
    run_command('report', argv)


if __name__ == '__main__':
    main()
