"""tools/visualize_downsizer.py: pictures and a page of a checkpoint's downsizer."""

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

pytest.importorskip('mmseg')

from mmdownsize.drawing import draw
from tests.tools.small_training import IMAGES, write_config
from tools import visualize_downsizer


@pytest.fixture
def trained(tmp_path, data):
    config = write_config(tmp_path / 'small.py', data, by_epoch=True, seed=0, workers=0)
    init_default_scope('mmseg')
    model = MODELS.build(Config.fromfile(config).model)
    torch.manual_seed(0)
    torch.nn.init.normal_(model.data_preprocessor.downsizer.fusion.weight, std=0.5)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'model.pth')
    return config, tmp_path / 'model.pth', model.data_preprocessor.downsizer


def test_a_picture_an_image_and_a_page(trained, data, tmp_path, capsys):
    config, checkpoint, downsizer = trained
    single = data / 'images/0.png'
    out = tmp_path / 'out'
    visualize_downsizer.main([str(config), str(checkpoint), str(data / 'images'), str(single), '--out', str(out)])
    written = sorted(out.glob('*.png'))
    assert len(written) == IMAGES + 1
    assert f'{IMAGES + 1} pictures' in capsys.readouterr().out
    source = torch.from_numpy(cv2.imread(str(single))).permute(2, 0, 1).float()
    expected = draw(downsizer, source, (12, 16))
    assert np.array_equal(cv2.imread(str(written[-1]))[..., ::-1], expected)
    page = (out / 'index.html').read_text()
    assert all(f'src="{path.name}"' in page for path in written)


def test_images_may_be_resized_first(trained, data, tmp_path):
    config, checkpoint, downsizer = trained
    image = data / 'images/0.png'
    visualize_downsizer.main(
        [
            str(config),
            str(checkpoint),
            str(image),
            '--out',
            str(tmp_path / 'out'),
            '--size',
            '40',
            '20',
            '--kernel',
            'area',
        ]
    )
    source = torch.from_numpy(cv2.resize(cv2.imread(str(image)), (40, 20))).permute(2, 0, 1).float()
    (written,) = (tmp_path / 'out').glob('*.png')
    assert np.array_equal(cv2.imread(str(written))[..., ::-1], draw(downsizer, source, (10, 20), 'area'))


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({0: 'nowhere.py'}, 'no such config: nowhere.py'),
        ({1: 'nowhere.pth'}, 'no such checkpoint: nowhere.pth'),
        ({2: 'nowhere'}, 'no such file or folder: nowhere'),
        ({2: '.'}, 'no image in'),
    ],
)
def test_bad_paths(trained, data, tmp_path, change, message, monkeypatch):
    (tmp_path / 'empty').mkdir()
    monkeypatch.chdir(tmp_path / 'empty')
    arguments = [str(trained[0]), str(trained[1]), str(data / 'images')]
    for place, value in change.items():
        arguments[place] = value
    with pytest.raises(SystemExit, match=message):
        visualize_downsizer.main([*arguments, '--out', str(tmp_path / 'out')])
    assert not (tmp_path / 'out').exists()


def test_a_checkpoint_without_a_downsizer_is_refused(trained, data, tmp_path):
    torch.save(dict(state_dict={'backbone.x': torch.zeros(1)}), tmp_path / 'other.pth')
    with pytest.raises(SystemExit, match=r"does not fit the config's downsizer: missing \['downsizer"):
        visualize_downsizer.main(
            [str(trained[0]), str(tmp_path / 'other.pth'), str(data / 'images'), '--out', str(tmp_path / 'out')]
        )


def test_images_of_four_channels(trained, tmp_path):
    cfg = Config.fromfile(trained[0])
    cfg.model.data_preprocessor.update(mean=[1.0] * 4, std=[1.0] * 4)
    cfg.model.data_preprocessor.downsizer = dict(type='DownsizeNet', channels=4, in_channels=4)
    cfg.test_dataloader.dataset.pipeline[0].color_type = 'unchanged'
    cfg.dump(tmp_path / 'four.py')
    downsizer = MODELS.build(cfg.model.data_preprocessor).downsizer
    state = {f'data_preprocessor.downsizer.{key}': value for key, value in downsizer.state_dict().items()}
    torch.save(dict(state_dict=state), tmp_path / 'four.pth')
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 4), np.uint8)
    cv2.imwrite(str(tmp_path / 'a.png'), image)
    out = tmp_path / 'out'
    visualize_downsizer.main(
        [str(tmp_path / 'four.py'), str(tmp_path / 'four.pth'), str(tmp_path / 'a.png'), '--out', str(out)]
    )
    (written,) = out.glob('*.png')
    source = torch.from_numpy(image).permute(2, 0, 1).float()
    assert np.array_equal(cv2.imread(str(written))[..., ::-1], draw(downsizer, source, (10, 15)))
    cv2.imwrite(str(tmp_path / 'three.png'), image[..., :3])
    with pytest.raises(SystemExit, match=r'images must have 4 channels, got \(1, 3, 20, 30\)'):
        visualize_downsizer.main(
            [str(tmp_path / 'four.py'), str(tmp_path / 'four.pth'), str(tmp_path / 'three.png'), '--out', str(out)]
        )
