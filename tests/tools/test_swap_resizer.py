"""tools/swap_resizer.py: its options, what it writes and prints, and that the result works."""

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import MODELS, init_default_scope
from PIL import Image

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')

from mmdownsize.configs import read_fragment, read_named_config
from tools import swap_resizer

RETINANET = 'mmdet::retinanet/retinanet_r18_fpn_1x_coco.py'
FCN = 'mmseg::fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1024.py'


def config():
    return Config(
        dict(
            default_scope='mmdet',
            model=dict(type='X', data_preprocessor=dict(type='DetDataPreprocessor', mean=[1.0, 2.0, 3.0])),
        )
    )


def test_a_shipped_detector_taken_at_full_resolution_sees_images_of_the_same_size(tmp_path, capsys):
    out = tmp_path / 'deep/swapped.py'
    swap_resizer.main([RETINANET, '--take-resize', '--out', str(out), '--resizer', 'bilinear'])
    assert 'pad_size_divisor=32' in capsys.readouterr().err
    swapped, stock = Config.fromfile(out), read_named_config(RETINANET)[0]
    assert out.read_text().startswith('# model.data_preprocessor.type: DetDataPreprocessor -> ')
    assert swapped.model.backbone == stock.model.backbone
    assert swapped.model.data_preprocessor.mean == stock.model.data_preprocessor.mean
    init_default_scope('mmdet')
    path = tmp_path / 'image.png'
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (37, 53, 3), np.uint8)).save(path)
    seen = []
    for cfg in (swapped, stock):
        steps = [step for step in cfg.test_dataloader.dataset.pipeline if step.type != 'LoadAnnotations']
        sample = Compose(steps)(dict(img_path=str(path), img_id=0))
        batch = dict(inputs=[sample['inputs']], data_samples=[sample['data_samples']])
        seen.append(MODELS.build(cfg.model.data_preprocessor)(batch))
    assert seen[0]['inputs'].shape == seen[1]['inputs'].shape
    ours, theirs = (out['data_samples'][0] for out in seen)
    assert ours.img_shape == theirs.img_shape and ours.ori_shape == theirs.ori_shape
    assert ours.scale_factor == pytest.approx(theirs.scale_factor)


@pytest.mark.parametrize('name', [RETINANET, FCN, 'mmdet::yolox/yolox_tiny_8xb8-300e_coco.py'])
def test_check_builds_it_and_finds_losses_gradients_and_predictions(name, tmp_path, capsys):
    swap_resizer.main([name, '--check', '--out', str(tmp_path / 'swapped.py'), '--scale-factor', '0.25'])
    said = capsys.readouterr()
    trained, tested, *notes, written, following = said.err.splitlines()
    assert trained.startswith('check: works in training: ') and 'losses and gradients: loss' in trained
    assert tested.startswith('check: works at test time: ') and 'a prediction: ' in tested
    assert notes and all(note.startswith('- ') for note in notes) and said.out == ''
    assert (written, following) == (f'written: {tmp_path}/swapped.py', f'next: mmdownsize train {tmp_path}/swapped.py')


def test_a_config_is_printed_where_no_file_is_named(tmp_path, capsys):
    path = tmp_path / 'mine.py'
    config().dump(path)
    swap_resizer.main([str(path), '--scale', '80', '60', '--keep-ratio'])
    printed = capsys.readouterr().out
    (tmp_path / 'again.py').write_text(printed)
    assert Config.fromfile(tmp_path / 'again.py').model.data_preprocessor.to_dict() == {
        'type': 'mmdownsize.DetDownsizePreprocessor',
        'mean': [1.0, 2.0, 3.0],
        'downsizer': read_fragment('importance_lanczos')[0],
        'scale': (80, 60),
        'keep_ratio': True,
    }


def test_a_downsizer_with_rates_of_its_own_brings_them(tmp_path, capsys):
    path = tmp_path / 'mine.py'
    cfg = config()
    cfg.optim_wrapper = dict(paramwise_cfg=dict(norm_decay_mult=0.0, custom_keys={'backbone': dict(lr_mult=0.1)}))
    cfg.dump(path)
    swap_resizer.main([str(path), '--resizer', 'downsizenet_6x6_signed', '--out', str(tmp_path / 'swapped.py')])
    assert Config.fromfile(tmp_path / 'swapped.py').optim_wrapper.paramwise_cfg.to_dict() == {
        'norm_decay_mult': 0.0,
        'custom_keys': {'backbone': dict(lr_mult=0.1), **read_fragment('downsizenet_6x6_signed')[1]},
    }
    assert 'multiples of the learning rate: fusion 8, texture 1' in capsys.readouterr().err.replace('\n', ' ')


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['nowhere.py'], 'no such config: nowhere.py'),
        (['mmdet::no/such.py'], 'no config mmdet::no/such.py'),
        (
            ['x.py', '--resizer', 'linear'],
            "unknown resizer 'linear': did you mean 'bilinear'. choose one of antialiased, area",
        ),
    ],
)
def test_bad_command_lines(arguments, message):
    with pytest.raises(SystemExit, match=message):
        swap_resizer.main(arguments)
