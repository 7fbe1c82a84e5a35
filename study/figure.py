"""Draws the summary of the study, study/images/study_summary.png, and prints it as a table: python study/figure.py.

Both are made of the runs in docs/results/.
"""

from __future__ import annotations

import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # also runs from a clone that is not installed

from tools.compare_report import Difference, by_arm, in_every_seed, markdown, paired_difference, read_log  # noqa: E402

OURS = 'sharp_area'  # the fixed kernel that no library has
COLORS = {'bilinear': '#8a8a8a', 'usual': '#1f6fb4', OURS: '#c8501e'}


@dataclass(frozen=True)
class Setting:
    """Fits in front of one model, and where their runs are.

    Attributes:
        title: What the model is, and what the fits were fitted to.
        log: Name of the log in docs/results/.
        config: Config of the runs in it.
        arm: The fits.
    """

    title: str
    log: str
    config: str
    arm: str


SETTINGS = [
    Setting('VOC 2012, DeepLabv3+', 'study_positions', 'voc2012_shifted_100', 'downsizenet_6x6_area_positions'),
    Setting(
        'the same, images that never recur',
        'study_positions',
        'voc2012_shifted_100',
        'downsizenet_6x6_area_varied_images',
    ),
    Setting(
        'the same, once, classes balanced',
        'study_positions',
        'voc2012_shifted_100',
        'downsizenet_6x6_area_balanced_1_positions_once',
    ),
    Setting('VOC 2012, FCN', 'study_positions_second', 'voc2012_fcn_shifted_100', 'downsizenet_6x6_area_positions'),
    Setting(
        'the same FCN, once, classes balanced',
        'study_positions_second',
        'voc2012_fcn_shifted_100',
        'downsizenet_6x6_area_balanced_1_positions_once',
    ),
    Setting('VOC 2012, another DeepLabv3+', 'study_positions_third', 'voc2012_shifted_100', 'area_8_0_positions'),
    Setting('CamVid, DeepLabv3+', 'study_positions_camvid', 'camvid_shifted_108', 'fitted_to_camvid'),
    Setting(
        'the same model, classes balanced',
        'study_positions_camvid',
        'camvid_shifted_108',
        'downsizenet_6x6_area_balanced_1_positions_once',
    ),
    Setting(
        'a third CamVid model',
        'study_positions_camvid_third',
        'camvid_shifted_108',
        'downsizenet_6x6_area_positions_once',
    ),
    Setting(
        'the same third model, classes balanced',
        'study_positions_camvid_third',
        'camvid_shifted_108',
        'downsizenet_6x6_area_balanced_1_positions_once',
    ),
    Setting('VOC 2012, ATSS: AP at 0.5', 'study_positions_det', 'voc2012_det_shifted_100', 'fitted_to_the_detector'),
    Setting(
        'VOC 2012, DeepLabv3+, half the size',
        'study_positions_half',
        'voc2012_shifted_160',
        'downsizenet_6x6_area_positions_once',
    ),
    Setting(
        'CamVid, DeepLabv3+, half the size',
        'study_positions_half_camvid',
        'camvid_shifted_192',
        'downsizenet_6x6_area_positions_once',
    ),
    Setting(
        'CamVid, third model, half, balanced',
        'study_positions_half_camvid_third',
        'camvid_shifted_192',
        'downsizenet_6x6_area_balanced_1_positions_once',
    ),
    Setting(
        'CamVid, fitted to VOC 2012', 'study_positions_camvid', 'camvid_shifted_108', 'positions_fitted_to_voc2012'
    ),
    Setting(
        'another CamVid model, fitted to VOC 2012',
        'study_positions_camvid_second',
        'camvid_shifted_108',
        'positions_fitted_to_voc2012',
    ),
    Setting(
        'a third CamVid model, fitted to VOC 2012',
        'study_positions_camvid_third',
        'camvid_shifted_108',
        'positions_fitted_to_voc2012',
    ),
    Setting(
        'ATSS, fitted to the segmentor',
        'study_positions_det',
        'voc2012_det_shifted_100',
        'positions_fitted_to_voc2012',
    ),
]


def differences(setting: Setting) -> tuple[list[tuple[str, list[float], Difference]], str]:
    """Return the fits minus bilinear, minus the best library kernel and minus the sharp area, and the second's name."""
    logged = read_log([ROOT / 'docs' / 'results' / f'{setting.log}.jsonl'])
    runs = [run for run in logged if run['config'] == setting.config]
    table = in_every_seed(runs, by_arm(runs, runs[0]['metric']))
    fixed = {run['arm'] for run in runs if run['downsizer'].get('type') == 'FixedResizer'}
    usual = max(fixed - {OURS}, key=lambda arm: statistics.fmean(table[arm].values()))
    rows = []
    for key, rival in {'bilinear': 'bilinear', 'usual': usual, OURS: OURS}.items():
        own = [value - table[rival][seed] for seed, value in table[setting.arm].items()]
        rows.append((key, own, paired_difference(own, [0.0] * len(own))))
    return rows, usual.replace('lanczos_antialiased', 'antialiased Lanczos').replace('_', ' ')


def written(difference: Difference) -> str:
    """Return a difference as the docs give it."""
    values = (difference.mean, difference.low, difference.high)
    mean, low, high = (round(value, 2) + 0.0 for value in values)  # no -0.00
    return f'{mean:+.2f} ({low:.2f} to {high:.2f})'


def table() -> str:
    """Return the summary as a table for the docs."""
    lines = []
    for setting in SETTINGS:
        rows, usual = differences(setting)
        bilinear, best, ours = (written(difference) for _, _, difference in rows)
        lines.append([setting.title, str(rows[0][2].count), bilinear, f'{best}, {usual}', ours])
    head = ['in front of', 'fits', 'minus bilinear', 'minus the best usual kernel', 'minus the sharp area']
    return markdown(head, lines)


def summary() -> Figure:
    """Draw every fit as a point, and means with their 95 % intervals (paired t), in points."""
    figure = Figure(figsize=(9.4, 0.92 * len(SETTINGS) + 1.0), dpi=130, facecolor='white', layout='constrained')
    axes = figure.subplots()
    axes.axvline(0, color='#222222', linewidth=1)
    labels = []
    for i, setting in enumerate(SETTINGS):
        rows, usual = differences(setting)
        for j, (key, own, difference) in enumerate(rows):
            y = i + 0.24 * (j - 1)
            axes.plot(own, [y] * len(own), 'o', color=COLORS[key], markersize=3.5, alpha=0.5)
            axes.plot([difference.low, difference.high], [y, y], color=COLORS[key], linewidth=2.2)
            axes.plot(difference.mean, y, 'D', color=COLORS[key], markersize=5)
            beside = dict(xycoords=('axes fraction', 'data'), fontsize=8, va='center', color=COLORS[key])
            axes.annotate(written(difference), (1.01, y), **beside)
        labels.append(f'{setting.title}\n{len(own)} fits; best usual: {usual}')
        if i:
            axes.axhline(i - 0.5, color='#dddddd', linewidth=0.8)
    axes.set_yticks(range(len(labels)), labels, fontsize=9)
    axes.set(ylim=(len(labels) - 0.5, -0.5), xlabel='fitted DownsizeNet minus a fixed kernel, points of mIoU or AP')
    axes.grid(axis='x', alpha=0.3)
    axes.spines[['top', 'right', 'left']].set_visible(False)
    axes.tick_params(axis='y', length=0)
    names = {'bilinear': 'minus bilinear', 'usual': 'minus the best usual kernel', OURS: 'minus the sharp area (ours)'}
    handles = [axes.plot([], [], 'D', color=COLORS[key], markersize=5, label=name)[0] for key, name in names.items()]
    figure.legend(handles=handles, loc='outside upper center', ncols=3, fontsize=9, frameon=False)
    return figure


if __name__ == '__main__':
    path = ROOT / 'docs' / 'images' / 'study_summary.png'
    summary().savefig(path, metadata={'Software': None})
    print(f'{path.relative_to(ROOT)}\n\n{table()}')
