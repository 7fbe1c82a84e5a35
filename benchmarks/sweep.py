"""The sizes and scales that bm_resizers.py --sweep goes through, and their tables and picture."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

SIDES = (160, 240, 320, 480, 640, 960, 1280)  # of a square image, at a scale of one half
SCALED_SIDE, TARGETS = 640, (512, 400, 320, 256, 200, 160, 128, 100, 64)  # one image, over scales


def settings() -> dict[str, tuple[tuple[int, int], tuple[int, int]]]:
    """Return the sizes before and after, (h, w) in px, by name."""
    sizes = [(s, s // 2) for s in SIDES] + [(SCALED_SIDE, t) for t in TARGETS if 2 * t != SCALED_SIDE]
    return {f'{src}x{src} -> {dst}x{dst}': ((src, src), (dst, dst)) for src, dst in sizes}


def print_tables(console: Console, rows: list[dict]) -> None:
    """Print a sweep: forward and forward + backward, one line a setting, one column a resizer."""
    names = list(dict.fromkeys(row['resizer'] for row in rows))
    table = Table(title='ms an image: forward, forward + backward')
    table.add_column('setting')
    for name in names:
        table.add_column(name, justify='right')
    for setting in dict.fromkeys(row['setting'] for row in rows):
        by_name = {row['resizer']: row for row in rows if row['setting'] == setting}
        table.add_row(setting, *(f'{by_name[n]["forward_ms"]:.2f}  {by_name[n]["step_ms"]:.1f}' for n in names))
    console.print(table)
    table = Table(title='time at four times the pixels / time: forward, forward + backward')
    table.add_column('resizer')
    for side in SIDES:
        if 2 * side in SIDES:
            table.add_column(f'{side} -> {2 * side}', justify='right')
    for name in names:
        table.add_row(name, *(f'{forward:.2f}  {both:.2f}' for forward, both in growth(rows, name)))
    console.print(table)


def growth(rows: list[dict], name: str) -> list[tuple[float, float]]:
    """Return a resizer's time at four times the pixels over its time, forward and with backward, for each such pair."""
    own = {row['src_hw'][0]: row for row in rows if row['resizer'] == name and 2 * row['dst_hw'][0] == row['src_hw'][0]}
    pairs = [(own[side], own[2 * side]) for side in sorted(own) if 2 * side in own]
    return [tuple(more[key] / less[key] for key in ('forward_ms', 'step_ms')) for less, more in pairs]


def plot(rows: list[dict], path: Path) -> None:
    """Draw a sweep: time against input pixels at a scale of one half, and against the scale at one size."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, 2, figsize=(12, 4.5), sharey=True, layout='constrained')
    for name in dict.fromkeys(row['resizer'] for row in rows):
        own = sorted((row for row in rows if row['resizer'] == name), key=lambda row: (row['src_hw'], row['dst_hw']))
        halved = [row for row in own if 2 * row['dst_hw'][0] == row['src_hw'][0]]
        scaled = [row for row in own if row['src_hw'][0] == SCALED_SIDE]
        style = dict(marker='o', markersize=3, linewidth=2.5 if name.startswith('DownsizeNet') else 1.2, label=name)
        panels[0].plot([r['src_hw'][0] ** 2 / 1e6 for r in halved], [r['forward_ms'] for r in halved], **style)
        panels[1].plot([r['dst_hw'][0] / SCALED_SIDE for r in scaled], [r['forward_ms'] for r in scaled], **style)
    panels[0].set(
        xscale='log', yscale='log', xlabel='million pixels in, half the side out', ylabel='forward, ms an image'
    )
    panels[1].set(yscale='log', xlabel=f'scale, {SCALED_SIDE} x {SCALED_SIDE} pixels in')
    for panel in panels:
        panel.grid(alpha=0.3, which='both')
    panels[1].legend(fontsize=8, loc='center left', bbox_to_anchor=(1, 0.5))
    figure.savefig(path, dpi=110)
