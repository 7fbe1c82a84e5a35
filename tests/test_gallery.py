"""The page of pictures, and which images are drawn."""

import numpy as np
import pytest
from PIL import Image

from mmdownsize.gallery import find_images, page_of, read_image
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
