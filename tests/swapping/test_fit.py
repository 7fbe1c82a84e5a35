"""tools/swap_resizer.py --fit: what is written is the recipe and trains nothing but the downsizer."""

import json
import warnings
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')

from mmengine.optim import build_optim_wrapper
from mmengine.runner import Runner

from mmdownsize.configs import read_named_config, without_downloads
from mmdownsize.evaluation.shifted import ShiftedDataset
from mmdownsize.fitting.recipe import FRAGMENT
from mmdownsize.swapping.edits import changes_of, notes_of
from mmdownsize.swapping.fit import SEGMENTORS, fit_edits
from tests.tools.small_training import HW, write_config
from tools import swap_resizer
from tools import train as train_tool

RETINANET = 'mmdet::retinanet/retinanet_r18_fpn_1x_coco.py'
FCN = 'mmseg::fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1024.py'
RECIPE = Config.fromfile(FRAGMENT)


@pytest.fixture
def finished(data: Path, tmp_path: Path, single_thread: None) -> tuple[Path, Path]:
    """A segmentor without a downsizer, whose training cuts nothing, and a checkpoint of it."""
    cfg = Config.fromfile(write_config(tmp_path / 'small.py', data, by_epoch=True, seed=0, workers=0))
    settings = {k: v for k, v in cfg.model.data_preprocessor.items() if k not in ('downsizer', 'scale_factor')}
    cfg.model.data_preprocessor = dict(settings, type='SegDataPreProcessor')
    cfg.custom_hooks = [dict(type='EmptyCacheHook')]
    cfg.dump(tmp_path / 'finished.py')
    init_default_scope('mmseg')
    torch.manual_seed(1)
    model = MODELS.build(cfg.model)
    model.init_weights()
    torch.nn.init.normal_(model.decode_head.conv_seg.weight)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'finished.pth')
    return tmp_path / 'finished.py', tmp_path / 'finished.pth'


def swapped(config: Path | str, checkpoint: Path, *options: str) -> Config:
    out = checkpoint.parent / 'fit.py'
    swap_resizer.main([str(config), '--fit', str(checkpoint), '--out', str(out), *options])
    return Config.fromfile(out)


def test_what_is_written_trains_nothing_but_the_downsizer(finished: tuple[Path, Path], tmp_path: Path) -> None:
    config, checkpoint = finished
    cfg = swapped(config, checkpoint, '--scale-factor', '0.4')
    assert cfg.model.type == 'mmdownsize.SelfDistilledEncoderDecoder' and cfg.model.class_balance == 1.0
    steps = RECIPE.fit_steps * 8
    assert cfg.train_cfg.max_iters == cfg.param_scheduler[1].end == steps
    assert cfg.train_dataloader.batch_size == 1 and cfg.optim_wrapper.accumulative_counts == 8
    assert (cfg.param_scheduler[0].end, cfg.custom_hooks[1].interval) == (50 * 8, 8)
    # After a whole update, four times.
    assert cfg.default_hooks.checkpoint.interval == cfg.train_cfg.val_interval == 163 * 8
    options = {'train_cfg.max_iters': 24, 'train_cfg.val_interval': 24, 'default_hooks.checkpoint.interval': 8}
    options['default_hooks.checkpoint.max_keep_ckpts'] = 3
    work_dir = tmp_path / 'run'
    settings = [f'{key}={value}' for key, value in options.items()]
    train_tool.main([str(tmp_path / 'fit.py'), '--work-dir', str(work_dir), '--cfg-options', *settings, *named('fit')])
    before = torch.load(checkpoint)['state_dict']
    after = torch.load(work_dir / 'iter_24.pth', weights_only=False)['state_dict']
    assert after.keys() - before.keys() == {key for key in after if 'downsizer' in key} | {'class_pixels'}
    assert all(torch.equal(after[key], before[key]) for key in before)
    fusion = after['data_preprocessor.downsizer.fusion.weight']
    assert fusion.shape[0] == 36 and fusion[:, :16].any()  # 0 at the start
    assert after['class_pixels'].sum() > 0
    (log,) = work_dir.glob('*/vis_data/scalars.json')
    (shown,) = [row for row in map(json.loads, log.read_text().splitlines()) if 'kl_bilinear' in row]
    assert shown['kl_area'] != shown['kl_bilinear'] and shown['kl_downsizer'] > 0

    # Stopped after two thirds and resumed, it ends the same.
    again = tmp_path / 'again'
    options = ['--work-dir', str(again), '--resume', str(work_dir / 'iter_16.pth')]
    train_tool.main([str(tmp_path / 'fit.py'), *options, '--cfg-options', *settings, *named('again')])
    resumed = torch.load(again / 'iter_24.pth')['state_dict']
    assert all(torch.equal(resumed[key], after[key]) for key in after)


def named(name: str) -> list[str]:
    return [f'experiment_name={name}', f'visualizer.name={name}']


def test_a_model_that_shares_layers_is_fitted(finished: tuple[Path, Path]) -> None:
    """RTMDet's levels share convolutions, which mmengine refuses to take twice."""
    cfg = swapped('mmdet::rtmdet/rtmdet_tiny_8xb32-300e_coco.py', finished[1], '--resizer', 'downsizenet_4x4_area')
    assert cfg.optim_wrapper.paramwise_cfg.bypass_duplicate
    init_default_scope('mmdet')
    without_downloads(cfg.model)
    model = MODELS.build(cfg.model)
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', '.* is duplicate')
        wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    taken = {id(parameter) for group in wrapper.param_groups for parameter in group['params']}
    assert taken >= {id(parameter) for parameter in model.data_preprocessor.parameters()}


def test_what_belongs_to_the_training_of_the_model_does_not_reach_a_fit() -> None:
    stock = read_named_config(RETINANET)[0]
    stock.resume, stock.auto_scale_lr = True, dict(enable=True, base_batch_size=16)
    stock.optim_wrapper.update(type='AmpOptimWrapper', constructor='LearningRateDecayOptimizerConstructor')
    stock.optim_wrapper.accumulative_counts = 4
    edits = fit_edits(stock, [], 'x.pth', {})
    changes = changes_of(edits)
    assert changes['resume'] is False and changes['auto_scale_lr'] == dict(enable=False)
    assert changes['optim_wrapper']['type'] == 'OptimWrapper' and 'constructor' not in changes['optim_wrapper']
    said = ' '.join(notes_of(edits))
    assert (
        'not used: type=AmpOptimWrapper, constructor=LearningRateDecayOptimizerConstructor, accumulative_counts=4'
        in said
    )
    stock = read_named_config(RETINANET)[0]
    edits = fit_edits(stock, [], 'x.pth', {})
    assert not {'resume', 'auto_scale_lr'} & changes_of(edits).keys() and 'not used' not in ' '.join(notes_of(edits))
    assert changes_of(edits)['default_hooks']['checkpoint'] == dict(
        by_epoch=False, interval=260, save_begin=0, max_keep_ckpts=1
    )


def test_images_are_whole_as_they_are_tested_and_in_five_positions(finished: tuple[Path, Path]) -> None:
    config, checkpoint = finished
    cfg = Config.fromfile(config)
    cfg.train_dataloader.dataset.pipeline.insert(2, dict(type='RandomCrop', crop_size=(8, 8)))
    cfg.model.data_preprocessor.size = (64, 64)  # nothing is padded to it
    cfg.dump(config)
    cfg = swapped(config, checkpoint, '--scale', '16', '12')
    said = (checkpoint.parent / 'fit.py').read_text()
    assert 'SegDataPreProcessor -> mmdownsize.SegPairDownsizePreprocessor' in said
    assert '# size=' not in said and '# RandomCrop' not in said and 'RandomCrop' not in str(cfg.train_dataloader)
    cfg = swapped(config, checkpoint, '--scale-factor', '0.5')  # to which the padding size would be scaled
    init_default_scope('mmseg')
    loader = Runner.build_dataloader(cfg.train_dataloader, seed=0)
    assert isinstance(loader.dataset, ShiftedDataset) and loader.dataset.shifts == RECIPE.fit_positions
    assert len(loader.dataset) == 5 * len(loader.dataset.dataset)
    tested = Runner.build_dataloader(cfg.val_dataloader, seed=0).dataset
    for ours, theirs in zip((loader.dataset[i] for i in range(3)), tested, strict=False):
        assert torch.equal(ours['inputs'], theirs['inputs']) and 'gt_sem_seg' not in ours['data_samples']
    data = MODELS.build(cfg.model).data_preprocessor(next(iter(loader)), True)
    assert data['full'].shape == (1, 3, *HW) and data['inputs'].shape == (1, 3, HW[0] // 2, HW[1] // 2)


def test_data_sets_inside_others_are_found() -> None:
    inner = dict(type='A', pipeline=[dict(type='RandomCrop')], data_root='a')
    wrapped = dict(
        type='RepeatDataset', times=2, dataset=dict(type='ConcatDataset', datasets=[inner, dict(inner, data_root='b')])
    )
    stock = read_named_config(FCN)[0]
    stock.model.data_preprocessor.type = SEGMENTORS
    stock.train_dataloader.dataset = wrapped
    moved = changes_of(fit_edits(stock, [], 'x.pth', {}))['train_dataloader']['dataset']
    assert moved['_delete_'] and moved['dataset']['times'] == 2
    steps = [step for step in stock.val_dataloader.dataset.pipeline if step.type != 'LoadAnnotations']
    assert len(steps) == len(stock.val_dataloader.dataset.pipeline) - 1
    for one, root in zip(moved['dataset']['dataset']['datasets'], 'ab', strict=True):
        assert one == dict(type='A', pipeline=steps, data_root=root)
    stock.train_dataloader.dataset = dict(
        type='MultiImageMixDataset', dataset=inner, pipeline=[dict(type='RandomMosaic')]
    )
    with pytest.raises(ValueError, match='--fit: MultiImageMixDataset mixes images: put the data set inside it'):
        fit_edits(stock, [], 'x.pth', {})
    train_dataloader = stock.pop('train_dataloader')
    with pytest.raises(ValueError, match=r'--fit: the config has no train_dataloader\.dataset'):
        fit_edits(stock, [], 'x.pth', {})
    stock.train_dataloader = train_dataloader
    stock.pop('val_dataloader')
    with pytest.raises(ValueError, match=r'--fit: val_dataloader\.dataset\.pipeline says how images are tested'):
        fit_edits(stock, [], 'x.pth', {})


def test_a_resize_that_was_taken_out_stays_out_of_what_is_moved(finished: tuple[Path, Path]) -> None:
    config, checkpoint = finished
    cfg = Config.fromfile(config)
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        cfg[loader].dataset.pipeline.insert(1, dict(type='Resize', scale=(16, 12)))
    cfg.dump(config)
    fit = swapped(config, checkpoint, '--take-resize')
    assert fit.model.data_preprocessor.scale == (16, 12)
    left = [step['type'] for step in fit.train_dataloader.dataset.dataset.pipeline]
    assert left == ['LoadImageFromFile', 'PackSegInputs']


def test_a_detector_learns_with_its_own_loss(finished: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    fit, stock = swapped(RETINANET, finished[1], '--resizer', 'downsizenet_4x4_area'), read_named_config(RETINANET)[0]
    said = ' '.join(capsys.readouterr().err.split())
    assert 'RetinaNet learns with its own loss, with labels' in said
    assert fit.model.type == 'RetinaNet' and fit.model.data_preprocessor.type == 'mmdownsize.DetDownsizePreprocessor'
    assert '\ntrain_dataloader =' not in (finished[1].parent / 'fit.py').read_text()
    assert fit.load_from == str(finished[1])
    assert fit.train_cfg.max_iters == RECIPE.fit_steps_with_labels * 8 / stock.train_dataloader.batch_size
    assert fit.model.data_preprocessor.downsizer.neighbors == 4
    assert fit.optim_wrapper.paramwise_cfg.custom_keys == {}  # that fragment has no rates


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--fit', 'nowhere.pth'], '--fit: no such checkpoint: nowhere.pth'),
        (['--fit', 'CHECKPOINT', '--resizer', 'area'], '--fit: FixedResizer has nothing to train'),
    ],
)
def test_what_cannot_be_fitted_is_refused(finished: tuple[Path, Path], options: list[str], message: str) -> None:
    config, checkpoint = finished
    options = [str(checkpoint) if option == 'CHECKPOINT' else option for option in options]
    with pytest.raises(SystemExit, match=message):
        swap_resizer.main([str(config), *options])


def test_segmentors_that_do_not_learn_from_themselves_are_refused(finished: tuple[Path, Path]) -> None:
    config, checkpoint = finished
    cfg = Config.fromfile(config)
    cfg.model.type = 'CascadeEncoderDecoder'
    cfg.dump(config)
    with pytest.raises(SystemExit, match='--fit: CascadeEncoderDecoder does not learn from itself'):
        swap_resizer.main([str(config), '--fit', str(checkpoint)])


def test_padding_at_test_time_is_refused(finished: tuple[Path, Path]) -> None:
    config, checkpoint = finished
    cfg = Config.fromfile(config)
    cfg.model.data_preprocessor.test_cfg = dict(size_divisor=32)
    cfg.dump(config)
    with pytest.raises(SystemExit, match=r"test_cfg=\{'size_divisor': 32\} pads at test time, .* say test_cfg=None"):
        swap_resizer.main([str(config), '--fit', str(checkpoint)])
