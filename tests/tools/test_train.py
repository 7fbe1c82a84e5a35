"""tools/train.py and tools/test.py on a handful of generated images."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from PIL import Image

pytest.importorskip('mmseg')

from mmdownsize.cli.main import parser_of
from mmdownsize.launching import testing, training
from tests.tools.small_training import BATCH, HW, IMAGES, ROOT, write_config
from tools import test as test_tool
from tools import train as train_tool


@pytest.fixture(scope='module', autouse=True)
def _one_thread(single_thread):
    pass


def train(config: Path, work_dir: Path, *options: str) -> None:
    # In one process, runners of the same second and visualizers of the same name share their logs.
    name = f'{work_dir.parent.name}_{work_dir.name}'
    names = [f'experiment_name={name}', f'visualizer.name={name}']
    train_tool.main([str(config), '--work-dir', str(work_dir), *options, '--cfg-options', *names])


def losses(work_dir: Path) -> list[float]:
    (log,) = work_dir.glob('*/vis_data/scalars.json')
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    return [row['loss'] for row in rows if 'loss' in row]


@pytest.fixture(scope='module')
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp('trained')
    config = write_config(folder / 'tiny.py', data, by_epoch=True, seed=None, workers=2)
    train(config, folder / 'whole')
    return config, folder / 'whole'


def check_resumed(resumed: Path, whole: Path, checkpoint: str) -> None:
    steps = IMAGES // BATCH
    assert len(losses(whole)) == 2 * steps
    assert losses(resumed) == losses(whole)[steps:]
    ours, theirs = (torch.load(folder / checkpoint)['state_dict'] for folder in (resumed, whole))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_resume_by_epoch_with_workers_and_no_seed_given_is_exact(trained: tuple[Path, Path], tmp_path: Path) -> None:
    config, whole = trained
    train(config, tmp_path / 'resumed', '--resume', str(whole / 'epoch_1.pth'))
    check_resumed(tmp_path / 'resumed', whole, 'epoch_2.pth')


def test_resume_auto_by_iteration_without_workers_is_exact(data: Path, tmp_path: Path) -> None:
    config = write_config(tmp_path / 'tiny.py', data, by_epoch=False, seed=3, workers=0)
    whole, resumed = tmp_path / 'whole', tmp_path / 'resumed'
    train(config, whole)
    resumed.mkdir()
    (resumed / 'last_checkpoint').write_text(str(whole / 'iter_3.pth'))
    train(config, resumed, '--resume')
    check_resumed(resumed, whole, 'iter_6.pth')


def test_a_config_that_asks_to_resume_finds_the_last_checkpoint_or_begins_in_silence(
    trained: tuple[Path, Path], tmp_path: Path
) -> None:
    config, whole = trained
    asking = tmp_path / 'asking.py'
    asking.write_text(f'_base_ = {str(config)!r}\nresume = True\n')
    begun = training.config_of(training.Options(str(asking), str(tmp_path / 'empty')))
    assert (begun.resume, begun.get('load_from')) == (False, None)  # mmengine has nothing to look for
    resumed = training.config_of(training.Options(str(asking), str(whole)))
    assert (resumed.resume, resumed.load_from) == (True, str(whole / 'epoch_2.pth'))


def test_a_checkpoint_tested_gives_the_metric_of_its_validation(trained: tuple[Path, Path], tmp_path: Path) -> None:
    config, whole = trained
    (log,) = whole.glob('*/vis_data/scalars.json')
    validated = [row['mIoU'] for row in map(json.loads, log.read_text().splitlines()) if 'mIoU' in row]
    out = tmp_path / 'labels'
    options = ['--work-dir', str(tmp_path / 'test'), '--out', str(out), '--show-dir', str(tmp_path / 'shown')]
    options += ['--cfg-options', 'visualizer.name=shown']
    metrics = test_tool.main([str(config), str(whole / 'epoch_2.pth'), *options])
    assert metrics['mIoU'] == validated[-1]
    predictions = sorted(out.glob('*.png'))
    assert [Image.open(path).size for path in predictions] == [HW[::-1]] * IMAGES  # of the files, not of the network
    assert len(list((tmp_path / 'shown').rglob('*.png'))) == IMAGES


def test_predictions_pickled_from_another_folder(trained: tuple[Path, Path], tmp_path: Path) -> None:
    config, whole = trained
    command = [sys.executable, str(ROOT / 'tools/test.py'), str(config), str(whole / 'epoch_2.pth'), '--out', 'all.pkl']
    environ = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / 'all.pkl').stat().st_size > 0
    assert (tmp_path / 'work_dirs' / 'tiny').is_dir()


def test_options_reach_the_config(trained: tuple[Path, Path], tmp_path: Path) -> None:
    config = str(trained[0])
    options = [
        '--amp',
        '--seed',
        '7',
        '--launcher',
        'pytorch',
        '--cfg-options',
        'model.data_preprocessor.scale_factor=0.3',
    ]
    cfg = training.config_of(training.Options(**vars(parser_of('train').parse_args([config, *options]))))
    assert cfg.optim_wrapper.type == 'AmpOptimWrapper' and cfg.optim_wrapper.loss_scale == 'dynamic'
    assert cfg.randomness.seed == 7 and cfg.launcher == 'pytorch' and cfg.model.data_preprocessor.scale_factor == 0.3
    assert cfg.work_dir == os.path.join('work_dirs', 'tiny')
    scaled = ['--auto-scale-lr', '--cfg-options', 'auto_scale_lr.base_batch_size=16']
    assert training.config_of(
        training.Options(**vars(parser_of('train').parse_args([config, *scaled])))
    ).auto_scale_lr.enable


@pytest.mark.parametrize('hooks', [{}, dict(default_hooks={}), dict(default_hooks=dict(checkpoint=dict(interval=3)))])
def test_checkpoints_are_kept_until_the_next_is_written(hooks: dict) -> None:
    if 'checkpoint' in hooks.get('default_hooks', {}):
        hooks['default_hooks']['checkpoint']['type'] = 'CheckpointHook'
    cfg = Config(hooks)
    training.keep_checkpoints(cfg)
    assert cfg.default_hooks.checkpoint.type == 'mmdownsize.KeepingCheckpointHook'
    assert cfg.default_hooks.checkpoint.interval == (3 if hooks.get('default_hooks') else 1)


def test_another_hook_for_checkpoints_or_none_is_left_alone() -> None:
    for hook in (None, dict(type='Mine')):
        cfg = Config(dict(default_hooks=dict(checkpoint=hook)))
        training.keep_checkpoints(cfg)
        assert cfg.default_hooks.checkpoint == hook


def test_test_time_augmentation_wraps_the_model(trained: tuple[Path, Path]) -> None:
    config, whole = trained
    options = ['--tta', '--cfg-options', 'tta_model.type=SegTTAModel', 'tta_pipeline=[1]']
    cfg = testing.config_of(
        testing.Options(**vars(parser_of('test').parse_args([str(config), str(whole / 'epoch_2.pth'), *options])))
    )
    assert cfg.model.type == 'SegTTAModel' and cfg.model.module.type == 'EncoderDecoder'
    assert cfg.test_dataloader.dataset.pipeline == [1]


def test_test_time_augmentation_keeps_the_downsizer_and_reaches_all_data_sets(
    trained: tuple[Path, Path], tmp_path: Path
) -> None:
    config, whole = trained
    cfg = Config.fromfile(config)
    # As in the configs of mmsegmentation: mmengine gives this copy to a model without a preprocessor, here the one around it.
    cfg.data_preprocessor = dict(type='SegDataPreProcessor', size_divisor=1)
    cfg.tta_model = dict(type='SegTTAModel')
    flips = [dict(type='RandomFlip', prob=1.0), dict(type='RandomFlip', prob=0.0)]
    packed = dict(type='PackSegInputs')
    cfg.tta_pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations'),
        dict(type='TestTimeAug', transforms=[flips, [packed]]),
    ]
    one = cfg.test_dataloader.dataset
    cfg.test_dataloader = dict(cfg.test_dataloader, dataset=dict(type='ConcatDataset', datasets=[one, one]))
    cfg.dump(tmp_path / 'tta.py')
    options = [
        '--tta',
        '--work-dir',
        str(tmp_path / 'run'),
        '--cfg-options',
        'experiment_name=tta',
        'visualizer.name=tta',
    ]
    arguments = [str(tmp_path / 'tta.py'), str(whole / 'epoch_2.pth'), *options]
    read = testing.config_of(testing.Options(**vars(parser_of('test').parse_args(arguments))))
    assert all(one.pipeline == cfg.tta_pipeline for one in read.test_dataloader.dataset.datasets)
    runner = Runner.from_cfg(read)
    assert type(runner.model.module.data_preprocessor).__name__ == 'SegDownsizePreprocessor'


@pytest.mark.parametrize(
    'tool, arguments, message',
    [
        (train_tool, ['absent.py'], 'no such config: absent.py'),
        (train_tool, ['{config}', '--resume', 'absent.pth'], 'no such checkpoint: absent.pth'),
        (train_tool, ['{config}', '--auto-scale-lr'], 'no auto_scale_lr.base_batch_size'),
        (train_tool, ['{config}', '--amp', '--cfg-options', 'optim_wrapper.type=Other'], 'the config has Other'),
        (test_tool, ['absent.py', 'absent.pth'], 'no such config: absent.py'),
        (test_tool, ['{config}', 'absent.pth'], 'no such checkpoint: absent.pth'),
        (test_tool, ['{config}', '{config}', '--tta'], 'no tta_model and no tta_pipeline'),
        (
            test_tool,
            ['{config}', '{config}', '--out', 'x', '--cfg-options', 'default_scope=mmdet'],
            'a .pkl file is needed',
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tool, arguments, message, trained: tuple[Path, Path]) -> None:
    arguments = [argument.format(config=trained[0]) for argument in arguments]
    with pytest.raises(SystemExit) as stopped:
        tool.main(arguments)
    assert message in str(stopped.value) and '\n' not in str(stopped.value)


def test_resuming_where_nothing_was_trained_begins_as_the_config_says(
    trained: tuple[Path, Path], tmp_path: Path
) -> None:
    """mmengine would leave out load_from, and train a model of random weights."""
    start = str(trained[1] / 'epoch_1.pth')
    options = [str(trained[0]), '--work-dir', str(tmp_path / 'new'), '--resume', '--cfg-options', f'load_from={start}']
    cfg = training.config_of(training.Options(**vars(parser_of('train').parse_args(options))))
    assert cfg.load_from == start and not cfg.resume
    options[2] = str(trained[1])
    cfg = training.config_of(training.Options(**vars(parser_of('train').parse_args(options))))
    assert cfg.load_from.endswith('epoch_2.pth') and cfg.resume
