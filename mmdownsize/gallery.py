"""What the downsizer of a checkpoint does to a set of images: a picture each, and a page with all of them."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import mmcv
import numpy as np
import torch
from mmcv.transforms import LoadImageFromFile
from mmengine.config import Config
from mmengine.registry import TRANSFORMS

from mmdownsize.checkpoints import read_checkpoint, weights_of, weights_of_downsizer
from mmdownsize.command_line import building
from mmdownsize.configs import channels_of, name_of, nodes
from mmdownsize.drawing import draw
from mmdownsize.images.files import find_images
from mmdownsize.loading import build_preprocessor, model_config
from mmdownsize.preprocessors.mixin import DownsizeMixin
from mmdownsize.progress import track
from mmdownsize.refusal import Refusal, in_words
from mmdownsize.resizers import FixedResizer
from mmdownsize.storage import write_whole


@dataclass(frozen=True)
class Options:
    """What to draw.

    Attributes:
        config: Config file whose model has one of mmdownsize's preprocessors.
        checkpoint: Checkpoint of the config's model.
        images: Images, or folders of images.
        out: Folder for the PNG files and ``index.html``.
        kernel: Kernel of the fixed resizer to compare with.
        size: Size (w, h) in px that images are resized to first, as the config's pipeline does; None: they are not.
    """

    config: Path
    checkpoint: Path
    images: Sequence[Path]
    out: Path
    kernel: str = 'bilinear'
    size: Sequence[int] | None = None


def make(options: Options) -> str:
    """Write the pictures and the page.

    Returns:
        How many pictures there are, and where, on one line.

    Raises:
        Refusal: If an option, the config, the checkpoint or an image cannot work.
        OSError: If a file cannot be written.
    """
    if options.size and min(options.size) < 1:
        raise Refusal(f'--size must be W H of at least 1 px, got {list(options.size)}')
    FixedResizer(kernel=options.kernel)  # raises an error that names the kernels
    cfg = model_config(options.config)
    preprocessor = load_preprocessor(cfg, options.config, options.checkpoint)
    load = loader_of(cfg)
    paths = find_images(options.images)
    captions = {}
    for number, path in enumerate(track(paths, 'drawing')):
        image = read_image(path, options.size, load)
        source = torch.from_numpy(image).permute(2, 0, 1).float()
        picture = draw(preprocessor.downsizer, source, preprocessor.target.of(image.shape[:2]), options.kernel)
        name = f'{number:04d}_{path.stem}.png'
        write_whole(options.out / name, cv2.imencode('.png', picture[..., ::-1])[1].tobytes())
        captions[name] = path.name
    page = options.out / 'index.html'
    write_whole(page, page_of(f'{options.config.stem}: {type(preprocessor.downsizer).__name__}', captions.items()))
    return f'{len(captions)} pictures: {page}'


def load_preprocessor(cfg: Config, config: Path, checkpoint: Path) -> DownsizeMixin:
    """Return the preprocessor of a checkpoint, with its weights.

    Args:
        cfg: The config, as :func:`mmdownsize.loading.model_config` returns it.
        config: Its file, for the message.
        checkpoint: The checkpoint.

    Raises:
        Refusal: If a file is missing, there is no downsizer in one of them, or they do not fit.
    """
    preprocessor = build_preprocessor(cfg, config)
    own = weights_of_downsizer(weights_of(read_checkpoint(checkpoint)))
    missing, unknown = preprocessor.load_state_dict({f'downsizer.{key}': own[key] for key in own}, strict=False)
    if missing or unknown:
        raise Refusal(f"{checkpoint} does not fit the config's downsizer: missing {missing}, unknown {unknown}")
    return preprocessor


def loader_of(cfg: Config) -> Callable[[dict[str, Any]], Any]:
    """Return the step that loads images in a config's pipelines; mmcv's, for the model's channels, if they have none.

    Raises:
        Refusal: If it cannot be built.
    """
    loaders = [cfg.get(f'{name}_dataloader') for name in ('test', 'val', 'train')]
    color_type = {1: 'grayscale', 3: 'color'}.get(channels_of(cfg.model), 'unchanged')
    default = dict(type='LoadImageFromFile', color_type=color_type)
    step = next((node for node in nodes(loaders) if name_of(node).endswith('ImageFromFile')), default)
    with building():
        return TRANSFORMS.build(step)


def read_image(
    path: Path, size: Sequence[int] | None, load: Callable[[dict[str, Any]], Any] | None = None
) -> np.ndarray:
    """Return an image (H, W, C), by default uint8, BGR as OpenMMLab's loaders give it.

    Args:
        path: The file.
        size: Size (w, h) in px to resize it to; None: its own.
        load: A step of a pipeline that loads images; None: mmcv's.

    Raises:
        Refusal: If it cannot be read.
    """
    try:
        image = (load or LoadImageFromFile())(dict(img_path=str(path)))['img']
        image = mmcv.imresize(image, tuple(size)) if size else image
    except Exception as error:  # each of mmcv's back ends has its own
        raise Refusal(f'{path} cannot be read as an image: {in_words(error)}') from error
    return image[..., None] if image.ndim == 2 else image


def page_of(title: str, captions: Iterable[tuple[str, str]]) -> str:
    """Return a page in HTML that shows pictures below each other.

    Args:
        title: Its heading.
        captions: File name and caption of each picture.
    """
    figures = '\n'.join(
        f'<figure><img src="{html.escape(name)}" alt=""><figcaption>{html.escape(caption)}</figcaption></figure>'
        for name, caption in captions
    )
    title = html.escape(title)
    return (
        f'<!doctype html><meta charset="utf-8"><title>{title}</title>\n'
        f'<style>body{{font:14px sans-serif}} img{{max-width:100%}} figure{{margin:1em 0}}</style>\n<h1>{title}</h1>\n'
        f'{figures}\n'
    )
