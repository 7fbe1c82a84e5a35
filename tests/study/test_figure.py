"""The summary of the study is the one of the runs that are kept."""

import statistics

import pytest
from scipy import stats

from study import figure as study_figure
from study.figure import ROOT, SETTINGS, Setting, differences, written
from tools.compare_report import paired_difference


def test_the_page_has_the_table_of_the_runs() -> None:
    assert study_figure.table() in (ROOT / 'docs' / 'study.md').read_text()


@pytest.mark.parametrize('setting', SETTINGS, ids=lambda setting: setting.title)
def test_a_fixed_kernel_has_one_value_and_the_best_usual_one_is_in_front_of_the_others(setting: Setting) -> None:
    rows, usual = differences(setting)
    (bilinear, best, _) = (difference.mean for _, _, difference in rows)
    assert [key for key, _, _ in rows] == ['bilinear', 'usual', 'sharp_area'] and usual != 'sharp_area'
    assert best <= bilinear  # the better the rival, the less there is between
    for _, own, difference in rows:
        assert len(own) == difference.count >= 5
        low, high = stats.t.interval(0.95, len(own) - 1, difference.mean, stats.sem(own))
        assert (difference.mean, difference.low, difference.high) == pytest.approx((statistics.fmean(own), low, high))


def test_a_difference_of_nothing_has_no_sign() -> None:
    assert written(paired_difference([-0.001, 0.0], [0.0, 0.0])) == '+0.00 (-0.01 to 0.01)'
    assert written(paired_difference([1.0, 2.0], [2.0, 2.5])) == '-0.75 (-3.93 to 2.43)'


def test_every_fit_is_a_point_and_every_mean_an_interval() -> None:
    axes = study_figure.summary().axes[0]
    fits = [line for line in axes.get_lines() if line.get_marker() == 'o']
    intervals = [line for line in axes.get_lines() if line.get_linewidth() == 2.2]
    rows = [row for setting in SETTINGS for row in differences(setting)[0]]
    assert [list(line.get_xdata()) for line in fits] == [own for _, own, _ in rows]
    assert [list(line.get_xdata()) for line in intervals] == [
        [difference.low, difference.high] for *_, difference in rows
    ]
