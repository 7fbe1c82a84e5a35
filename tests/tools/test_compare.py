"""tools/compare.py: a comparison of three small runs with an interruption, starts, and what is refused."""

import json
import os
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

pytest.importorskip('mmseg')

from mmdownsize.comparing import comparison, runs
from mmdownsize.comparing.log import by_arm, read_log
from mmdownsize.comparing.report import difference_of
from tests.tools.small_training import ROOT, write_config
from tools import compare


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
    bilinear, twin, net = read_log([log])
    assert twin['metrics'] == bilinear['metrics']  # to the last digit, though one was interrupted
    difference = difference_of(by_arm([bilinear, twin], 'mIoU'), 'twin', 'bilinear')
    assert difference.mean == 0
    assert net['downsizer'] == {'type': 'DownsizeNet'}
    assert twin['training_losses'] == bilinear['training_losses'] and bilinear['training_losses'][1] > 0
    assert twin['versions']['torch'] == torch.__version__
    assert twin['versions']['cpu'] == runs.processor()

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
    tested, trained = read_log([tmp_path / 'work/runs.jsonl'])
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
    monkeypatch.setattr(comparison, 'execute', lambda cfg, run_dir, *_: ran.append(run_dir.parent.name) or 1.0)
    monkeypatch.setattr(comparison, 'last_metrics', lambda _: {'mIoU': 40.0 + len(ran)})
    monkeypatch.setattr(comparison, 'training_losses', lambda _: None)
    options = [str(config), '--arms', str(arms), '--baseline', 'tested', '--seeds', '5', '6']
    compare.main([*options, '--work-dir', str(tmp_path / 'given'), '--start', str(tmp_path / 'model.pth')])
    assert ran == ['tested', 'drawn', 'trained', 'drawn', 'trained']
    runs = by_arm(read_log([tmp_path / 'given/runs.jsonl']), 'mIoU')
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
    options = [str(config), '--resizer', 'bilinear', '--resizer', 'area', '--arms', str(arms), '--seeds', '1']
    options += ['--work-dir', str(tmp_path / 'work')]
    with pytest.raises(SystemExit, match='--only: no arm linear among bilinear, area, later'):
        compare.main([*options, '--only', 'linear'])
    handler = signal.getsignal(signal.SIGTERM)
    compare.main([*options, '--only', 'area'])
    assert signal.getsignal(signal.SIGTERM) is handler  # the test's own pools of processes end by it
    (run,) = read_log([tmp_path / 'work/runs.jsonl'])
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
        compare.main([str(config), '--resizer', 'bilinear', '--work-dir', str(tmp_path / 'work'), '--start', str(path)])
    assert not (tmp_path / 'work').exists()


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['nowhere.py', '--resizer', 'bilinear'], 'no such config: nowhere.py'),
        (['nowhere.py', '--resizer', 'linear'], "unknown resizer 'linear'"),
        (
            [str(ROOT / 'configs/_base_/downsize/area.py'), '--resizer', 'bilinear'],
            'has no model.data_preprocessor.downsizer',
        ),
    ],
)
def test_bad_command_lines(options, message):
    with pytest.raises(SystemExit, match=message):
        compare.main(options)


@pytest.mark.parametrize('option', ['--subset', '--workers'])
def test_without_a_training_loader_there_is_no_subset_of_it(option, tmp_path):
    (tmp_path / 'c.py').write_text("model = dict(data_preprocessor=dict(downsizer=dict(type='FixedResizer')))\n")
    with pytest.raises(SystemExit, match=r'--subset, --workers: .*c\.py has no train_dataloader'):
        compare.main([str(tmp_path / 'c.py'), '--resizer', 'bilinear', option, '2'])
