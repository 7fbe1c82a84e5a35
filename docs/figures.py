"""Draws the figures of "How it works", "Conventions" and "Gallery" into docs/images: python docs/figures.py [NAME ...].

Every number in them is computed by the package itself. The one of the coefficients trains a downsizer for about a minute.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from torch import Tensor, nn
from torch.nn import functional as F

from mmdownsize.demo import data as demo_data
from mmdownsize.drawing import panels
from mmdownsize.ops import neighbor_indices, project
from mmdownsize.resizers import DownsizeNet, FixedResizer

ROOT = Path(__file__).resolve().parents[1]
INK, SOFT, SOURCE, TARGET = '#222222', '#8a8a8a', '#1f6fb4', '#c8501e'
DPI = 130


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure, in inches."""
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor='white')
    FigureCanvasAgg(figure)
    return figure


def canvas(figure: Figure, width: float, height: float) -> Any:
    """Return axes that fill the figure, without frame, y pointing down."""
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    return axes


def cells(axes: Any, x: float, y: float, colors: np.ndarray, size: float, edge: str = 'white') -> None:
    """Draw an array (rows, columns, 3) of colours, 0..1, as squares with their top-left corner at (x, y)."""
    for (row, column), _ in np.ndenumerate(colors[..., 0]):
        corner = (x + column * size, y + row * size)
        axes.add_patch(Rectangle(corner, size, size, facecolor=colors[row, column], edgecolor=edge, linewidth=0.6))


def arrow(axes: Any, start: tuple[float, float], end: tuple[float, float], color: str = INK, bend: float = 0.0) -> None:
    """Draw an arrow."""
    axes.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle='-|>',
            mutation_scale=11,
            color=color,
            linewidth=1.2,
            shrinkA=0,
            shrinkB=0,
            connectionstyle=f'arc3,rad={bend}',
        )
    )


def diverging(values: Tensor) -> np.ndarray:
    """Return colours of numbers around 0: blue below, white at 0, orange above."""
    scaled = (values / values.abs().max().clamp(min=1e-9)).clamp(-1, 1).numpy()[..., None]
    below, above = np.array([0.16, 0.42, 0.66]), np.array([0.80, 0.36, 0.15])
    return 1 - np.abs(scaled) * (1 - np.where(scaled < 0, below, above))


def architecture() -> Figure:
    """Draw the way from a source patch to one output pixel, with the numbers of a real module."""
    torch.manual_seed(1)
    src_hw, dst_hw, row, column = (8, 8), (5, 5), 2, 4
    ramp = torch.linspace(60, 225, 8)
    image = torch.stack(
        [ramp.expand(8, 8), ramp[:, None].expand(8, 8), 150 + 60 * torch.sin(torch.arange(64.0)).view(8, 8)]
    )
    net = DownsizeNet(backend='dense')
    nn.init.normal_(net.fusion.weight, std=0.4)  # as if trained: at the start all of them are 0
    with torch.no_grad():
        maps = F.relu(net.texture[1](F.relu(net.texture[0]((image[None] - 127.5) / 127.5))))[0]
        a = net.coefficients(image[None], dst_hw)[0, :, row, column]
        out = net(image[None], dst_hw)[0, :, row, column]
    (top, dy), (left, dx) = (project(src, dst) for src, dst in zip(src_hw, dst_hw))
    y0, x0, dy, dx = int(top[row]), int(left[column]), float(dy[row]), float(dx[column])
    bilinear = torch.tensor([(1 - dy) * (1 - dx), (1 - dy) * dx, dy * (1 - dx), dy * dx])
    neighbours = [(y0 + i, x0 + j) for i in (0, 1) for j in (0, 1)]
    assert torch.allclose(sum(a[i] * image[:, y, x] for i, (y, x) in enumerate(neighbours)), out, atol=1e-2)

    width, height = 13.4, 4.75
    figure = new_figure(width, height)
    axes = canvas(figure, width, height)
    colors = (image / 255).permute(1, 2, 0).numpy()

    def title(x: float, number: str, text: str, y: float = 0.42) -> None:
        axes.text(x, y, f'{number}  {text}' if number else text, fontsize=10.5, weight='bold', color=INK, ha='left')

    # The source, with the output pixel's projection and its four neighbours.
    size, x, y = 0.25, 0.3, 0.75
    title(x, '', 'source image')
    cells(axes, x, y, colors, size)
    axes.add_patch(
        Rectangle((x + x0 * size, y + y0 * size), 2 * size, 2 * size, fill=False, edgecolor=INK, linewidth=2)
    )
    centre = (x + (x0 + 0.5 + dx) * size, y + (y0 + 0.5 + dy) * size)
    axes.plot(*centre, marker='x', color=INK, markersize=7, markeredgewidth=2)
    axes.text(
        x,
        y + 8.7 * size,
        '× the centre of output pixel Q,\n   projected; $P$ is the top-left of\n'
        f'   its neighbours. $dx$ = {dx:.1f}, $dy$ = {dy:.1f}',
        fontsize=9,
        color=INK,
        va='top',
        linespacing=1.4,
    )

    # Texture.
    x = 3.35
    title(x, '1', 'texture')
    for i, channel in enumerate(maps.mean((1, 2)).argsort()[-3:].tolist()):
        shade = maps[channel] / maps[channel].max().clamp(min=1e-6)
        at = (x + 0.17 * i, y + 0.17 * i)
        axes.add_patch(
            Rectangle(
                (at[0] - 0.03, at[1] - 0.03),
                8 * 0.19 + 0.06,
                8 * 0.19 + 0.06,
                facecolor='white',
                edgecolor=SOFT,
                linewidth=0.8,
            )
        )
        cells(axes, *at, np.repeat(1 - 0.8 * shade.numpy()[..., None], 3, axis=2), 0.19)
    p = (at[0] + x0 * 0.19, at[1] + y0 * 0.19)
    axes.add_patch(Rectangle(p, 0.19, 0.19, fill=False, edgecolor=TARGET, linewidth=2))
    label = dict(
        fontsize=10, color=TARGET, ha='right', va='center', bbox=dict(facecolor='white', edgecolor='none', pad=1)
    )
    axes.text(p[0] - 0.05, p[1] + 0.1, '$P$', **label)
    axes.text(
        x, y + 8.7 * size, 'two 3×3 convolutions,\n16 channels each', fontsize=9, color=INK, va='top', linespacing=1.4
    )
    arrow(axes, (2.45, 1.75), (3.2, 1.75))

    # Pooling and relative distance, concatenated; each number a cell.
    x, tall = 6.45, 0.13
    title(x - 0.5, '2', 'floating-point pooling')
    feature = maps[:, y0, x0]
    cells(axes, x, y, diverging(feature)[:, None], tall, edge=SOFT)
    axes.text(
        x + 0.25,
        y + 1.0,
        'the 16 features\nat $P$, selected,\nnot averaged',
        fontsize=9,
        color=INK,
        va='center',
        linespacing=1.4,
    )
    arrow(axes, (p[0] + 0.19, p[1] + 0.1), (x - 0.08, y + 1.0), TARGET, bend=-0.1)
    distance_y = y + 16 * tall + 0.42
    title(x - 0.5, '3', 'relative distance', y=distance_y - 0.13)
    cells(axes, x, distance_y, diverging(bilinear)[:, None], tall, edge=SOFT)
    for i, (value, name) in enumerate(zip(bilinear, ('(1−dy)(1−dx)', '(1−dy)dx', 'dy(1−dx)', 'dy dx'))):
        axes.text(x + 0.25, distance_y + (i + 0.5) * tall, f'{value:.2f}', fontsize=7.5, va='center', color=INK)
        axes.text(x + 0.58, distance_y + (i + 0.5) * tall, name, fontsize=7.5, va='center', color=SOFT)
    axes.text(x - 0.5, distance_y + 0.85, 'of $(dx, dy)$ alone: the same for every image', fontsize=9, color=INK)
    arrow(axes, (2.7, 3.37), (x - 0.08, distance_y + 2 * tall), SOFT)

    # Fusion.
    x = 8.75
    title(x, '4', 'fusion')
    box = (x, 1.25)
    axes.add_patch(Rectangle(box, 1.35, 1.5, facecolor='#f3f1ec', edgecolor=SOFT))
    axes.text(
        x + 0.675,
        2.0,
        '1×1\nconvolution,\nsoftmax on the\nstart kernel',
        fontsize=9,
        ha='center',
        va='center',
        linespacing=1.4,
    )
    arrow(axes, (7.98, 1.75), (x - 0.05, 1.85))
    arrow(axes, (7.75, distance_y + 0.05), (x - 0.05, 2.45), bend=-0.15)
    axes.text(
        x,
        y + 8.7 * size,
        'one coefficient a neighbour,\nnone below 0, their sum is 1',
        fontsize=9,
        color=INK,
        va='top',
        linespacing=1.4,
    )

    # The weighted sum.
    x, big = 11.0, 0.62
    title(x - 0.2, '5', 'weighted sum')
    arrow(axes, (10.15, 1.75), (x - 0.1, 1.55))
    for i, (ny, nx) in enumerate(neighbours):
        corner = (x + (i % 2) * big, 0.95 + (i // 2) * big)
        axes.add_patch(Rectangle(corner, big, big, facecolor=colors[ny, nx], edgecolor='white'))
        axes.text(
            corner[0] + big / 2,
            corner[1] + big / 2,
            f'{float(a[i]):.2f}',
            ha='center',
            va='center',
            fontsize=10.5,
            color='white',
            weight='bold',
        )
    arrow(axes, (x + big, 0.95 + 2 * big + 0.06), (x + big, 2.72))
    axes.add_patch(
        Rectangle((x + big / 2, 2.76), big, big, facecolor=(out / 255).clamp(0, 1).numpy(), edgecolor='white')
    )
    axes.text(x + big / 2 + big + 0.1, 2.76 + big / 2, 'output\npixel Q', fontsize=9, va='center', linespacing=1.4)
    axes.text(
        x - 0.2, 3.75, 'the same four coefficients\nfor every colour', fontsize=9, color=INK, va='top', linespacing=1.4
    )
    axes.text(
        0.3,
        height - 0.22,
        f'8×8 px to 5×5 px; the coefficients would be {", ".join(f"{v:.2f}" for v in bilinear)} with bilinear resizing, '
        "where an untrained module starts. The fusion's weights here are random numbers.",
        fontsize=8.5,
        color=SOFT,
    )
    return figure


def geometry() -> Figure:
    """Draw how positions are mapped, along one axis and in two dimensions."""
    width, height = 12.0, 4.3
    figure = new_figure(width, height)
    axes = canvas(figure, width, height)

    # Along one axis: 7 px to 3 px.
    src, dst, unit, x, y = 7, 3, 0.92, 0.35, 1.0
    top, offset = project(src, dst)
    axes.text(x, 0.38, f'along one axis: {src} px to {dst} px', fontsize=10.5, weight='bold', color=INK)
    wide = unit * src / dst
    for i in range(src):
        axes.add_patch(Rectangle((x + i * unit, y), unit, 0.5, facecolor='#e4eef6', edgecolor=SOURCE))
        axes.text(x + (i + 0.5) * unit, y + 0.14, str(i), ha='center', va='center', fontsize=9, color=SOURCE)
        axes.plot(x + (i + 0.5) * unit, y + 0.35, '.', color=SOURCE)
    low = y + 1.35
    for o in range(dst):
        centre = x + (o + 0.5) * wide
        axes.add_patch(Rectangle((x + o * wide, low), wide, 0.5, facecolor='#f8e7dd', edgecolor=TARGET))
        axes.text(x + (o + 0.5) * wide, low + 0.36, f'{o}', ha='center', va='center', fontsize=9, color=TARGET)
        axes.plot(centre, low + 0.14, '.', color=TARGET)
        axes.plot([centre, centre], [low + 0.14, y + 0.35], '--', color=TARGET, linewidth=1)
        axes.plot(centre, y + 0.35, 'x', color=TARGET, markersize=7, markeredgewidth=2)
        p, d = int(top[o]), float(offset[o])
        axes.text(centre + 0.08, y + 0.62, f'$P$ = {p}, $d$ = {d:.2f}', fontsize=8.5, va='top', color=INK)
    axes.text(
        x,
        low + 0.78,
        'A pixel covers $[i, i+1)$, its centre is $i$ + ½.\n'
        'The centre $o$ + ½ falls on ($o$ + ½)·7/3, that is $P$ + ½ + $d$;\n'
        'a box edge at $x$ goes to $x$·3/7.',
        fontsize=9.5,
        va='top',
        linespacing=1.6,
        color=INK,
    )

    # Two dimensions: the neighbours of one output pixel.
    unit, x, y = 0.86, 7.6, 0.62
    dx, dy = 0.65, 0.35
    axes.text(x, 0.38, '2×2 neighbours of an output pixel, in their order', fontsize=10.5, weight='bold', color=INK)
    for row in range(3):
        for column in range(3):
            near = row < 2 and column < 2
            axes.add_patch(
                Rectangle(
                    (x + column * unit, y + row * unit),
                    unit,
                    unit,
                    facecolor='#e4eef6' if near else 'white',
                    edgecolor=SOURCE if near else '#cccccc',
                    zorder=2 if near else 1,
                )
            )
            if near:
                axes.plot(x + (column + 0.5) * unit, y + (row + 0.5) * unit, '.', color=SOURCE, zorder=3)
                axes.text(
                    x + (column + 0.09) * unit,
                    y + (row + 0.2) * unit,
                    f'$a_{2 * row + column}$',
                    fontsize=10,
                    color=SOURCE,
                    zorder=3,
                )
    px, py = x + 0.5 * unit, y + 0.5 * unit
    qx, qy = px + dx * unit, py + dy * unit
    axes.plot(qx, qy, 'x', color=TARGET, markersize=8, markeredgewidth=2.2, zorder=4)
    axes.text(qx + 0.09, qy + 0.02, 'Q', fontsize=10, color=TARGET, va='center', zorder=4)
    axes.text(px - 0.07, py - 0.02, '$P$', fontsize=10, color=SOURCE, ha='right', va='center', zorder=4)
    axes.plot([px, qx, qx], [py, py, qy], color=INK, linewidth=1, zorder=3)
    axes.text((px + qx) / 2, py - 0.06, '$dx$', fontsize=9, ha='center', zorder=4)
    axes.text(qx + 0.05, (py + qy) / 2, '$dy$', fontsize=9, va='center', zorder=4)
    rows, cols = neighbor_indices(7, 3, 4), neighbor_indices(7, 3, 4)
    assert rows[:, 0].tolist() == [0, 0, 1, 2] and torch.equal(rows, cols)
    axes.text(
        x,
        y + 3 * unit + 0.18,
        '$P$ is the top-left neighbour, $dx$ and $dy$ lie in [0, 1).\n'
        'Beyond the edge stands the edge pixel: with four neighbours,\n'
        'output 0 of the row on the left reads pixels 0, 0, 1, 2.',
        fontsize=9.5,
        va='top',
        linespacing=1.6,
        color=INK,
    )
    return figure


class Segmentor(nn.Sequential):
    """The smallest network that tells hatchings apart."""

    def __init__(self, classes: int, channels: int = 24) -> None:
        layers: list[nn.Module] = []
        for i in (3, channels, channels, channels):
            layers += [nn.Conv2d(i, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()]
        super().__init__(*layers, nn.Conv2d(channels, classes, 1))


def sample(seed: int, photographs: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Return an image (3, 192, 192), RGB, 0..255, and its labels."""
    image, labels = demo_data.draw_sample(np.random.default_rng(seed), photographs[seed % len(photographs)])
    return torch.from_numpy(image).permute(2, 0, 1).float(), torch.from_numpy(labels).long()


def train(net: DownsizeNet, steps: int = 300, batch: int = 4, count: int = 80) -> float:
    """Train a downsizer before a small segmentor; return the accuracy of the last tenth of the steps."""
    photographs = [demo_data.load_photograph(name) for name in demo_data.TRAIN_PHOTOGRAPHS]
    segmentor = Segmentor(len(demo_data.CLASSES))
    groups = [dict(params=net.parameters(), lr=1.5e-2), dict(params=segmentor.parameters(), lr=3e-3)]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, [1.5e-2, 3e-3], total_steps=steps, pct_start=0.15)
    drawn = [sample(i, photographs) for i in range(count)]
    right = []
    for step in range(steps):
        images, labels = map(torch.stack, zip(*(drawn[(step * batch + i) % count] for i in range(batch))))
        logits = segmentor((net(images, (64, 64)) - 127.5) / 64)
        labels = labels[:, 1::3, 1::3]
        optimizer.zero_grad()
        F.cross_entropy(logits, labels).backward()
        optimizer.step()
        schedule.step()
        right.append(float((logits.argmax(1) == labels).float().mean()))
    return float(np.mean(right[-steps // 10 :]))


def coefficients() -> Figure:
    """Draw what an antialiased start keeps of a picture, before and after training, and where its coefficients went."""
    torch.manual_seed(0)
    photographs = [demo_data.load_photograph(name) for name in demo_data.TEST_PHOTOGRAPHS]
    image, labels = sample(1001, photographs)
    net = DownsizeNet(neighbors=6, distance='triangle', start='triangle')
    rows = {'before training: the antialiased kernel': panels(net, image, (64, 64), 'bilinear', bgr=False)}
    accuracy = train(net)
    print(f'accuracy on the last training images: {accuracy:.3f}')
    rows['trained to tell the textures apart'] = panels(net, image, (64, 64), 'bilinear', bgr=False)

    figure = new_figure(12.4, 6.6)
    grid = figure.subplots(
        2, 4, gridspec_kw=dict(left=0.035, right=0.99, top=0.93, bottom=0.03, wspace=0.06, hspace=0.16)
    )
    names = np.array([[0.55, 0.55, 0.55], [0.90, 0.33, 0.24], [0.27, 0.63, 0.90]])
    grid[0, 0].imshow(rows['trained to tell the textures apart']['source'], interpolation='nearest')
    grid[0, 0].set_title('source, 192×192', fontsize=10)
    grid[1, 0].imshow(names[labels.numpy()], interpolation='nearest')
    grid[1, 0].set_title('texture: grain, vertical, horizontal', fontsize=10)
    for axes, (caption, shown) in zip(grid[:, 1:], rows.items()):
        counting, displaced = (next(key for key in shown if key.startswith(start)) for start in ('neighbours', 'displ'))
        for panel, key, text in zip(axes, ('learned', counting, displaced), ('result, 64×64', counting, displaced)):
            panel.imshow(shown[key], interpolation='nearest')
            panel.set_title(text, fontsize=10)
        axes[0].set_ylabel(caption, fontsize=10)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    return figure


# Photograph, top and left of a crop, px.
GALLERY = (
    ('chelsea', 90, 110),
    ('astronaut', 330, 210),
    ('motorcycle', 250, 440),
    ('coffee', 150, 190),
    ('rocket', 270, 280),
    ('camera', 90, 190),
    ('coins', 130, 130),
    ('immunohistochemistry', 130, 130),
    ('brick', 130, 130),
    ('grass', 130, 130),
)
CROP, CROP_SMALL = 126, 42  # px
CONTRAST = 4  # of the difference


def gallery() -> Figure:
    """Draw crops of ten photographs: the source, a third of it by area and by the trained downsizer, and their difference."""
    area, learned = FixedResizer('area'), DownsizeNet.from_pretrained('downsizenet_6x6_signed_voc2012')
    size, gap, title = CROP, 4, 24  # px
    titles = ('source', 'area', 'learned', f'difference x {CONTRAST}')
    width, height = len(titles) * (size + gap) - gap, title + len(GALLERY) * (size + gap) - gap
    figure = new_figure(width / DPI, height / DPI)
    axes = canvas(figure, width, height)
    for column, text in enumerate(titles):
        axes.text(column * (size + gap) + size / 2, title / 2, text, ha='center', va='center', fontsize=8, color=INK)
    for row, (name, top, left) in enumerate(GALLERY):
        source = demo_data.load_photograph(name)[top : top + size, left : left + size]
        image = torch.from_numpy(source[..., ::-1].copy()).permute(2, 0, 1)[None].float()  # BGR, as the weights have it
        with torch.inference_mode():
            small = [resizer(image, (CROP_SMALL,) * 2)[0].flip(0).permute(1, 2, 0) for resizer in (area, learned)]
        pictures = [torch.from_numpy(source.copy()), *small, 127.5 + CONTRAST * (small[1] - small[0])]
        for column, picture in enumerate(pictures):
            x, y = column * (size + gap), title + row * (size + gap)
            shown = picture.clamp(0, 255).round().byte().numpy()
            axes.imshow(shown, interpolation='nearest', extent=(x, x + size, y + size, y), aspect='auto')
    axes.set(xlim=(0, width), ylim=(height, 0))
    return figure


FIGURES = {'architecture': architecture, 'geometry': geometry, 'coefficients': coefficients, 'gallery': gallery}


def main(names: Sequence[str]) -> None:
    """Draw these figures, all by default."""
    unknown = set(names) - FIGURES.keys()
    if unknown:
        sys.exit(f'unknown figures {sorted(unknown)}, choose from {", ".join(FIGURES)}')
    for name in names or FIGURES:
        path = ROOT / 'docs' / 'images' / f'{name}.png'
        FIGURES[name]().savefig(path, metadata={'Software': None})
        print(path.relative_to(ROOT))


if __name__ == '__main__':
    main(sys.argv[1:])
