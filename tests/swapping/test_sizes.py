"""What becomes of the size of images between their files and the network."""

from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')

from mmdownsize.cli.main import main
from mmdownsize.refusal import Refusal
from mmdownsize.swapping.run import Options, swap_resizer
from mmdownsize.swapping.sizes import Sizes, measure, size_of
from tests.tools.small_training import write_training

MASK_RCNN = 'mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py'  # a Resize to (1333, 800) that keeps the ratio


def photo(path: Path, w: int, h: int, turned: bool = False) -> Path:
    exif = Image.Exif()
    if turned:
        exif[0x0112] = 6
    Image.fromarray(np.zeros((h, w, 3), np.uint8)).save(path, exif=exif)
    return path


def test_a_resize_that_enlarges_is_measured_and_warned_of(tmp_path: Path) -> None:
    photo(tmp_path / 'a.jpg', 640, 480)  # to 1067 x 800
    photo(tmp_path / 'b.jpg', 1600, 480)  # to 1333 x 400
    taken = swap_resizer(Options(MASK_RCNN, take_resize=True, images=[tmp_path]))
    assert taken.sizes == [
        '2 images: the network sees their sides 0.83 to 1.67 times as long (pipeline 1.00, downsizer 0.83 to 1.67)',
        'warning: 1 of 2 images are not made smaller: their sides become 1.67 times as long, and there is nothing to gain. '
        'Give a smaller --scale-factor, or --scale W H',
    ]
    halved = swap_resizer(Options(MASK_RCNN, images=[tmp_path / 'a.jpg']))
    assert halved.sizes == ['1 image: the network sees their sides 0.83 times as long (pipeline 1.67, downsizer 0.50)']
    assert swap_resizer(Options(MASK_RCNN)).sizes == []  # COCO is not here


def test_a_photograph_is_measured_as_it_is_seen(tmp_path: Path) -> None:
    turned = photo(tmp_path / 'turned.jpg', 400, 200, turned=True)
    assert size_of(turned) == (400, 200) and size_of(photo(tmp_path / 'not.jpg', 400, 200)) == (200, 400)
    cfg = swap_resizer(Options(MASK_RCNN, scale=(300, 100))).cfg
    step = dict(type='Resize', scale=(100, 200), keep_ratio=True)
    cfg.test_dataloader.dataset.pipeline = [dict(type='LoadImageFromFile'), step]
    found = measure(cfg, [turned])
    assert found is not None
    assert found.pipeline == pytest.approx([0.5]) and found.downsizer == pytest.approx([1.5**0.5])


def test_a_configs_own_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, _ = write_training(tmp_path)
    found = measure(Config.fromfile(path), None)
    assert found == Sizes('6 images of test_dataloader', [1.0] * 6, [0.5] * 6)
    plain = tmp_path / 'plain.py'
    plain.write_text(
        f"_base_ = {str(path)!r}\nmodel = dict(data_preprocessor=dict(_delete_=True, type='SegDataPreProcessor'))\n"
    )
    main(['swap', str(plain), '--scale-factor', '0.25'])
    said = capsys.readouterr()
    assert said.out.count('SegDownsizePreprocessor') == 2  # an edit, and the note above it
    assert said.err == (
        '6 images of test_dataloader: the network sees their sides 0.25 times as long (pipeline 1.00, downsizer 0.25)\n'
    )
    out = tmp_path / 'swapped.py'
    main(['swap', str(plain), '--out', str(out), '--scale-factor', '1.5'])
    said = capsys.readouterr()
    lines = said.err.splitlines()
    assert said.out == '' and lines[1].startswith('warning: 6 of 6 images are not made smaller')
    assert lines[2].startswith('- model.data_preprocessor.type: ')
    assert lines[-2:] == [f'written: {out}', f'next: mmdownsize train {out}']


def test_what_is_no_image_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / 'x.png').write_text('no image')
    out = tmp_path / 'swapped.py'
    for images, message in [
        ([tmp_path / 'x.png'], 'x.png cannot be read as an image'),
        ([tmp_path / 'y'], 'no such file'),
    ]:
        with pytest.raises(Refusal, match=message):
            swap_resizer(Options(MASK_RCNN, out=out, images=images))
    assert not out.exists()
