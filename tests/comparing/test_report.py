"""Tables of logs: what is compared with what, over which seeds."""

import json

import pytest

from mmdownsize.comparing.log import read_log
from mmdownsize.comparing.report import markdown, rows_of
from mmdownsize.comparing.statistics import paired_difference
from tools import compare_report


def run_line(arm, seed, value, kind='FixedResizer', config='c'):
    return {
        'config': config,
        'arm': arm,
        'seed': seed,
        'metric': 'mIoU',
        'metrics': {'mIoU': value},
        'seconds': 10.0,
        'downsizer': {'type': kind},
    }


def test_rows_compare_with_the_baseline_and_the_best_fixed_one_over_common_seeds():
    runs = [run_line('bilinear', s, v) for s, v in enumerate([50.0, 51.0, 52.0])]
    runs += [run_line('area', s, v) for s, v in enumerate([51.0, 52.5, 53.0])]
    runs += [run_line('ours', s, v, 'DownsizeNet') for s, v in enumerate([52.0, 53.0])]  # the third is not done yet
    head, rows = rows_of(runs, 'mIoU', 'bilinear')
    assert head[4] == 'minus bilinear' and head[7] == 'minus area'
    by_arm = {row[0]: row for row in rows}
    assert by_arm['ours'][1:3] == ['2', '52.50']
    assert by_arm['ours'][4] == '+2.00'
    assert by_arm['ours'][7] == '+0.75'  # 1.0 and 0.5
    low, high = (float(number) for number in by_arm['ours'][8].split(' to '))
    assert (low + high) / 2 == pytest.approx(0.75, abs=0.01)
    assert by_arm['bilinear'][4:7] == ['', '', '']
    text = markdown(head, rows)
    assert text.splitlines()[1] == '|' + ' --- |' * len(head)


@pytest.mark.parametrize(
    ('trained', 'start', 'values', 'seeds'),
    [
        (False, 'model.pth', [50.0], 3),  # one finished model: a fixed kernel has one value before it
        (False, 'model_{seed}.pth', [50.0], 1),
        (False, None, [50.0], 1),
        (True, 'model.pth', [50.0], 1),
        (False, 'model.pth', [50.0, 50.5], 2),
    ],
)
def test_a_fixed_kernel_in_front_of_one_finished_model_is_compared_in_every_seed(trained, start, values, seeds):
    fixed = [dict(run_line('bilinear', s, v), trained=trained, start=start) for s, v in enumerate(values)]
    ours = [dict(run_line('ours', s, 51.0 + s, 'DownsizeNet'), trained=True, start=start) for s in range(3)]
    _, rows = rows_of(fixed + ours, 'mIoU', 'bilinear')
    kernel, own = rows
    assert kernel[1] == str(len(values)) and own[1] == '3'  # as many as were run
    expected = [51.0 + s - values[min(s, len(values) - 1)] for s in range(seeds)]
    assert own[4] == f'{sum(expected) / seeds:+.2f}'
    paired = paired_difference(expected, [0.0] * seeds)
    assert own[5] == ('one seed' if seeds == 1 else f'{paired.low:+.2f} to {paired.high:+.2f}')


def test_a_baseline_that_is_the_best_fixed_one_is_named_once():
    head, _ = rows_of([run_line('bilinear', 0, 50.0), run_line('ours', 0, 51.0, 'X')], 'mIoU', 'bilinear')
    assert sum(column.startswith('minus') for column in head) == 1


def test_a_log_may_have_several_configs_and_repeated_runs(tmp_path, capsys):
    log = tmp_path / 'runs.jsonl'
    lines = [run_line('bilinear', 0, 1.0), run_line('bilinear', 0, 2.0), run_line('bilinear', 0, 7.0, config='d')]
    log.write_text(''.join(json.dumps(line) + '\n' for line in lines))
    assert [run['metrics']['mIoU'] for run in read_log([log])] == [2.0, 7.0]
    assert [run['options'] for run in read_log([log])] == [{}, {}]  # as the first versions wrote it, without options
    compare_report.main([str(log), '--markdown', '--plot', str(tmp_path / 'runs.png')])
    assert capsys.readouterr().out.count('| bilinear |') == 2
    assert (tmp_path / 'runs.png').stat().st_size > 5_000


@pytest.mark.parametrize('text', ['{"arm": 1}\n', 'nonsense\n'])
def test_a_wrong_log_is_refused_with_its_line(text, tmp_path):
    log = tmp_path / 'runs.jsonl'
    log.write_text(json.dumps(run_line('bilinear', 0, 1.0)) + '\n' + text)
    with pytest.raises(SystemExit, match=r'runs.jsonl:2 is not a line of mmdownsize compare'):
        compare_report.main([str(log)])


def test_a_plot_of_an_unknown_format_is_refused(tmp_path):
    log = tmp_path / 'runs.jsonl'
    log.write_text(json.dumps(run_line('bilinear', 0, 1.0)) + '\n')
    with pytest.raises(SystemExit, match=r"--plot .*runs\.xyz: no format 'xyz', choose one of .*png"):
        compare_report.main([str(log), '--plot', str(tmp_path / 'runs.xyz')])
