"""Draw accuracy against time, from a log of tools/compare.py --scales.

python tools/compare.py CONFIG --resizer area --resizer importance --baseline area --scales 0.125 0.25 0.5 --log runs.jsonl
python tools/compare_speed.py CONFIG runs.jsonl --times times.json --plot picture.png

Every arm at every scale is timed on the first validation image, three times in turn. The table says, for each learned resizer,
which fixed one is best at the same time, and the difference. Nothing else should run meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence

import installed  # noqa: F401  (says what to do without the package)

from mmdownsize.cli.main import run_command


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, draw, and print the table."""
    run_command('speed', argv)


if __name__ == '__main__':
    main()
