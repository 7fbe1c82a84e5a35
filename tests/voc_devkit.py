"""A folder in the layout of PASCAL VOC's development kit, with a few generated images."""

from pathlib import Path

import numpy as np
from PIL import Image

OBJECTS = {'cat': (8, (235, 60, 40)), 'tvmonitor': (20, (30, 70, 220))}  # name: label of the mask, colour


def write_devkit(root: Path, count: int = 2) -> Path:
    """Write ``VOC2007`` and ``VOC2012``, the same images of different sizes in every split, and return their folder."""
    rng = np.random.default_rng(0)
    devkit = root / 'VOCdevkit'
    splits = ('Main/trainval', 'Main/train', 'Main/val', 'Main/test')
    splits += ('Segmentation/train', 'Segmentation/aug', 'Segmentation/val')
    for year in ('VOC2007', 'VOC2012'):
        folder = devkit / year
        for name in ('JPEGImages', 'Annotations', 'SegmentationClass', 'SegmentationClassAug'):
            (folder / name).mkdir(parents=True)
        for split in splits:
            (folder / 'ImageSets' / split).parent.mkdir(parents=True, exist_ok=True)
            (folder / 'ImageSets' / f'{split}.txt').write_text(''.join(f'{i:06d}\n' for i in range(count)))
        for i in range(count):
            hw = (120 + 8 * i, 160)
            image = rng.integers(90, 160, (*hw, 3), dtype=np.uint8)
            mask = np.zeros(hw, dtype=np.uint8)
            entries = ''
            for column, (name, (label, colour)) in enumerate(OBJECTS.items()):
                top, left = int(rng.integers(5, 30)), int(rng.integers(5, 15)) + 60 * column
                place = np.s_[top : top + 50, left : left + 40]
                image[place], mask[place] = colour, label
                box = dict(xmin=left + 1, ymin=top + 1, xmax=left + 40, ymax=top + 50)  # VOC counts from 1
                corners = ''.join(f'<{key}>{value}</{key}>' for key, value in box.items())
                entries += f'<object><name>{name}</name><difficult>0</difficult><bndbox>{corners}</bndbox></object>'
            size = f'<size><width>{hw[1]}</width><height>{hw[0]}</height><depth>3</depth></size>'
            Image.fromarray(image).save(folder / 'JPEGImages' / f'{i:06d}.jpg', quality=95)
            (folder / 'Annotations' / f'{i:06d}.xml').write_text(f'<annotation>{size}{entries}</annotation>')
            for masks in ('SegmentationClass', 'SegmentationClassAug'):
                Image.fromarray(mask).save(folder / masks / f'{i:06d}.png')
    return devkit
