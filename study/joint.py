"""The tables of study/pages/joint.md: everything trained together, from the runs in study/results.

python -m study.joint
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from mmdownsize.comparing.log import by_arm, read_log
from mmdownsize.comparing.report import difference_of, markdown
from study.figure import STUDY, written

SEEDS = 5  # of every number, unless said otherwise
LANCZOS = 'lanczos_antialiased'
RANK = 'darkest_soft_16'  # the best fixed resizer of this package on cracks
TITLES = {
    'bilinear': 'bilinear',
    'area': 'area',
    'sharp_area': 'sharp area',
    'bicubic_antialiased': 'antialiased bicubic',
    LANCZOS: 'antialiased Lanczos',
    'darkest': 'darkest pixel',
    RANK: 'darkest, softness 16',
    'importance': 'ImportanceResizer',
    'importance_8': 'ImportanceResizer, 8 channels',
    'importance_2': 'ImportanceResizer, 2 convolutions',
    'importance_colours': 'ImportanceResizer, `per_channel`',
    'downsizenet_6x6_signed': 'DownsizeNet 6x6 signed',
    'downsizenet_8x8_signed': 'DownsizeNet 8x8 signed',
    'both_6x6_signed': 'DownsizeNet 6x6 signed and an importance',
    'importance_colours_around_lanczos': 'ImportanceResizer around Lanczos',
    'importance_colours_2_around_lanczos': 'ImportanceResizer around Lanczos, 2 convolutions',
    'importance_colours_3_around_lanczos': 'ImportanceResizer around Lanczos, 3 convolutions, dilated',
}


@dataclass(frozen=True)
class Setting:
    """One data set, model and schedule.

    Attributes:
        title: What it is.
        log: Name of the log in study/results.
        metric: What is compared.
        rivals: The fixed resizers that the others are compared with, the best standard kernel first.
    """

    title: str
    log: str
    metric: str = 'IoU/crack'
    rivals: tuple[str, ...] = (LANCZOS, RANK)

    def values(self) -> dict[str, dict[int, float]]:
        """Return the metric by arm and seed."""
        return by_arm(read_log([STUDY / 'results' / f'{self.log}.jsonl']), self.metric)


SETTINGS = [
    Setting('Cracks, 500 steps', 'cracks_500'),
    Setting('Cracks, 2000 steps', 'cracks_2000'),
    Setting('Tiles, 2000 steps', 'tiles', 'image_IoU/mean'),
    Setting('Circuit boards, 500 steps', 'boards', 'coco/bbox_mAP', (LANCZOS, 'area')),
    Setting('Blood cells, 500 steps', 'blood_cells', 'coco/bbox_mAP', (LANCZOS, 'area')),
]


def table(setting: Setting) -> str:
    """Return a table of all resizers in a log, with paired differences over seeds."""
    values = setting.values()
    lines = []
    for arm, title in TITLES.items():
        if arm not in values:
            continue
        row = [title, str(len(values[arm])), f'{statistics.fmean(values[arm].values()):.2f}']
        for rival in setting.rivals:
            found = difference_of(values, arm, rival) if rival != arm else None
            single = None if found is None or found.count > 1 else f'{found.mean:+.2f} (one seed)'
            row.append('' if found is None else single or written(found))
        lines.append(row)
    head = ['before the model', 'seeds', setting.metric, *(f'minus {TITLES[rival]}' for rival in setting.rivals)]
    return markdown(head, lines)


# Differences that the tables do not have: log, metric, resizer, rival.
PAIRS = [
    ('cracks_500', 'IoU/crack', 'both_6x6_signed', 'downsizenet_6x6_signed'),
    ('cracks_500', 'IoU/crack', 'importance_colours_around_lanczos', 'importance_colours'),
    ('cracks_500', 'IoU/crack', 'importance_colours_around_lanczos', 'downsizenet_6x6_signed'),
    ('cracks_500', 'IoU/crack', 'importance_colours_2_around_lanczos', 'importance_colours_around_lanczos'),
    ('cracks_500', 'IoU/crack', 'importance_colours_3_around_lanczos', 'importance_colours_around_lanczos'),
    ('cracks_2000', 'IoU/crack', 'importance_colours_2_around_lanczos', 'importance_colours_around_lanczos'),
    ('cracks_2000', 'IoU/crack', 'importance_colours_around_lanczos', 'importance'),
    ('cracks_2000', 'IoU/crack', 'importance_colours_around_lanczos', 'downsizenet_6x6_signed'),
    ('tiles', 'image_IoU/mean', 'importance', 'area'),
    ('tiles', 'image_IoU/mean', 'importance_colours_around_lanczos', 'importance'),
    ('tiles', 'image_IoU/mean', 'importance_colours_around_lanczos', 'area'),
]
SCALES, OWN_SCALE = (0.2, 0.25, 0.3, 0.4), 0.25
TILE_KINDS = ['image_IoU/blowhole', 'image_IoU/crack', 'image_IoU/break']
SUMMARY = {
    'bilinear': 'bilinear',
    'area': 'area',
    LANCZOS: 'antialiased Lanczos',
    RANK: "`FixedResizer(kernel='darkest', softness=16)`",
    'importance': 'ImportanceResizer',
    'importance_colours_around_lanczos': 'ImportanceResizer around Lanczos',
    'downsizenet_6x6_signed': 'DownsizeNet 6x6 signed',
}


def summary() -> str:
    """Return the table of README.md: every setting side by side, and the difference to antialiased Lanczos."""
    runs = [setting.values() for setting in SETTINGS]
    lines = [[title, *(_entry(values, arm) for values in runs)] for arm, title in SUMMARY.items()]
    return markdown(['before the model', *(setting.title for setting in SETTINGS)], lines)


def _entry(values: dict[str, dict[int, float]], arm: str) -> str:
    """Return an arm's mean, its difference to antialiased Lanczos, and the number of seeds where it is not SEEDS."""
    if arm not in values:
        return ''
    text, count = f'{statistics.fmean(values[arm].values()):.2f}', len(values[arm])
    found = difference_of(values, arm, LANCZOS) if arm != LANCZOS else None
    if found is not None:
        text += f': {written(found)}' if found.count > 1 else f': {found.mean:+.2f}'
    return text if count == SEEDS else f'{text}, {"one seed" if count == 1 else f"{count} seeds"}'


def pairs() -> str:
    """Return a table of the differences in PAIRS."""
    lines = []
    for log, metric, arm, rival in PAIRS:
        found = difference_of(by_arm(read_log([STUDY / 'results' / f'{log}.jsonl']), metric), arm, rival)
        lines.append([log, TITLES[arm], TITLES[rival], str(found.count), written(found)])
    return markdown(['runs', 'before the model', 'rival', 'seeds', 'difference'], lines)


def kinds(log: str, metrics: Sequence[str]) -> str:
    """Return a table of the means of several metrics of a log, of arms with several seeds: what each resizer is good at."""
    runs = read_log([STUDY / 'results' / f'{log}.jsonl'])
    values = [by_arm(runs, metric) for metric in metrics]
    lines = [
        [title, *(f'{statistics.fmean(one[arm].values()):.2f}' for one in values)]
        for arm, title in TITLES.items()
        if len(values[0].get(arm, ())) > 1
    ]
    return markdown(['before the model', *metrics], lines)


def scales() -> str:
    """Return a table of cracks at several scales: means, and differences to antialiased Lanczos at the same scale."""
    runs = read_log([STUDY / 'results' / f'{log}.jsonl' for log in ('cracks_500', 'cracks_scales')])
    values = by_arm(runs, 'IoU/crack')
    lines = []
    for arm, title in SUMMARY.items():
        row = []
        for scale in SCALES:
            name, rival = (one if scale == OWN_SCALE else f'{one}@{scale:g}' for one in (arm, LANCZOS))
            mean = f'{statistics.fmean(values[name].values()):.2f}' if name in values else ''
            found = difference_of(values, name, rival) if mean and arm != LANCZOS else None
            row.append(mean if found is None else f'{mean}: {written(found)}')
        if row[0]:
            lines.append([title, *row])
    return markdown(['before the model', *(f'{scale:g}' for scale in SCALES)], lines)


def main() -> None:
    """Print the tables."""
    for setting in SETTINGS:
        print(f'{setting.title}\n\n{table(setting)}\n')
    print(f'Tiles by kind\n\n{kinds("tiles", TILE_KINDS)}\n')
    print(f'Cracks by scale\n\n{scales()}\n')
    print(f'Pairs\n\n{pairs()}\n')
    print(f'README.md\n\n{summary()}')


if __name__ == '__main__':
    main()
