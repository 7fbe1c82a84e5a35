"""Draws study/images/summary.png from the runs in study/results, and prints the same as a table.

python -m study.figure
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from mmdownsize.comparing.log import by_arm, in_every_seed, read_log
from mmdownsize.comparing.report import markdown
from mmdownsize.comparing.statistics import Difference, paired_difference

STUDY = Path(__file__).resolve().parent
OURS = 'sharp_area'  # the fixed kernel that no library has
COLORS = {'bilinear': '#8a8a8a', 'standard': '#1f6fb4', OURS: '#c8501e'}
ITSELF, BALANCED, VARIED = 'itself', 'itself, classes balanced', 'itself, images never recur'
ELSEWHERE = 'VOC 2012, DeepLabv3+ 1'


@dataclass(frozen=True)
class Setting:
    """Fits before one model, and where their runs are.

    Attributes:
        model: Data set and model; models of one kind are numbered.
        size: Scale of the images that the model sees.
        fitted_to: What the downsizers were fitted to.
        log: Name of the log in study/results.
        config: Config of the runs in it.
        arm: The fits.
    """

    model: str
    size: str
    fitted_to: str
    log: str
    config: str
    arm: str

    @property
    def title(self) -> str:
        """The setting in words."""
        return f'{self.model}, {self.size}, fitted to {self.fitted_to}'


VOC, CAMVID, DET = ('voc2012_shifted_100', 'camvid_shifted_108', 'voc2012_det_shifted_100')
ONCE, TWICE = 'downsizenet_6x6_area_positions_once', 'downsizenet_6x6_area_positions'
ONCE_BALANCED = 'downsizenet_6x6_area_balanced_1_positions_once'
FROM_VOC = 'positions_fitted_to_voc2012'
SETTINGS = [
    Setting('VOC 2012, DeepLabv3+ 1', '1/3', ITSELF, 'positions', VOC, TWICE),
    Setting('VOC 2012, DeepLabv3+ 1', '1/3', VARIED, 'positions', VOC, 'downsizenet_6x6_area_varied_images'),
    Setting('VOC 2012, DeepLabv3+ 1', '1/3', BALANCED, 'positions', VOC, ONCE_BALANCED),
    Setting('VOC 2012, DeepLabv3+ 2', '1/3', ITSELF, 'positions_second', VOC, 'area_8_0_positions'),
    Setting('VOC 2012, FCN', '1/3', ITSELF, 'positions_fcn', 'voc2012_fcn_shifted_100', TWICE),
    Setting('VOC 2012, FCN', '1/3', BALANCED, 'positions_fcn', 'voc2012_fcn_shifted_100', ONCE_BALANCED),
    Setting('CamVid, DeepLabv3+ 1', '0.3', ITSELF, 'positions_camvid', CAMVID, 'fitted_to_camvid'),
    Setting('CamVid, DeepLabv3+ 1', '0.3', BALANCED, 'positions_camvid', CAMVID, ONCE_BALANCED),
    Setting('CamVid, DeepLabv3+ 3', '0.3', ITSELF, 'positions_camvid_third', CAMVID, ONCE),
    Setting('CamVid, DeepLabv3+ 3', '0.3', BALANCED, 'positions_camvid_third', CAMVID, ONCE_BALANCED),
    Setting('VOC 2012, ATSS (AP at 0.5)', '1/3', ITSELF, 'positions_det', DET, 'fitted_to_the_detector'),
    Setting('VOC 2012, DeepLabv3+ 1', '0.53', ITSELF, 'positions_half', 'voc2012_shifted_160', ONCE),
    Setting('CamVid, DeepLabv3+ 1', '0.53', ITSELF, 'positions_half_camvid', 'camvid_shifted_192', ONCE),
    Setting(
        'CamVid, DeepLabv3+ 3', '0.53', BALANCED, 'positions_half_camvid_third', 'camvid_shifted_192', ONCE_BALANCED
    ),
    Setting('CamVid, DeepLabv3+ 1', '0.3', ELSEWHERE, 'positions_camvid', CAMVID, FROM_VOC),
    Setting('CamVid, DeepLabv3+ 2', '0.3', ELSEWHERE, 'positions_camvid_second', CAMVID, FROM_VOC),
    Setting('CamVid, DeepLabv3+ 3', '0.3', ELSEWHERE, 'positions_camvid_third', CAMVID, FROM_VOC),
    Setting('VOC 2012, ATSS (AP at 0.5)', '1/3', ELSEWHERE, 'positions_det', DET, FROM_VOC),
]


@dataclass(frozen=True)
class Result:
    """What the runs of a setting say, in points of the metric.

    Attributes:
        fits: The value of every fit.
        rivals: Value of a fixed kernel by ``'bilinear'``, ``'standard'`` (the best kernel of any library) and ``'sharp_area'``.
        standard: Name of that best kernel.
    """

    fits: list[float]
    rivals: dict[str, float]
    standard: str

    def minus(self, rival: str) -> list[float]:
        """Return every fit minus a fixed kernel."""
        return [fit - self.rivals[rival] for fit in self.fits]

    def difference(self, rival: str) -> Difference:
        """Return their mean and its 95 % interval (paired t: a fixed kernel has one value before a finished model)."""
        return paired_difference(self.minus(rival), [0.0] * len(self.fits))


def result_of(setting: Setting) -> Result:
    """Return what the runs of a setting say."""
    logged = read_log([STUDY / 'results' / f'{setting.log}.jsonl'])
    runs = [run for run in logged if run['config'] == setting.config]
    table = in_every_seed(runs, by_arm(runs, runs[0]['metric']))
    fixed = {
        run['arm']: statistics.fmean(table[run['arm']].values())
        for run in runs
        if run['downsizer'].get('type') == 'FixedResizer'
    }
    best = max(fixed.keys() - {OURS}, key=fixed.__getitem__)
    rivals = {'bilinear': fixed['bilinear'], 'standard': fixed[best], OURS: fixed[OURS]}
    name = best.replace('lanczos_antialiased', 'antialiased Lanczos').replace('_', ' ')
    return Result(list(table[setting.arm].values()), rivals, name)


def written(difference: Difference) -> str:
    """Return a difference as the pages give it."""
    values = (difference.mean, difference.low, difference.high)
    mean, low, high = (round(value, 2) + 0.0 for value in values)  # no -0.00
    return f'{mean:+.2f} ({low:.2f} to {high:.2f})'


def table() -> str:
    """Return the table of study/README.md."""
    lines = []
    for setting in SETTINGS:
        result = result_of(setting)
        best = f'{result.rivals["standard"]:.2f} {result.standard}'
        values = [f'{result.rivals["bilinear"]:.2f}', best, f'{result.rivals[OURS]:.2f}']
        own = f'{statistics.fmean(result.fits):.2f}'
        differences = [written(result.difference(rival)) for rival in result.rivals]
        count = str(len(result.fits))
        lines.append([setting.model, setting.size, setting.fitted_to, count, *values, own, *differences])
    head = ['model', 'scale', 'fitted to', 'fits', 'bilinear', 'best standard kernel', 'sharp area', 'DownsizeNet']
    head += ['minus bilinear', 'minus best standard', 'minus sharp area']
    return markdown(head, lines)


def summary() -> Figure:
    """Draw every fit as a point, and means with their 95 % intervals, in points."""
    figure = Figure(figsize=(9.4, 0.92 * len(SETTINGS) + 1.0), dpi=130, facecolor='white', layout='constrained')
    axes = figure.subplots()
    axes.axvline(0, color='#222222', linewidth=1)
    labels = []
    for i, setting in enumerate(SETTINGS):
        result = result_of(setting)
        for j, rival in enumerate(result.rivals):
            y = i + 0.24 * (j - 1)
            own, difference = result.minus(rival), result.difference(rival)
            axes.plot(own, [y] * len(own), 'o', color=COLORS[rival], markersize=3.5, alpha=0.5)
            axes.plot([difference.low, difference.high], [y, y], color=COLORS[rival], linewidth=2.2)
            axes.plot(difference.mean, y, 'D', color=COLORS[rival], markersize=5)
            beside = dict(xycoords=('axes fraction', 'data'), fontsize=8, va='center', color=COLORS[rival])
            axes.annotate(written(difference), (1.01, y), **beside)
        fits = f'{len(result.fits)} fits to {setting.fitted_to}'
        labels.append(f'{setting.model}, scale {setting.size}\n{fits}\nbest standard: {result.standard}')
        if i:
            axes.axhline(i - 0.5, color='#dddddd', linewidth=0.8)
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.set(ylim=(len(labels) - 0.5, -0.5), xlabel='fitted DownsizeNet minus a fixed kernel, points of mIoU or AP')
    axes.grid(axis='x', alpha=0.3)
    axes.spines[['top', 'right', 'left']].set_visible(False)
    axes.tick_params(axis='y', length=0)
    names = {
        'bilinear': 'minus bilinear',
        'standard': 'minus the best standard kernel',
        OURS: 'minus the sharp area (ours)',
    }
    handles = [axes.plot([], [], 'D', color=COLORS[key], markersize=5, label=name)[0] for key, name in names.items()]
    figure.legend(handles=handles, loc='outside upper center', ncols=3, fontsize=9, frameon=False)
    return figure


if __name__ == '__main__':
    path = STUDY / 'images' / 'summary.png'
    summary().savefig(path, metadata={'Software': None})
    print(f'{path.relative_to(STUDY.parent)}\n\n{table()}')
