"""The page of pictures, and which images are drawn."""

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from mmdownsize.gallery import loader_of, page_of, read_image
from mmdownsize.image_files import find_images
from mmdownsize.refusal import Refusal


def test_names_cannot_break_the_page():
    page = page_of('<net>', [('0000_"a".png', 'a & b.jpg')])
    assert '<h1>&lt;net&gt;</h1>' in page
    assert 'src="0000_&quot;a&quot;.png"' in page
    assert '<figcaption>a &amp; b.jpg</figcaption>' in page


def test_images_of_folders_and_those_named(tmp_path):
    (tmp_path / 'inside').mkdir()
    named, below = tmp_path / 'named.dat', tmp_path / 'inside' / 'b.PNG'
    for path in (named, below, tmp_path / 'inside' / 'notes.txt'):
        path.touch()
    assert find_images([named, tmp_path / 'inside']) == [named, below]
    with pytest.raises(Refusal, match=r'no such file or folder: .*gone'):
        find_images([tmp_path / 'gone'])


def test_an_image_is_bgr_and_of_the_size_asked_for(tmp_path):
    rgb = np.zeros((4, 6, 3), np.uint8)
    rgb[..., 0] = 200
    Image.fromarray(rgb).save(tmp_path / 'red.png')
    image = read_image(tmp_path / 'red.png', (3, 2))
    assert image.shape == (2, 3, 3)
    assert image[0, 0].tolist() == [0, 0, 200]


@pytest.mark.parametrize('channels', [1, 3, 4])
def test_an_image_has_the_channels_that_the_model_takes(channels, tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (4, 6, channels), np.uint8)
    cv2.imwrite(str(tmp_path / 'a.png'), image)
    model = dict(backbone=dict(in_channels=channels), data_preprocessor=dict())
    found = read_image(tmp_path / 'a.png', None, loader_of(Config(dict(model=model))))
    assert np.array_equal(found, image)
    assert read_image(tmp_path / 'a.png', (3, 2), loader_of(Config(dict(model=model)))).shape == (2, 3, channels)


def test_an_image_is_loaded_as_the_pipeline_does(tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), np.full((4, 6, 3), 9, np.uint8))
    step = dict(type='LoadImageFromFile', color_type='grayscale', to_float32=True)
    inner = dict(type='A', pipeline=[dict(type='B'), step])
    cfg = Config(
        dict(
            model=dict(data_preprocessor=dict()),
            val_dataloader=dict(dataset=dict(type='ConcatDataset', datasets=[inner])),
        )
    )
    found = read_image(tmp_path / 'a.png', None, loader_of(cfg))
    assert found.shape == (4, 6, 1) and found.dtype == np.float32
    with pytest.raises(Refusal, match=r'bad\.png cannot be read as an image'):
        (tmp_path / 'bad.png').write_text('no image')
        read_image(tmp_path / 'bad.png', None, loader_of(cfg))
