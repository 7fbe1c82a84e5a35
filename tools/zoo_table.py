"""The report of tools/zoo_sweep.py as rows, as a sentence and as Markdown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

VERDICTS = {
    'works': 'works',
    'fails in both': 'fails without a downsizer too',
    'fails only unswapped': 'fails only without a downsizer',
    'fails only swapped': '**fails only with a downsizer**',
    'refused': 'refused by name',
}
HEADINGS = ('config', 'verdict', 'loss differs by', 'same prediction', 's', 'MiB', 'why')


def rows_of(report: dict[str, Any]) -> list[list[str]]:
    """Return the table's rows: config, verdict, agreement, seconds, memory, reason."""
    rows = []
    for name, entry in sorted(report['configs'].items()):
        loss, same = entry.get('loss_difference'), entry.get('same_prediction')
        rows.append(
            [
                name,
                VERDICTS[entry['verdict']],
                '' if loss is None else f'{loss:.2%}',
                '' if same is None else f'{same:.1%}',
                pair(entry.get('seconds')),
                pair(entry.get('peak_mib')),
                entry.get('reason', ''),
            ]
        )
    return rows


def pair(values: Sequence[float | None] | None) -> str:
    """Return what was measured without / with a downsizer."""
    return ' / '.join('–' if value is None else f'{value:g}' for value in values) if values else ''


def summary(report: dict[str, Any]) -> str:
    """Return how many were run of how many, and the verdicts."""
    run_of = {entry['family'] for entry in report['configs'].values()}
    counts = Counter(entry['verdict'] for entry in report['configs'].values())
    parts = [f'{counts[verdict]} {VERDICTS[verdict].strip("*")}' for verdict in VERDICTS if counts[verdict]]
    return f'{len(run_of)} of {len(report["families"])} families, {len(report["configs"])} configs: {", ".join(parts)}'


def markdown(report: dict[str, Any]) -> str:
    """Return the table as Markdown."""
    lines = [f'{summary(report)}.', '', f'| {" | ".join(HEADINGS)} |', '|' + '---|' * len(HEADINGS)]
    for row in rows_of(report):
        cells = [re.sub(r'([|<>_\[\]`])', r'\\\1', cell) for cell in row[1:]]
        lines.append(f'| `{row[0]}` | {" | ".join(cells)} |')
    return '\n'.join(lines)
