"""Accuracy against time: arms at scales, the differences at equal time, and the picture."""

import json

import pytest
from mmengine.config import Config

from mmdownsize.comparing import costs, curves
from mmdownsize.comparing.arms import Arm, at_scales, config_of, name_at
from mmdownsize.comparing.comparison import Options as Comparison
from mmdownsize.comparing.comparison import _at_scales
from mmdownsize.refusal import Refusal
from tests.tools.small_training import write_config

SCALE = 'model.data_preprocessor.scale_factor'


@pytest.fixture
def cfg(tmp_path, data):
    return Config.fromfile(write_config(tmp_path / 'c.py', data, by_epoch=True, seed=0, workers=0))


AREA = Arm('area', {'type': 'FixedResizer', 'kernel': 'area'}, {})
NET = Arm('net', {'type': 'DownsizeNet'}, {'optim_wrapper.optimizer.lr': 0.5})


def test_every_arm_is_run_at_every_scale(cfg):
    arms = at_scales([AREA, NET], cfg, [0.25, 0.5])
    assert [arm.name for arm in arms] == ['area@0.25', 'net@0.25', 'area@0.5', 'net@0.5']
    own = config_of(cfg, arms[3], 0)
    assert own.model.data_preprocessor.scale_factor == 0.5
    assert own.optim_wrapper.optimizer.lr == 0.5
    assert at_scales([AREA], cfg, None) == [AREA]
    assert NET.options == {'optim_wrapper.optimizer.lr': 0.5}


def test_scales_need_a_scale_factor_and_arms_without_a_size_of_their_own(cfg):
    with pytest.raises(Refusal, match="'net' has a size of its own"):
        at_scales([Arm('net', {}, {SCALE: 0.5})], cfg, [0.5])
    with pytest.raises(Refusal, match="'net' has a size of its own"):
        at_scales([Arm('net', {}, {}, equal_cost_to='area')], cfg, [0.5])
    with pytest.raises(Refusal, match='--scales must be a number above 0, and finite, got -1'):
        at_scales([AREA], cfg, [-1])
    with pytest.raises(Refusal, match=r'a scale is named twice, to 6 digits: 0\.5, 0\.25, 0\.5'):
        at_scales([AREA], cfg, [0.5, 0.25, 0.5])
    cfg.model.data_preprocessor.train_scale_factor = (0.2, 0.5)
    with pytest.raises(Refusal, match='has a train_scale_factor, which trains every arm at the same scales'):
        at_scales([AREA], cfg, [0.5])
    cfg.model.data_preprocessor.scale_factor = None
    with pytest.raises(Refusal, match='has a scale in px, say scale_factor'):
        at_scales([AREA], cfg, [0.5])


def test_a_comparison_at_scales_takes_names_without_them(cfg, tmp_path):
    other = Arm('other', {}, {})
    options = Comparison(tmp_path / 'c.py', only=['net'], baseline='area', scales=[0.25, 0.5])
    options, arms = _at_scales(options, [AREA, NET, other], cfg)
    assert options.baseline == 'area@0.25'  # whose first weights all arms start from
    assert options.only == ['net@0.25', 'net@0.5']
    assert {arm.name for arm in arms} == {'area@0.25', 'area@0.5', 'net@0.25', 'net@0.5'}


def run(name, scale, seed, value, kind='FixedResizer'):
    return {
        'config': 'c', 'arm': name_at(name, scale), 'seed': seed, 'metric': 'mIoU', 'metrics': {'mIoU': value},
        'downsizer': {'type': kind}, 'options': {SCALE: scale}, 'seconds': 1.0,
    }  # fmt: skip


RUNS = [
    *(run('area', 0.25, seed, 40.0 + seed) for seed in (0, 1)),
    *(run('area', 0.5, seed, 50.0 + 3 * seed) for seed in (0, 1)),
    *(run('dark', 0.25, seed, 41.0) for seed in (0, 1)),
    *(run('dark', 0.5, seed, 44.0) for seed in (0, 1)),
    *(run('net', 0.25, seed, 47.0 + seed, 'DownsizeNet') for seed in (0, 1)),
]
TIMES = {'area@0.25': 10.0, 'area@0.5': 40.0, 'dark@0.25': 10.0, 'dark@0.5': 40.0, 'net@0.25': 20.0}


def test_a_learned_resizer_is_compared_with_the_best_fixed_one_at_its_time():
    found = curves.curves_of(RUNS, TIMES, 'mIoU')
    assert [point.scale for point in found['area']] == [0.25, 0.5]
    rival, difference = curves.at_equal_time(found['net'][0], found)
    assert rival == 'area'  # 20 ms are half-way from 10 to 40 on a logarithmic axis: 45 and 47, where dark has 42.5
    assert difference.mean == pytest.approx(((47 - 45) + (48 - 47)) / 2)
    assert difference.count == 2


def test_outside_the_times_of_fixed_resizers_nothing_is_compared():
    found = curves.curves_of(RUNS, {**TIMES, 'net@0.25': 9.9}, 'mIoU')
    assert curves.at_equal_time(found['net'][0], found) is None


def test_arms_that_were_not_timed_are_left_out():
    assert 'net' not in curves.curves_of(RUNS, {name: 1.0 for name in TIMES if 'net' not in name}, 'mIoU')


def test_measured_once_drawn_and_written(cfg, tmp_path, monkeypatch):
    log, times, plot = tmp_path / 'runs.jsonl', tmp_path / 'times.json', tmp_path / 'curve.png'
    log.write_text('\n'.join(json.dumps(one) for one in RUNS))
    times.write_text(json.dumps({'c': {'net@0.25': 20.0}, 'of_another_config': {'area@0.5': 1.0}}))
    asked = []

    class Inference:
        def __init__(self, own, checkpoint=None):
            self.scale = own.model.data_preprocessor.scale_factor

        def time(self):
            asked.append(self.scale)

        @property
        def seconds(self):
            return 0.16 * self.scale**2

    monkeypatch.setattr(costs, 'Inference', Inference)
    options = curves.Options(tmp_path / 'c.py', [log], times, plot)
    table = curves.picture(options)
    assert asked == asked[:4] * costs.ROUNDS  # in turn
    assert plot.read_bytes().startswith(b'\x89PNG')
    known, other = json.loads(times.read_text()).values()
    assert other == {'area@0.5': 1.0}
    assert known['net@0.25'] == 20.0
    assert known['area@0.5'] == pytest.approx(40)
    assert known['area@0.25'] == pytest.approx(10)
    line = next(line for line in table.splitlines() if line.startswith('| net'))
    assert '| area |' in line
    assert table.count('\n') == 6
    curves.picture(options)
    assert len(asked) == 4 * costs.ROUNDS  # nothing is measured twice


def test_some_arms_only_at_all_of_their_scales():
    runs = [*RUNS, run('net@v2', 0.25, 0, 40.0, 'DownsizeNet')]
    found = curves.only(runs, ['area', 'net@v2'])
    assert {one['arm'] for one in found} == {'area@0.25', 'area@0.5', 'net@v2@0.25'}
    assert curves.only(runs, None) == runs
    with pytest.raises(Refusal, match=r"--only: no arm 'ner' among area, dark, net, net@v2"):
        curves.only(runs, ['ner'])


def test_only_some_arms_are_measured_and_drawn(cfg, tmp_path):
    log, times = tmp_path / 'runs.jsonl', tmp_path / 'times.json'
    log.write_text('\n'.join(json.dumps(one) for one in RUNS))
    times.write_text(json.dumps({'c': TIMES}))
    options = curves.Options(tmp_path / 'c.py', [log], times, tmp_path / 'p.png', only=['net', 'dark'])
    table = curves.picture(options)
    assert '| net |' in table and '| dark |' in table and '| area |' not in table


def test_the_name_of_an_arm_may_have_the_sign_that_is_before_its_scale():
    runs = [run('net@v2', 0.25, 0, 40.0, 'DownsizeNet')]
    assert list(curves.curves_of(runs, {'net@v2@0.25': 10.0}, 'mIoU')) == ['net@v2']


def test_an_arm_without_a_scale_has_that_of_the_config(cfg, tmp_path):
    log, times, plot = tmp_path / 'runs.jsonl', tmp_path / 'times.json', tmp_path / 'curve.png'
    config = tmp_path / 'c.py'
    own = cfg.model.data_preprocessor.scale_factor
    other = {**run('net', 1, 0, 1.0, 'DownsizeNet'), 'arm': 'net', 'options': {'optim_wrapper.optimizer.lr': 0.5}}
    log.write_text('\n'.join(json.dumps(one) for one in [*RUNS, other]))
    times.write_text(json.dumps({'c': {**TIMES, f'net@{own:g}': 30.0}}))
    table = curves.picture(curves.Options(config, [log], times, plot, measure=False))
    assert f'| net | {own:.3g} | 30.0 | 1 | 1.00 |' in table
    assert '| net | 0.25 | 20.0 | 2 | 47.50 |' in table

    cfg.model.data_preprocessor.update(scale_factor=None, scale=(8, 8))
    cfg.dump(config)
    assert '30.0' not in curves.picture(curves.Options(config, [log], times, plot, measure=False))


def test_times_that_cannot_be_used_raise_an_error(cfg, tmp_path):
    log, times = tmp_path / 'runs.jsonl', tmp_path / 'times.json'
    log.write_text('\n'.join(json.dumps(one) for one in RUNS))
    options = curves.Options(tmp_path / 'c.py', [log], times, tmp_path / 'p.png', measure=False)
    with pytest.raises(Refusal, match='has no time of an arm of c: leave out --no-measure'):
        curves.picture(options)
    for content in ('no JSON', '[1]', '{"area@0.5": 1.0}', '{"c": {"area@0.5": "1"}}'):
        times.write_text(content)
        with pytest.raises(Refusal, match='is not a file of times by config and arm'):
            curves.picture(options)


def test_errors_say_what_to_do(cfg, tmp_path):
    log = tmp_path / 'runs.jsonl'
    log.write_text(json.dumps({**RUNS[0], 'config': 'another'}))
    with pytest.raises(Refusal, match=r'run mmdownsize compare with --scales'):
        curves.picture(curves.Options(tmp_path / 'c.py', [log], tmp_path / 't.json', tmp_path / 'p.png'))


def test_files_that_cannot_be_written_are_told_before_anything_is_measured(cfg, tmp_path, monkeypatch):
    log, times = tmp_path / 'runs.jsonl', tmp_path / 'times.json'
    log.write_text('\n'.join(json.dumps(one) for one in RUNS))
    monkeypatch.setattr(costs, 'Inference', None)
    with pytest.raises(Refusal, match=r"p\.xyz: no format 'xyz', choose one of .*png"):
        curves.picture(curves.Options(tmp_path / 'c.py', [log], times, tmp_path / 'p.xyz'))
    times.mkdir()
    with pytest.raises(IsADirectoryError, match=r'times\.json: it is a folder'):
        curves.picture(curves.Options(tmp_path / 'c.py', [log], times, tmp_path / 'p.png'))
