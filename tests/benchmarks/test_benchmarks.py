"""The benchmarks run, and count what they say they count."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import bm_resizers
import pytest
import sweep
import torch

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / 'benchmarks'
DATA = Path(os.environ.get('MMDOWNSIZE_DATA', ROOT.parent / 'shared' / 'data')).resolve()


@pytest.fixture
def adapter():
    return importlib.import_module('bm_adapter')  # needs mmdet and mmseg, the others do not


def run(script, *arguments):
    return subprocess.run([sys.executable, BENCHMARKS / script, *arguments], capture_output=True, text=True)


@pytest.mark.parametrize(
    ('name', 'dst', 'expected'),
    [
        # dense: 432 multiply-adds a source pixel, 2304 more, and 4 neighbours of 16 features and 3 channels
        ('DownsizeNet 2 convs, 2x2', (40, 40), 40 * 40 * (432 + 2304 + 4 * 19)),
        # at a ratio of 2 the last convolution is needed at a quarter of the pixels
        ('DownsizeNet 2 convs, 2x2', (20, 20), 40 * 40 * 432 + 20 * 20 * (2304 + 4 * 19)),
        # at a ratio of 4 the first is as well: 3 of 4 rows and columns
        ('DownsizeNet 2 convs, 2x2', (10, 10), 30 * 30 * 432 + 10 * 10 * (2304 + 4 * 19)),
        ('two convs alone', (20, 20), 40 * 40 * (432 + 2304)),
        ('Talebi & Milanfar, r = 1', (20, 20), 40 * 40 * (2352 + 256) + 20 * 20 * (3 * 2304 + 2352)),
        ('F.interpolate bilinear', (20, 20), 0),
    ],
)
def test_multiply_adds(name, dst, expected):
    assert bm_resizers.multiply_adds(bm_resizers.candidates()[name], 1, (40, 40), dst) == expected


def test_downsizers_run_on_the_back_end_asked_for_or_say_why_not():
    net = bm_resizers.candidates('native')[bm_resizers.OURS]
    assert net.backend == 'native'
    assert bm_resizers.candidates()[bm_resizers.OURS].backend == 'auto'
    reason = bm_resizers.refusal(net, torch.zeros(1, 3, 8, 8, dtype=torch.float64), (4, 4))
    assert "backend='native' cannot be used here: it computes in float32" in reason
    assert (
        bm_resizers.refusal(bm_resizers.candidates('dense')[bm_resizers.OURS], torch.zeros(1, 3, 8, 8), (4, 4)) is None
    )


def test_a_table_and_its_numbers(tmp_path):
    out = tmp_path / 'numbers.json'
    done = run('bm_resizers.py', '--repeats', '1', '--batch', '1', '--only', '300x300 -> 100x100', '--json', out)
    assert done.returncode == 0, done.stderr
    assert '300x300 -> 100x100' in done.stdout
    rows = json.loads(out.read_text())['rows']
    assert len(rows) >= 15
    assert all(row['forward_ms'] > 0 and row['step_ms'] > 0 for row in rows)


def test_a_plot(tmp_path):
    sizes = [((s, s), (s // 2, s // 2)) for s in (160, 320)] + [((640, 640), (t, t)) for t in (320, 64)]
    rows = [
        {'resizer': name, 'src_hw': src, 'dst_hw': dst, 'forward_ms': 1.0}
        for name in bm_resizers.SWEPT
        for src, dst in sizes
    ]
    sweep.plot(rows, tmp_path / 'sweep.png')
    assert (tmp_path / 'sweep.png').stat().st_size > 10_000


def test_a_sweep_says_how_time_grows():
    rows = [
        dict(resizer='A', src_hw=(s, s), dst_hw=(t, t), forward_ms=float(s), step_ms=float(s * s))
        for (s, _), (t, _) in sweep.settings().values()
    ]
    assert sweep.growth(rows, 'A') == [(2.0, 4.0)] * 5  # 160, 240, 320, 480 and 640 px to twice as many
    assert sweep.growth(rows, 'B') == []


def test_one_resizer_of_a_sweep(tmp_path):
    done = run('bm_resizers.py', '--resizer', 'two convs alone')
    assert done.returncode == 2 and '--resizer chooses what a sweep compares: add --sweep' in done.stderr
    out = tmp_path / 'numbers.json'
    options = ['--sweep', '--resizer', 'F.interpolate bilinear', '--batch', '1', '--repeats', '1', '--json', out]
    done = run('bm_resizers.py', *options)
    assert done.returncode == 0, done.stderr
    assert 'time at four times the pixels' in done.stdout
    assert {row['resizer'] for row in json.loads(out.read_text())['rows']} == {'F.interpolate bilinear'}


def test_a_plot_needs_a_sweep(tmp_path):
    done = run('bm_resizers.py', '--plot', tmp_path / 'sweep.png')
    assert done.returncode == 2
    assert '--plot draws a sweep: add --sweep' in done.stderr


def test_a_pipeline_with_each_kind_of_resizer(tmp_path):
    pytest.importorskip('mmdet')
    out = tmp_path / 'numbers.json'
    only = [
        '--only',
        'RefineDet-VGG16 300x300 -> 160x160',
        '--resizer',
        'DownsizeNet 2 convs, 2x2',
        '--resizer',
        'MULLER',
    ]
    done = run('bm_pipelines.py', *only, '--batch', '1', '--repeats', '1', '--steps', '1', '--json', out)
    assert done.returncode == 0, done.stderr
    rows = json.loads(out.read_text())['rows']
    assert [row['resizer'] for row in rows] == ['bilinear', 'DownsizeNet 2 convs, 2x2', 'MULLER']
    assert rows[0]['inference_ratio'] == rows[0]['training_ratio'] == 1
    assert all(0.1 < row[f'{kind}_ratio'] < 10 for row in rows for kind in ('inference', 'training'))


def test_the_pipeline_of_a_config_on_its_own_data(tmp_path, monkeypatch):
    pytest.importorskip('mmdet')
    if not (DATA / 'coco_mini').is_dir():
        pytest.skip(f'real data not found at {DATA}/coco_mini; name their folder in MMDOWNSIZE_DATA')
    monkeypatch.setenv('MMDOWNSIZE_DATA', str(DATA))
    config = ROOT / 'configs/detr/detr_efficientnet-lite0_coco-mini-300x300-to-165x165_mini.py'
    arm, out = 'DownsizeNet 2 convs, 4x4 area', tmp_path / 'numbers.json'
    done = run('bm_pipelines.py', '--config', config, '--resizer', arm, '--repeats', '1', '--steps', '1', '--json', out)
    assert done.returncode == 0, done.stderr
    rows = json.loads(out.read_text())['rows']
    assert [(row['pipeline'], row['batch'], row['resizer']) for row in rows] == [
        (config.stem, 4, 'bilinear'),
        (config.stem, 4, arm),
    ]


def test_samples_of_the_adapters_benchmark_have_what_is_said(adapter):
    for name, case in adapter.CASES.items():
        metainfo, *_, whole = (adapter.samples_of(case, part)[0] for part in case.parts)
        assert metainfo.keys() == []
        if name.startswith('mmdet'):
            assert type(whole.gt_instances.masks).__name__ in name
            assert len(whole.gt_instances.masks) == 20
            assert len(whole.gt_instances.bboxes) + len(whole.ignored_instances.bboxes) == 100
            assert (whole.gt_instances.masks.height, whole.gt_instances.masks.width) == case.src_hw
        else:
            assert (whole.gt_sem_seg.data.dtype, whole.gt_sem_seg.shape) == (torch.int64, case.src_hw)


def test_shares_are_what_a_part_adds_to_the_processor_time(adapter):
    seconds = adapter.Seconds
    times = {
        'metainfo': [seconds(0.009, 0.001)] * 3,
        'boxes': [seconds(0.009, 0.003)] * 3,
        'masks': [seconds(wall, 0.010) for wall in (0.013, 0.011, 0.012, 0.019)],
    }
    row = adapter.row('a sample', 2, times)
    assert row['share'] == pytest.approx({'metainfo': 0.1, 'boxes': 0.2, 'masks': 0.7})
    assert (row['fastest_ms'], row['median_ms'], row['cpu_ms']) == pytest.approx((11, 12.5, 10))
    assert row['quartiles_ms'] == pytest.approx([12, 13])


def test_the_adapters_table_and_its_numbers(tmp_path, adapter):
    out = tmp_path / 'numbers.json'
    only = ['mmdet, BitmapMasks, 300x300 -> 160x160', 'mmseg, 1024x2048 -> 307x614']
    done = run('bm_adapter.py', *(f'--only={name}' for name in only), '--repeats', '1', '--json', out)
    assert done.returncode == 0, done.stderr
    rows = json.loads(out.read_text())['rows']
    assert list(dict.fromkeys(row['sample'] for row in rows)) == only
    assert all(name in done.stdout for name in only)
    assert {row['threads'] for row in rows} >= {1}
    assert all(0 < row['fastest_ms'] <= row['median_ms'] and row['cpu_ms'] > 0 for row in rows)
    assert all(sum(row['share'].values()) == pytest.approx(1) for row in rows)


def test_the_adapter_is_not_measured_without_a_repeat(adapter):
    done = run('bm_adapter.py', '--repeats', '0')
    assert done.returncode == 2
    assert '--repeats must be at least 1, got 0' in done.stderr


def test_a_row_of_the_export_benchmark_has_a_difference_for_every_target():
    pytest.importorskip('onnx')
    pytest.importorskip('onnxruntime')
    bm_export = importlib.import_module('bm_export')
    name, *differences = bm_export.row_of('bilinear', (40, 56))
    assert name == 'bilinear'
    assert len(differences) == len(bm_export.TARGETS)
    assert all(float(difference) < 1e-3 for difference in differences)
