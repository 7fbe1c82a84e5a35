"""study/held_out_loss.py against losses that are computed one image at a time."""

from pathlib import Path

import cv2
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData

pytest.importorskip('mmseg')

from mmseg.structures import SegDataSample

from mmdownsize.registry import MODELS
from study import held_out_loss
from tests.tools.small_training import IMAGES, write_training

PIPELINE = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
TRAINED_ON = [0, 2, 4, 5]


@pytest.fixture
def training(tmp_path: Path) -> tuple[Config, Path, Path]:
    """A config that trains on some of the images, a checkpoint of it with a downsizer that has moved, and the images."""
    path, data = write_training(tmp_path)
    cfg = Config.fromfile(path)
    cfg.train_dataloader.dataset = dict(
        type='RepeatDataset', times=2, dataset=dict(cfg.train_dataloader.dataset, pipeline=PIPELINE, indices=TRAINED_ON)
    )
    cfg.dump(path)
    init_default_scope('mmseg')
    torch.manual_seed(1)
    model = MODELS.build(cfg.model)
    for parameter in model.data_preprocessor.downsizer.parameters():
        parameter.data.add_(0.2 * torch.randn(parameter.shape))
    torch.save(dict(state_dict=model.state_dict(), meta={}), tmp_path / 'epoch_2.pth')
    return cfg, tmp_path / 'epoch_2.pth', data


def loss_of(cfg: Config, state: dict[str, torch.Tensor], data: Path, numbers: list[int]) -> float:
    """The mean of the loss of these images, each alone."""
    model = MODELS.build(cfg.model)
    model.load_state_dict(state, strict=False)
    model.eval()
    total = 0.0
    for number in numbers:
        image = torch.from_numpy(cv2.imread(str(data / f'images/{number}.png'))).permute(2, 0, 1)
        label = torch.from_numpy(cv2.imread(str(data / f'labels/{number}.png'), cv2.IMREAD_GRAYSCALE)).long()[None]
        sample = SegDataSample(
            gt_sem_seg=PixelData(data=label), metainfo=dict(img_shape=image.shape[1:], ori_shape=image.shape[1:])
        )
        inputs = model.data_preprocessor(dict(inputs=[image], data_samples=[sample]), True)
        with torch.no_grad():
            total += float(model(**inputs, mode='loss')['decode.loss_ce'])
    return total / len(numbers)


def test_losses_are_those_of_single_images(training: tuple[Config, Path, Path]) -> None:
    cfg, checkpoint, data = training
    found = held_out_loss.measure(cfg, checkpoint, None)
    state = torch.load(checkpoint, weights_only=True)['state_dict']
    start = {key: value for key, value in state.items() if not key.startswith('data_preprocessor.downsizer.')}
    for name, weights in (('start', start), ('fitted', state)):
        for kind, numbers in (('training', TRAINED_ON), ('validation', list(range(IMAGES)))):
            assert found[name][kind] == pytest.approx(loss_of(cfg, weights, data, numbers), abs=1e-6)
    assert len({value for row in found.values() for value in row.values()}) == 4


def test_the_first_images_alone(training: tuple[Config, Path, Path]) -> None:
    cfg, checkpoint, data = training
    found = held_out_loss.measure(cfg, checkpoint, 3)
    state = torch.load(checkpoint, weights_only=True)['state_dict']
    assert found['fitted']['training'] == pytest.approx(loss_of(cfg, state, data, TRAINED_ON[:3]), abs=1e-6)
    assert found['fitted']['validation'] == pytest.approx(loss_of(cfg, state, data, [0, 1, 2]), abs=1e-6)


def test_what_is_random_is_the_same_in_both_rows(training: tuple[Config, Path, Path]) -> None:
    cfg, checkpoint, _ = training
    changes = [dict(type='RandomFlip', prob=0.5), dict(type='PhotoMetricDistortion')]
    cfg.train_dataloader.dataset.dataset.pipeline = [*PIPELINE[:2], *changes, PIPELINE[2]]
    state = torch.load(checkpoint, weights_only=True)
    untouched = MODELS.build(cfg.model).data_preprocessor.state_dict()
    state['state_dict'].update({f'data_preprocessor.{key}': value for key, value in untouched.items()})
    torch.save(state, checkpoint)
    cfg.randomness.seed = 0
    found = held_out_loss.measure(cfg, checkpoint, None)
    # Before training the downsizer is bilinear whatever its convolutions, which are drawn anew.
    assert found['start'] == pytest.approx(found['fitted'], abs=1e-6)


def test_validation_images_are_prepared_as_the_training_prepares_its_own(training: tuple[Config, Path, Path]) -> None:
    cfg, _, data = training
    cfg.train_dataloader.dataset.dataset.pipeline = [*PIPELINE[:2], dict(type='RandomFlip', prob=1.0), PIPELINE[2]]
    batch = next(iter(held_out_loss.loaders(cfg, None)['validation']))
    mirrored = cv2.imread(str(data / 'images/0.png'))[:, ::-1].transpose(2, 0, 1)
    assert (batch['inputs'][0].numpy() == mirrored).all()


def test_the_table(training: tuple[Config, Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    cfg, checkpoint, _ = training
    found = held_out_loss.measure(cfg, checkpoint, 2)
    held_out_loss.main([str(checkpoint.parent / 'config.py'), str(checkpoint), '--images', '2'])
    printed = capsys.readouterr().out
    difference = found['fitted']['validation'] - found['start']['validation']
    assert (
        'epoch_2.pth' in printed and f'{found["fitted"]["training"]:.4f}' in printed and f'{difference:+.4f}' in printed
    )


def test_bad_input(training: tuple[Config, Path, Path]) -> None:
    cfg, checkpoint, _ = training
    config = str(checkpoint.parent / 'config.py')
    with pytest.raises(SystemExit, match='--images must be at least 1, got 0'):
        held_out_loss.main([config, str(checkpoint), '--images', '0'])
    with pytest.raises(SystemExit, match=r'no such config: nowhere\.py'):
        held_out_loss.main(['nowhere.py', str(checkpoint)])
    with pytest.raises(SystemExit, match=r'nowhere\.pth'):
        held_out_loss.main([config, 'nowhere.pth'])
    cfg.model.data_preprocessor.downsizer = dict(type='FixedResizer')
    cfg.dump(checkpoint.parent / 'fixed.py')
    with pytest.raises(SystemExit, match=r'no model\.data_preprocessor\.downsizer that learns'):
        held_out_loss.main([str(checkpoint.parent / 'fixed.py'), str(checkpoint)])
    with pytest.raises(SystemExit, match=r'epoch_2\.pth does not fit the downsizer'):
        held_out_loss.main([config, str(checkpoint), '--cfg-options', 'model.data_preprocessor.downsizer.channels=5'])
    with pytest.raises(SystemExit, match=r"does not fit the config's model.*decode_head"):
        held_out_loss.main([config, str(checkpoint), '--cfg-options', 'model.decode_head.channels=5'])
