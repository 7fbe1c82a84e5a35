"""The report of study/zoo/sweep.py as rows, as a sentence and as Markdown."""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any

VERDICTS = {
    'works': 'works',
    'fails in both': 'fails without a downsizer too',
    'fails only unswapped': 'fails only without a downsizer',
    'fails only swapped': '**fails only with a downsizer**',
    'refused': 'refused with a reason',
}
TOOLS = ('check', 'fit', 'flops')
HEADINGS = ('config', 'verdict', 'loss differs by', 'same prediction', *TOOLS, 's', 'MiB', 'why')


def rows_of(configs: dict[str, dict[str, Any]]) -> list[list[str]]:
    """Return the rows of a report's configs: config, verdict, agreement, the tools, seconds, memory, reason."""
    rows = []
    for name, entry in sorted(configs.items()):
        loss, same = entry.get('loss_difference'), entry.get('same_prediction')
        rows.append(
            [
                name,
                VERDICTS[entry['verdict']],
                '' if loss is None else f'{loss:.2%}',
                '' if same is None else f'{same:.1%}',
                *(entry.get(tool, '') and ('works' if entry[tool] == 'works' else 'fails') for tool in TOOLS),
                pair(entry.get('seconds')),
                pair(entry.get('peak_mib')),
                entry.get('reason', ''),
            ]
        )
    return rows


def pair(values: Sequence[float | None] | None) -> str:
    """Return what was measured without / with a downsizer."""
    return ' / '.join('–' if value is None else f'{value:g}' for value in values) if values else ''


def verdict_of(entries: Sequence[dict[str, Any]]) -> str:
    """Return a family's verdict: what the downsizer breaks anywhere, else the best of its configs."""
    verdicts = {entry['verdict'] for entry in entries}
    ranked = ('fails only swapped', 'works', 'fails only unswapped', 'refused', 'fails in both')
    return next(verdict for verdict in ranked if verdict in verdicts)


def summary(report: dict[str, Any]) -> str:
    """Return how many families were run, how many of those that run here run with a downsizer, and the other verdicts."""
    parts = []
    for scope in sorted({family.partition('/')[0] for family in report['families']}):
        entries: dict[str, list[dict[str, Any]]] = {}
        for entry in report['configs'].values():
            if entry['family'].partition('/')[0] == scope:
                entries.setdefault(entry['family'], []).append(entry)
        counts = Counter(verdict_of(family) for family in entries.values())
        run_here = counts['works'] + counts['fails only swapped']
        others = [f'{counts[v]} {said.strip("*")}' for v, said in VERDICTS.items() if v != 'works' and counts[v]]
        of_all = sum(family.startswith(f'{scope}/') for family in report['families'])
        tried = f'{scope}: {len(entries)} of {of_all} families tried'
        parts.append('; '.join([tried, f'{counts["works"]} of {run_here} that run here run with a downsizer', *others]))
        for tool in TOOLS:
            said = [[entry[tool] for entry in family if tool in entry] for family in entries.values()]
            said = [one for one in said if one]
            if said:
                works = sum('works' in one for one in said)
                parts.append(f'{scope}: {tool} works with {works} of {len(said)} families')
    return '\n'.join([*parts, what_it_took(report), versions_of(report['versions'])])


def versions_of(versions: dict[str, str]) -> str:
    """Return in words what was installed."""
    return ', '.join(f'{name} {version}' for name, version in sorted(versions.items()))


def what_it_took(report: dict[str, Any]) -> str:
    """Return a sweep's time and memory: the sum and the longest of its processes, the largest and the median."""
    seconds = [s for entry in report['configs'].values() for s in entry.get('seconds') or () if s is not None]
    mib = [m for entry in report['configs'].values() for m in entry.get('peak_mib') or () if m is not None]
    if not seconds or not mib:
        return f'{len(report["configs"])} configs, none of which ran'
    return (
        f'{len(report["configs"])} configs: {sum(seconds) / 60:.0f} min of processes one after the other, the longest '
        f'{max(seconds) / 60:.1f} min, the largest {max(mib) / 1024:.1f} GiB, half of them below '
        f'{statistics.median(mib) / 1024:.1f} GiB'
    )


def causes(report: dict[str, Any]) -> str:
    """Return as Markdown what does not work: the summary, and a row for every verdict and reason, with its configs' folders."""
    found: dict[tuple[str, str], list[str]] = {}
    for name, entry in sorted(report['configs'].items()):
        if entry['verdict'] != 'works':
            reason = re.sub(r'^\S+ cannot be read as a config: ', '', entry['reason'])
            reason = ' '.join(reason.partition(', the current sys')[0].split())  # long messages are cut in that list
            folders = found.setdefault((VERDICTS[entry['verdict']], reason), [])
            folders += [folder for folder in [name.rpartition('/')[0]] if folder not in folders]
        for tool in TOOLS:
            if entry.get(tool, 'works') != 'works':
                folders = found.setdefault((f'{tool} does not work', ' '.join(entry[tool].split())), [])
                folders += [folder for folder in [name.rpartition('/')[0]] if folder not in folders]
    lines = [f'- {line}.' for line in summary(report).splitlines()]
    lines += ['', '| verdict | why | families |', '|---|---|---|']
    for (verdict, reason), folders in sorted(found.items()):
        lines.append(f'| {verdict} | {escaped(reason)} | {", ".join(folders)} |')
    return '\n'.join(lines)


def escaped(text: str) -> str:
    """Return a text for a cell of a table in Markdown."""
    return re.sub(r'([|<>_\[\]`])', r'\\\1', text)


def markdown(report: dict[str, Any], known: dict[str, dict[str, Any]]) -> str:
    """Return the table as Markdown, without the configs that have the same verdict in another report: ``known``."""
    told = {
        name: entry
        for name, entry in report['configs'].items()
        if name not in known or known[name]['verdict'] != entry['verdict']
    }
    lines = [f'- {line}.' for line in summary(report).splitlines()]
    if known:
        lines.append(f'- {len(report["configs"]) - len(told)} configs have the same verdict in both reports.')
    lines += [
        '',
        f'| {" | ".join(HEADINGS)} |',
        '|' + '---|' * len(HEADINGS),
    ]
    for row in rows_of(told):
        lines.append(f'| `{row[0]}` | {" | ".join(escaped(cell) for cell in row[1:])} |')
    return '\n'.join(lines)
