"""tools/compare.py and tools/compare_report.py: statistics, arms, and a study of three small runs with an interruption."""

import json
import math
import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from PIL import Image
from rich.console import Console
from scipy import stats

pytest.importorskip('mmseg')

from mmdownsize.comparing import arms as compare_arms
from mmdownsize.comparing import results as compare_results
from tests.tools.small_training import ROOT, write_config
from tools import compare, compare_report


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


def test_paired_difference_is_scipys():
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(50, 1, 7), rng.normal(49, 1, 7)
    found = compare_report.paired_difference(ours.tolist(), theirs.tolist())
    expected = stats.ttest_rel(ours, theirs).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.mean == pytest.approx((ours - theirs).mean())
    assert found.count == 7


@pytest.mark.parametrize('count', [3, 5, 10])
def test_the_interval_covers_the_true_difference_as_often_as_it_says(count):
    rng = np.random.default_rng(count)
    hits = 0
    for _ in range(2000):
        by_seed = rng.normal(0, 2, count)  # what a seed does to both arms
        ours, theirs = by_seed + rng.normal(0.4, 0.5, count), by_seed + rng.normal(0, 0.5, count)
        found = compare_report.paired_difference(ours.tolist(), theirs.tolist())
        hits += found.low <= 0.4 <= found.high
    assert abs(hits / 2000 - 0.95) < 0.015  # three standard errors


def test_seeds_needed_make_the_interval_as_narrow_as_wanted():
    found = compare_report.paired_difference([1.0, 2.0, 3.0], [0.4, 2.2, 2.9])
    needed = found.seeds_needed
    assert compare_report.half_width(found.spread, needed) <= 0.3 < compare_report.half_width(found.spread, needed - 1)
    assert compare_report.paired_difference([1.0], [2.0]).seeds_needed is None
    assert math.isnan(compare_report.paired_difference([1.0], [2.0]).low)


@pytest.mark.parametrize('numbers', [([], []), ([1.0], [1.0, 2.0])])
def test_unpaired_numbers_are_refused(numbers):
    with pytest.raises(ValueError, match='as many on both sides'):
        compare_report.paired_difference(*numbers)


def test_rows_compare_with_the_baseline_and_the_best_fixed_one_over_common_seeds():
    runs = [run_line('bilinear', s, v) for s, v in enumerate([50.0, 51.0, 52.0])]
    runs += [run_line('area', s, v) for s, v in enumerate([51.0, 52.5, 53.0])]
    runs += [run_line('ours', s, v, 'DownsizeNet') for s, v in enumerate([52.0, 53.0])]  # the third is not done yet
    head, rows = compare_report.rows_of(runs, 'mIoU', 'bilinear')
    assert head[4] == 'minus bilinear' and head[7] == 'minus area'
    by_arm = {row[0]: row for row in rows}
    assert by_arm['ours'][1:3] == ['2', '52.50']
    assert by_arm['ours'][4] == '+2.00'
    assert by_arm['ours'][7] == '+0.75'  # 1.0 and 0.5
    low, high = (float(number) for number in by_arm['ours'][8].split(' to '))
    assert (low + high) / 2 == pytest.approx(0.75, abs=0.01)
    assert by_arm['bilinear'][4:7] == ['', '', '']
    text = compare_report.markdown(head, rows)
    assert text.splitlines()[1] == '|' + ' --- |' * len(head)


@pytest.mark.parametrize(
    ('trained', 'start', 'values', 'seeds'),
    [
        (False, 'model.pth', [50.0], 3),  # one finished model: a fixed kernel has one value in front of it
        (False, 'model_{seed}.pth', [50.0], 1),
        (False, None, [50.0], 1),
        (True, 'model.pth', [50.0], 1),
        (False, 'model.pth', [50.0, 50.5], 2),
    ],
)
def test_a_fixed_kernel_in_front_of_one_finished_model_is_compared_in_every_seed(trained, start, values, seeds):
    fixed = [dict(run_line('bilinear', s, v), trained=trained, start=start) for s, v in enumerate(values)]
    ours = [dict(run_line('ours', s, 51.0 + s, 'DownsizeNet'), trained=True, start=start) for s in range(3)]
    _, rows = compare_report.rows_of(fixed + ours, 'mIoU', 'bilinear')
    kernel, own = rows
    assert kernel[1] == str(len(values)) and own[1] == '3'  # as many as were run
    expected = [51.0 + s - values[min(s, len(values) - 1)] for s in range(seeds)]
    assert own[4] == f'{sum(expected) / seeds:+.2f}'
    paired = compare_report.paired_difference(expected, [0.0] * seeds)
    assert own[5] == ('one seed' if seeds == 1 else f'{paired.low:+.2f} to {paired.high:+.2f}')


def test_a_baseline_that_is_the_best_fixed_one_is_named_once():
    head, _ = compare_report.rows_of(
        [run_line('bilinear', 0, 50.0), run_line('ours', 0, 51.0, 'X')], 'mIoU', 'bilinear'
    )
    assert sum(column.startswith('minus') for column in head) == 1


def test_a_log_may_have_several_configs_and_repeated_runs(tmp_path, capsys):
    log = tmp_path / 'runs.jsonl'
    lines = [run_line('bilinear', 0, 1.0), run_line('bilinear', 0, 2.0), run_line('bilinear', 0, 7.0, config='d')]
    log.write_text(''.join(json.dumps(line) + '\n' for line in lines))
    assert [run['metrics']['mIoU'] for run in compare_report.read_log([log])] == [2.0, 7.0]
    compare_report.main([str(log), '--markdown', '--plot', str(tmp_path / 'runs.png')])
    assert capsys.readouterr().out.count('| bilinear |') == 2
    assert (tmp_path / 'runs.png').stat().st_size > 5_000


def test_fractions_are_reported_in_points(tmp_path):
    folder = tmp_path / '20260101_000000/vis_data'
    folder.mkdir(parents=True)
    found = {
        'pascal_voc/mAP': 0.25,
        'pascal_voc_50_95/mAP': 0.125,
        'coco/bbox_mAP': 0.5,
        'mIoU': 40.0,
        'log_likelihood/pixels': -0.5,
    }
    (folder / 'scalars.json').write_text(json.dumps(dict(found, step=2)))
    expected = dict(found, **{key: 100 * value for key, value in found.items() if key.startswith(('pascal', 'coco'))})
    assert compare_results.last_metrics(tmp_path) == expected


def test_training_losses_are_means_of_the_first_and_the_last_epoch(tmp_path):
    for part, lines in {
        '20260101_000000': [(1, 1, 4.0), (1, 2, 2.0), (2, 3, 1.5), (2, 4, 99.0)],
        '20260101_000100': [(2, 3, 1.0), (2, 4, 0.5)],  # interrupted in the second epoch, which is then done again
    }.items():
        folder = tmp_path / part / 'vis_data'
        folder.mkdir(parents=True)
        text = [json.dumps(dict(epoch=epoch, step=step, loss=loss)) for epoch, step, loss in lines]
        (folder / 'scalars.json').write_text('\n'.join([*text, json.dumps(dict(mIoU=50.0, step=2))]))
    assert compare_results.training_losses(tmp_path) == [3.0, 0.75]
    assert compare_results.last_metrics(tmp_path) == {'mIoU': 50.0}
    assert compare_results.training_losses(tmp_path / 'none') is None

    runs = [dict(run_line('bilinear', s, 50.0), training_losses=[3.0 + s, 0.75]) for s in range(2)]
    runs.append(dict(run_line('tested', 0, 50.0), training_losses=None))
    head, rows = compare_report.rows_of(runs, 'mIoU', 'bilinear')
    column = head.index('loss, first to last epoch')
    assert [row[column] for row in rows] == ['3.5 → 0.75', '']
    assert 'loss, first to last epoch' not in compare_report.rows_of([run_line('a', 0, 1.0)], 'mIoU', 'a')[0]


@pytest.mark.parametrize('text', ['{"arm": 1}\n', 'nonsense\n'])
def test_a_wrong_log_is_refused_with_its_line(text, tmp_path):
    log = tmp_path / 'runs.jsonl'
    log.write_text(json.dumps(run_line('bilinear', 0, 1.0)) + '\n' + text)
    with pytest.raises(SystemExit, match=r'runs.jsonl:2 is not a line of tools/compare.py'):
        compare_report.main([str(log)])


def test_arms_by_name_and_from_a_file(tmp_path):
    path = tmp_path / 'arms.py'
    path.write_text(
        "arms = dict(mine=dict(downsizer=dict(type='DownsizeNet'), options={'a.b': 1}, equal_cost_to='area'))\n"
    )
    area, mine = compare_arms.load_arms(['area'], path, 'area')
    assert area.downsizer == {'type': 'FixedResizer', 'kernel': 'area'}
    assert (mine.name, mine.options, mine.equal_cost_to) == ('mine', {'a.b': 1}, 'area')
    (signed,) = compare_arms.load_arms(['downsizenet_6x6_signed'], None, 'downsizenet_6x6_signed')
    cfg = Config(dict(model=dict(data_preprocessor=dict()), optim_wrapper=dict(), randomness=dict(seed=0)))
    rates = compare_arms.config_of(cfg, signed, 1).optim_wrapper.paramwise_cfg.custom_keys
    assert rates['data_preprocessor.downsizer.fusion'].lr_mult == 8.0 and not area.options


@pytest.mark.parametrize(
    ('names', 'text', 'baseline', 'message'),
    [
        (['bilineer'], None, 'bilinear', "unknown fragment 'bilineer', choose one of antialiased, area"),
        (['area'], None, 'bilinear', "no arm 'bilinear' among area"),
        (['area', 'area'], None, 'area', 'named twice'),
        ([], None, 'area', 'no arms'),
        (
            [],
            'arms = dict(a=dict(kernel=1))',
            'a',
            r"arm 'a' has downsizer, options, equal_cost_to and train, not \['kernel'\]",
        ),
        ([], 'arms = dict(a=dict(options=dict()))', 'a', 'not no downsizer'),
        ([], "arms = dict(a=dict(downsizer=dict(), equal_cost_to='b'))", 'a', "no arm 'b' among a"),
    ],
)
def test_bad_arms_are_refused(names, text, baseline, message, tmp_path):
    path = None
    if text is not None:
        path = tmp_path / 'arms.py'
        path.write_text(text)
    with pytest.raises(ValueError, match=message):
        compare_arms.load_arms(names, path, baseline)


@pytest.mark.parametrize(
    ('preprocessor', 'expected'),
    [
        (dict(scale_factor=0.5), dict(scale_factor=1.0)),
        (dict(scale_factor=(0.25, 0.5)), dict(scale_factor=(0.5, 1.0))),
        (dict(scale=(160, 100)), dict(scale=(320, 200))),
        (dict(scale=101), dict(scale=202)),
    ],
)
def test_a_target_of_four_times_the_pixels(preprocessor, expected):
    assert compare_arms.target_area(preprocessor, 4.0) == expected


def test_equal_cost_is_found_on_the_line_through_two_sizes(tmp_path, data, monkeypatch):
    cfg = Config.fromfile(write_config(tmp_path / 'c.py', data, by_epoch=True, seed=0, workers=0))
    fixed = compare_arms.Arm('fixed', {'type': 'FixedResizer'}, {'optim_wrapper.optimizer.lr': 0.5}, 'net')
    net = compare_arms.Arm('net', {'type': 'DownsizeNet'}, {})

    def seconds(own):  # 1 s and 2 s for the pixels at scale_factor=0.5; 0.48 s for DownsizeNet
        preprocessor = own.model.data_preprocessor
        extra = 0.48 if preprocessor.downsizer['type'] == 'DownsizeNet' else 0
        return 1 + 2 * (preprocessor.scale_factor / 0.5) ** 2 + extra

    monkeypatch.setattr(compare_arms, 'inference_seconds', seconds)
    path = tmp_path / 'equal_cost.json'
    for _ in range(2):  # measured, then read
        resolved, same = compare_arms.resolve_costs(cfg, [fixed, net], 0, path)
        assert same is net
        assert resolved.options['model.data_preprocessor.scale_factor'] == pytest.approx(0.5 * 1.24**0.5)
        assert resolved.options['optim_wrapper.optimizer.lr'] == 0.5
        own = compare_arms.config_of(cfg, resolved, 0)
        assert own.model.data_preprocessor.scale_factor == pytest.approx(0.5 * 1.24**0.5)
        monkeypatch.setattr(compare_arms, 'inference_seconds', None)


def test_inference_is_timed_on_the_configs_own_images(tmp_path, data):
    cfg = Config.fromfile(write_config(tmp_path / 'c.py', data, by_epoch=True, seed=0, workers=0))
    assert 0 < compare_arms.inference_seconds(cfg, repeats=1) < 60


def test_a_downsizer_is_replaced_and_not_merged(tmp_path, data):
    cfg = Config.fromfile(write_config(tmp_path / 'c.py', data, by_epoch=True, seed=0, workers=0))
    arm = compare_arms.Arm('area', {'type': 'FixedResizer', 'kernel': 'area'}, {'optim_wrapper.optimizer.lr': 0.5})
    own = compare_arms.config_of(cfg, arm, 3)
    assert own.model.data_preprocessor.downsizer == arm.downsizer
    assert (own.optim_wrapper.optimizer.lr, own.randomness.seed) == (0.5, 3)
    assert cfg.model.data_preprocessor.downsizer.type == 'DownsizeNet'  # the original is untouched


def test_a_run_is_known_by_all_it_depends_on(tmp_path, data):
    cfg = Config.fromfile(write_config(tmp_path / 'c.py', data, by_epoch=True, seed=0, workers=0))
    arm = compare_arms.Arm('area', {'type': 'FixedResizer', 'kernel': 'area'}, {})
    tested = compare_arms.Arm('area', {'type': 'FixedResizer', 'kernel': 'area'}, {}, train=False)
    starts = tmp_path / 'a.pth', tmp_path / 'b.pth'
    for number, start in enumerate(starts):
        torch.save(number, start)
    own = compare_arms.config_of(cfg, arm, 3)
    names = [
        compare.fingerprint(own, arm, None),
        compare.fingerprint(own, tested, None),
        compare.fingerprint(compare_arms.config_of(cfg, arm, 4), arm, None),
        *(compare.fingerprint(own, arm, start) for start in starts),
    ]
    assert len(set(names)) == 5
    own.load_from = 'elsewhere'
    assert compare.fingerprint(own, arm, None) == names[0]
    assert compare.fingerprint(own, arm, starts[1].rename(tmp_path / 'c.pth')) == names[4]  # its content counts


def test_a_trained_downsizer_is_found_by_seed_and_known_by_its_content(tmp_path, data):
    cfg = Config.fromfile(write_config(tmp_path / 'c.py', data, by_epoch=True, seed=0, workers=0))
    arm = compare_arms.Arm('a', dict(type='DownsizeNet', pretrained=str(tmp_path / 'of_{seed}.x')), {}, train=False)
    assert arm.depends_on_seed
    assert not compare_arms.Arm('a', dict(type='DownsizeNet', pretrained='one'), {}, train=False).depends_on_seed
    for name, content in {'of_3.x': b'1', 'of_4.x': b'2'}.items():
        (tmp_path / name).write_bytes(content)
    third, fourth = (compare_arms.config_of(cfg, arm, seed) for seed in (3, 4))
    assert third.model.data_preprocessor.downsizer.pretrained == str(tmp_path / 'of_3.x')
    name = compare.fingerprint(third, arm, None)
    (tmp_path / 'of_3.x').write_bytes(b'2')
    assert len({name, compare.fingerprint(third, arm, None), compare.fingerprint(fourth, arm, None)}) == 3
    with pytest.raises(FileNotFoundError, match='of_5'):
        compare.fingerprint(compare_arms.config_of(cfg, arm, 5), arm, None)


def test_trainings_keep_their_memory_unless_the_environment_says_otherwise(tmp_path, data, monkeypatch):
    (tmp_path / 'tools').mkdir()
    (tmp_path / 'tools/train.py').write_text('import json, os; print(json.dumps(dict(os.environ)))')
    for name in compare.FASTER:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('MALLOC_TOP_PAD_', '7')
    monkeypatch.setattr(compare, 'ROOT', tmp_path)
    cfg = Config.fromfile(write_config(tmp_path / 'c.py', data, by_epoch=True, seed=0, workers=0))
    compare.execute(cfg, tmp_path / 'run', Console(), 'label', train=True)
    found = json.loads((tmp_path / 'run/train.log').read_text())
    assert {name: found[name] for name in compare.FASTER} == {**compare.FASTER, 'MALLOC_TOP_PAD_': '7'}


def test_a_study_interrupted_and_continued(tmp_path, data):
    config = write_config(tmp_path / 'small.py', data, by_epoch=True, seed=0, workers=0)
    arms = tmp_path / 'arms.py'
    arms.write_text(
        "fixed = dict(type='FixedResizer', kernel='bilinear')\n"
        "arms = dict(bilinear=dict(downsizer=fixed), twin=dict(downsizer=fixed), net=dict(downsizer=dict(type='DownsizeNet')))\n"
    )
    command = [sys.executable, ROOT / 'tools/compare.py', config, '--arms', arms, '--seeds', '5']
    command += ['--work-dir', tmp_path / 'work', '--subset', '4']
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': str(ROOT)}
    log = tmp_path / 'work/runs.jsonl'
    # The twin is interrupted after its first epoch.
    with (tmp_path / 'first.txt').open('w') as out:
        first = subprocess.Popen(command, env=environment, stdout=out, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 240
        while not list((tmp_path / 'work').glob('twin/*/epoch_1.pth')):
            assert first.poll() is None and time.monotonic() < deadline, (tmp_path / 'first.txt').read_text()
            time.sleep(0.02)
        first.send_signal(signal.SIGTERM)
        assert first.wait() != 0
    before = log.read_text()
    assert [json.loads(line)['arm'] for line in before.splitlines()] == ['bilinear']

    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert log.read_text().startswith(before)  # what was finished is not done again
    bilinear, twin, net = compare_report.read_log([log])
    assert twin['metrics'] == bilinear['metrics']  # to the last digit, though one was interrupted
    difference = compare_report.compare(compare_report.by_arm([bilinear, twin], 'mIoU'), 'twin', 'bilinear')
    assert difference.mean == 0
    assert net['downsizer'] == {'type': 'DownsizeNet'}
    assert twin['training_losses'] == bilinear['training_losses'] and bilinear['training_losses'][1] > 0
    assert twin['versions']['torch'] == torch.__version__
    assert twin['versions']['cpu'] == compare.processor()

    # Weights behind the preprocessor were the same at the start: one file for all arms of the seed.
    (start,) = (tmp_path / 'work').glob('start_seed5_*.pth')
    keys = torch.load(start)['state_dict'].keys()
    assert keys and not any(key.startswith('data_preprocessor') for key in keys)

    assert 'the same seed may give other numbers' not in done.stdout
    log.write_text(log.read_text().replace(f'"cpu": "{twin["versions"]["cpu"]}"', '"cpu": "another"', 1))
    again = subprocess.run([*command, '--plot', tmp_path / 'runs.png'], env=environment, capture_output=True, text=True)
    assert again.returncode == 0 and log.read_text().count('\n') == 3
    assert 'has runs with cpu another, here it is ' in again.stdout
    assert Path(tmp_path / 'runs.png').is_file()


@pytest.mark.parametrize(
    ('about', 'maker'),
    [
        (
            'processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: A: B\n\nprocessor\t: 1\nvendor_id\t: other\n',
            'AuthenticAMD',
        ),
        ('processor\t: 0\nCPU implementer\t: 0x41\n', '0x41'),
        (None, platform.machine()),
    ],
)
def test_a_log_says_whose_cpu_it_was(tmp_path, about, maker):
    if about is not None:
        (tmp_path / 'cpuinfo').write_text(about)
    assert compare.processor(tmp_path / 'cpuinfo') == f'{maker} {torch.backends.cpu.get_cpu_capability()}'


def test_arms_start_from_a_checkpoint_and_some_are_only_tested(tmp_path, data):
    config = write_config(tmp_path / 'small.py', data, by_epoch=True, seed=0, workers=0)
    cfg = Config.fromfile(config)
    init_default_scope('mmseg')
    model = MODELS.build(cfg.model)
    with torch.no_grad():
        for parameter in model.decode_head.parameters():
            parameter.fill_(0.0)
        model.decode_head.conv_seg.bias.copy_(torch.tensor([-1.0, 1.0]))  # class b everywhere
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'model_5.pth')
    arms = tmp_path / 'arms.py'
    arms.write_text(
        "fixed = dict(type='FixedResizer', kernel='bilinear')\n"
        'arms = dict(tested=dict(downsizer=fixed, train=False), trained=dict(downsizer=fixed))\n'
    )
    options = [str(config), '--arms', str(arms), '--seeds', '5', '--work-dir', str(tmp_path / 'work')]
    options += ['--baseline', 'tested', '--cfg-options', 'optim_wrapper.optimizer.lr=0.1']
    compare.main([*options, '--start', str(tmp_path / 'model_{seed}.pth')])
    tested, trained = compare_report.read_log([tmp_path / 'work/runs.jsonl'])
    labels = np.stack([np.array(Image.open(path)) for path in (data / 'labels').glob('*.png')])
    assert tested['metrics']['mIoU'] == pytest.approx(100 * (labels == 1).mean() / 2, abs=0.01)
    (last,) = (tmp_path / 'work/trained').glob('*/epoch_2.pth')
    bias = torch.load(last, weights_only=False)['state_dict']['decode_head.conv_seg.bias']
    assert 0 < (bias - torch.tensor([-1.0, 1.0])).abs().max() < 1  # trained on from there
    assert (tested['trained'], trained['trained']) == (False, True)
    assert tested['training_losses'] is None and trained['training_losses'][0] > 0
    assert tested['start'] == 'model_{seed}.pth'


def test_what_is_only_tested_in_front_of_the_same_weights_is_tested_once(tmp_path, data, monkeypatch):
    config = write_config(tmp_path / 'small.py', data, by_epoch=True, seed=0, workers=0)
    init_default_scope('mmseg')
    torch.save(dict(state_dict=MODELS.build(Config.fromfile(config).model).state_dict()), tmp_path / 'model.pth')
    arms = tmp_path / 'arms.py'
    arms.write_text(
        "fixed, net = dict(type='FixedResizer'), dict(type='DownsizeNet', start='random')\n"
        'arms = dict(tested=dict(downsizer=fixed, train=False), drawn=dict(downsizer=net, train=False), '
        'trained=dict(downsizer=fixed))\n'
    )
    ran = []
    monkeypatch.setattr(compare, 'execute', lambda cfg, run_dir, *_: ran.append(run_dir.parent.name) or 1.0)
    monkeypatch.setattr(compare, 'last_metrics', lambda _: {'mIoU': 40.0 + len(ran)})
    monkeypatch.setattr(compare, 'training_losses', lambda _: None)
    options = [str(config), '--arms', str(arms), '--baseline', 'tested', '--seeds', '5', '6']
    compare.main([*options, '--work-dir', str(tmp_path / 'given'), '--start', str(tmp_path / 'model.pth')])
    assert ran == ['tested', 'drawn', 'trained', 'drawn', 'trained']
    runs = compare_report.by_arm(compare_report.read_log([tmp_path / 'given/runs.jsonl']), 'mIoU')
    assert runs == {'tested': {5: 41.0, 6: 41.0}, 'drawn': {5: 42.0, 6: 44.0}, 'trained': {5: 43.0, 6: 45.0}}
    compare.main([*options, '--work-dir', str(tmp_path / 'given'), '--start', str(tmp_path / 'model.pth')])
    assert len(ran) == 5
    ran.clear()
    compare.main([*options, '--only', 'tested', '--work-dir', str(tmp_path / 'drawn')])  # each seed draws a model
    assert ran == ['tested', 'tested']


def test_some_of_the_arms_only(tmp_path, data):
    config = write_config(tmp_path / 'small.py', data, by_epoch=True, seed=0, workers=0)
    arms = tmp_path / 'arms.py'  # whose file need not be there, if the arm is not asked for
    arms.write_text(
        "arms = dict(later=dict(downsizer=dict(type='DownsizeNet', pretrained='{seed}.safetensors'), train=False))"
    )
    options = [str(config), '--arm', 'bilinear', '--arm', 'area', '--arms', str(arms), '--seeds', '1']
    options += ['--work-dir', str(tmp_path / 'work')]
    with pytest.raises(SystemExit, match='--only: no arm linear among bilinear, area, later'):
        compare.main([*options, '--only', 'linear'])
    handler = signal.getsignal(signal.SIGTERM)
    compare.main([*options, '--only', 'area'])
    assert signal.getsignal(signal.SIGTERM) is handler  # the test's own pools of processes end by it
    (run,) = compare_report.read_log([tmp_path / 'work/runs.jsonl'])
    assert run['arm'] == 'area'


@pytest.mark.parametrize(
    ('state', 'message'),
    [(None, 'no such file: .*none.pth'), ({'backbone.x': torch.zeros(1)}, r'does not fit .* weights are missing')],
)
def test_a_wrong_start_is_refused(state, message, tmp_path, data):
    config = write_config(tmp_path / 'small.py', data, by_epoch=True, seed=0, workers=0)
    path = tmp_path / 'none.pth'
    if state:
        torch.save(state, path)
    with pytest.raises(SystemExit, match=message):
        compare.main([str(config), '--arm', 'bilinear', '--work-dir', str(tmp_path / 'work'), '--start', str(path)])
    assert not (tmp_path / 'work').exists()


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['nowhere.py', '--arm', 'bilinear'], 'no such config: nowhere.py'),
        (['nowhere.py', '--arm', 'linear'], "unknown fragment 'linear'"),
        (
            [str(ROOT / 'configs/_base_/downsize/area.py'), '--arm', 'bilinear'],
            'has no model.data_preprocessor.downsizer',
        ),
    ],
)
def test_bad_command_lines(options, message):
    with pytest.raises(SystemExit, match=message):
        compare.main(options)
