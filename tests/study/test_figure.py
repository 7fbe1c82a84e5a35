"""The summary of the study says what the runs say that are kept."""

import statistics

import pytest
from scipy import stats

from mmdownsize.comparing.log import read_log
from mmdownsize.comparing.statistics import paired_difference
from study import figure as study_figure
from study.figure import SETTINGS, STUDY, Setting, result_of, written


def test_the_page_has_the_table_of_the_runs() -> None:
    assert study_figure.table() in (STUDY / 'README.md').read_text()


@pytest.mark.parametrize('setting', SETTINGS, ids=lambda setting: setting.title)
def test_a_fixed_kernel_has_one_value_and_the_best_standard_one_is_above_the_others(setting: Setting) -> None:
    result = result_of(setting)
    assert list(result.rivals) == ['bilinear', 'standard', 'sharp_area'] and result.standard != 'sharp area'
    runs = [run for run in read_log([STUDY / 'results' / f'{setting.log}.jsonl']) if run['config'] == setting.config]
    for run in runs:
        if run['downsizer']['type'] == 'FixedResizer' and run['arm'] != 'sharp_area':
            assert run['metrics'][run['metric']] <= result.rivals['standard'] + 1e-9
    for rival, value in result.rivals.items():
        own, difference = result.minus(rival), result.difference(rival)
        assert own == [fit - value for fit in result.fits] and len(own) == difference.count >= 5
        low, high = stats.t.interval(0.95, len(own) - 1, difference.mean, stats.sem(own))
        assert (difference.mean, difference.low, difference.high) == pytest.approx((statistics.fmean(own), low, high))


def test_a_difference_of_nothing_has_no_sign() -> None:
    assert written(paired_difference([-0.001, 0.0], [0.0, 0.0])) == '+0.00 (-0.01 to 0.01)'
    assert written(paired_difference([1.0, 2.0], [2.0, 2.5])) == '-0.75 (-3.93 to 2.43)'


def test_every_fit_is_a_point_and_every_mean_an_interval() -> None:
    axes = study_figure.summary().axes[0]
    fits = [line for line in axes.get_lines() if line.get_marker() == 'o']
    intervals = [line for line in axes.get_lines() if line.get_linewidth() == 2.2]
    results = [result_of(setting) for setting in SETTINGS]
    assert [list(line.get_xdata()) for line in fits] == [r.minus(rival) for r in results for rival in r.rivals]
    differences = [r.difference(rival) for r in results for rival in r.rivals]
    assert [list(line.get_xdata()) for line in intervals] == [[d.low, d.high] for d in differences]
