"""What becomes of the size of images between their files and the network, measured on some of them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import DATASETS, init_default_scope
from PIL import Image

from mmdownsize.configs import channels_of
from mmdownsize.geometry import TargetSize
from mmdownsize.images.files import find_images
from mmdownsize.pipelines.delivered import LOADERS, size_after
from mmdownsize.pipelines.walk import chain_of
from mmdownsize.quiet import nothing_else_said, nothing_printed
from mmdownsize.refusal import Refusal, in_words
from mmdownsize.swapping.take import target_of

MOST = 40  # images
ORIENTATION, TURNED = 0x0112, 5  # a tag of an image file; from this value on its width is the height that is seen


@dataclass(frozen=True)
class Sizes:
    """Factors of the sides of images, one an image: the square root of the factor of its area.

    Attributes:
        source: What the images are.
        pipeline: From the file to what the pipeline delivers.
        downsizer: From there to the network.
    """

    source: str
    pipeline: Sequence[float]
    downsizer: Sequence[float]

    @property
    def net(self) -> list[float]:
        """From the file to the network."""
        return [before * after for before, after in zip(self.pipeline, self.downsizer)]

    def in_words(self) -> list[str]:
        """Return what was measured, and a warning where an image is not made smaller."""
        net, count = self.net, len(self.pipeline)
        said = [
            f'{self.source}: the network sees their sides {_range(net)} times as long '
            f'(pipeline {_range(self.pipeline)}, downsizer {_range(self.downsizer)})'
        ]
        large = [factor for factor in net if factor >= 1]
        if large:
            said.append(
                f'warning: {len(large)} of {count} images are not made smaller: their sides become {_range(large)} times as '
                'long, and there is nothing to gain. Give a smaller --scale-factor, or --scale W H'
            )
        return said


def measure(cfg: Config, images: Sequence[Path] | None) -> Sizes | None:
    """Measure what a config does to the size of images when it tests them.

    Args:
        cfg: A config with a downsizer.
        images: Image files, or folders of them; None: some of the config's own.

    Returns:
        None if the config's own are not here, or its pipeline cannot be run on images without annotations.

    Raises:
        Refusal: If there is no such file, or one is not an image.
    """
    if images:
        paths = find_images(images)
        source = f'{len(paths)} image{"s" if len(paths) > 1 else ""}'
    else:
        paths, loader = _own_images(cfg)
        source = f'{len(paths)} images of {loader}'
    steps = next(filter(None, ([s for one in chain_of(cfg, name) for s in one.steps] for name in LOADERS)), [])
    target = TargetSize(**target_of(cfg.model.data_preprocessor))
    before, after = [], []
    with nothing_else_said():
        init_default_scope(cfg.get('default_scope', 'mmengine'))
        for path in paths:
            file_hw = size_of(path)
            delivered = size_after(steps, file_hw, channels_of(cfg.model))
            if delivered is None:
                return None
            before.append(_factor(file_hw, delivered))
            after.append(_factor(delivered, target.of(delivered)))
    return Sizes(source, before, after) if paths else None


def _own_images(cfg: Config) -> tuple[list[Path], str]:
    """Return some images that a config tests or is trained on, evenly spread, and whose they are; none if they are not here."""
    with nothing_else_said(), nothing_printed():
        init_default_scope(cfg.get('default_scope', 'mmengine'))
        for loader in (*LOADERS, 'train_dataloader'):
            try:
                dataset = DATASETS.build(copy.deepcopy(cfg[loader]['dataset']))
                chosen = range(0, len(dataset), max(1, len(dataset) // MOST))[:MOST]
                paths = [Path(dataset.get_data_info(i)['img_path']) for i in chosen]
            except Exception:  # no such loader, no data, or somebody's own data set
                continue
            if paths and all(path.is_file() for path in paths):
                return paths, loader
    return [], ''


def size_of(path: Path) -> tuple[int, int]:
    """Return the size (h, w) in px of an image as it is seen; of its file only the head is read."""
    try:
        with Image.open(path) as image:
            w, h = image.size
            return (w, h) if image.getexif().get(ORIENTATION, 1) >= TURNED else (h, w)
    except Exception as error:  # Pillow's are of many kinds
        raise Refusal(f'{path} cannot be read as an image: {in_words(error)}') from error


def _factor(src_hw: tuple[int, int], dst_hw: tuple[int, int]) -> float:
    return float((dst_hw[0] * dst_hw[1] / (src_hw[0] * src_hw[1])) ** 0.5)


def _range(factors: Sequence[float]) -> str:
    low, high = f'{min(factors):.2f}', f'{max(factors):.2f}'
    return low if low == high else f'{low} to {high}'
