"""From a config, a checkpoint and image files to a folder of predictions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mmdownsize.checkpoints import CheckpointError
from mmdownsize.configs import read_named_config
from mmdownsize.gallery import loader_of, read_image
from mmdownsize.images.files import find_images
from mmdownsize.predicting.model import load_predictor
from mmdownsize.predicting.results import entry_of, label_map, picture, png
from mmdownsize.progress import track
from mmdownsize.quiet import nothing_else_said
from mmdownsize.refusal import Refusal
from mmdownsize.storage import check_writable, write_whole


@dataclass(frozen=True)
class Options:
    """What to predict.

    Attributes:
        config: Config file, or ``PACKAGE::NAME`` of one that mmdet or mmsegmentation ships.
        checkpoint: File or address of the checkpoint.
        images: Image files, or folders of them.
        out: Folder for the predictions.
        score: The lowest score of a box that is drawn; the JSON file has all boxes.
    """

    config: str
    checkpoint: str
    images: Sequence[Path]
    out: Path
    score: float = 0.3

    @property
    def json(self) -> Path:
        """The file of all predictions."""
        return self.out / 'predictions.json'


def predict(options: Options) -> list[str]:
    """Predict on images, and write the pictures, the label maps and the JSON file.

    Returns:
        What was written, a line each.

    Raises:
        Refusal: If the config, the checkpoint, an image or an option cannot work. Nothing is written then, unless an image turns
            out to be damaged after others were predicted.
        OSError: If a file cannot be written.
    """
    if not 0 <= options.score <= 1:
        raise Refusal(f'--score must be from 0 to 1, got {options.score}')
    if '://' not in options.checkpoint and not Path(options.checkpoint).is_file():
        raise CheckpointError(f'no such checkpoint: {options.checkpoint}')
    paths = _images(options)
    names = _names(paths)
    pictures, maps = options.out / 'pictures', options.out / 'labels'
    with nothing_else_said():
        cfg, _ = read_named_config(options.config)
        predictor = load_predictor(cfg, options.config, options.checkpoint)
        load = loader_of(cfg)
        for file in (options.json, pictures / 'x.png'):
            check_writable(file)
        entries = []
        for path, name in zip(track(paths, 'predicting'), names):
            image = _for_drawing(read_image(path, None, load))
            sample = predictor.predict(str(path))
            entry = dict(file=str(path), **entry_of(sample, predictor.classes), picture=f'pictures/{name}.png')
            labels = label_map(sample)
            if labels is not None:
                entry['label_map'] = f'labels/{name}.png'
                write_whole(maps / f'{name}.png', png(labels))
            drawn = picture(image, sample, predictor.classes, predictor.palette, options.score)
            write_whole(pictures / f'{name}.png', png(drawn))
            entries.append(entry)
    classes = [dict(name=name, colour=list(colour)) for name, colour in zip(predictor.classes, predictor.palette)]
    about = dict(config=options.config, checkpoint=options.checkpoint, classes=classes)
    write_whole(options.json, _json(about, entries))
    count = f'{len(entries)} image{"s" if len(entries) > 1 else ""}'
    written = [f'{count}: {pictures}', f'all that was found: {options.json}']
    return written if 'label_map' not in entries[0] else [*written, f'the class of every pixel: {maps}']


def _images(options: Options) -> list[Path]:
    """Return the images to predict on, each once, without those that an earlier call has written.

    Raises:
        Refusal: If one is not an image.
    """
    own = options.out.resolve()
    found = {path.resolve(): path for path in find_images(options.images) if own not in path.resolve().parents}
    if not found:
        raise Refusal(f'the only images there are those in --out {options.out}: name another folder')
    for path in found.values():
        if not cv2.haveImageReader(str(path)):
            raise Refusal(f'{path} is not an image that can be read: leave it out')
    return list(found.values())


def _names(paths: Sequence[Path]) -> list[str]:
    """Return a name for the results of each image: that of its file, with a number where another one has it."""
    names: dict[str, None] = {}
    for path in paths:
        name, number = path.stem, 1
        while name in names:
            number += 1
            name = f'{path.stem}_{number}'
        names[name] = None
    return list(names)


def _json(about: dict[str, Any], entries: Sequence[dict[str, Any]]) -> str:
    """Return the content of the JSON file, every image on a line of its own."""
    lines = ',\n'.join(map(json.dumps, entries))
    return f'{json.dumps(about)[:-1]}, "images": [\n{lines}\n]}}\n'


def _for_drawing(image: np.ndarray) -> np.ndarray:
    """Return an image (h, w, 3) in 0..255: a grey one three times, of more channels the first three."""
    image = image[..., :1].repeat(3, -1) if image.shape[-1] < 3 else image[..., :3]
    return image if image.dtype == np.uint8 else image.clip(0, 255).astype(np.uint8)
