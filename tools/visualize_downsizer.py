"""Show what the downsizer of a checkpoint does to images: a picture each, and a page with all of them.

python tools/visualize_downsizer.py CONFIG CHECKPOINT IMAGE_OR_FOLDER [...] --out DIR [--kernel area] [--size W H]
"""

from __future__ import annotations

import argparse
import html
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # also runs from a clone that is not installed

import cv2
import mmcv
import numpy as np
import torch
from mmengine.registry import init_default_scope
from rich.progress import track

from mmdownsize.checkpoints import read_checkpoint
from mmdownsize.command_line import CONFIG_ERRORS, in_one_line
from mmdownsize.configs import read_config
from mmdownsize.drawing import draw
from mmdownsize.preprocessors.mixin import DownsizeMixin
from mmdownsize.registry import MODELS
from mmdownsize.resizers import FixedResizer
from mmdownsize.storage import write_whole

SUFFIXES = {'.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff'}
PREFIX = 'data_preprocessor.'


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', type=Path, help="config with one of mmdownsize's preprocessors")
    parser.add_argument('checkpoint', type=Path, help='checkpoint of it')
    parser.add_argument('images', type=Path, nargs='+', help='images, or folders of images')
    parser.add_argument('--out', type=Path, required=True, help='folder for the PNG files and index.html')
    parser.add_argument('--kernel', default='bilinear', help='fixed resizer to compare with (default: bilinear)')
    parser.add_argument(
        '--size',
        type=int,
        nargs=2,
        metavar=('W', 'H'),
        help="resize the images to this first, as the config's pipeline does",
    )
    return parser.parse_args(argv)


def load_preprocessor(config: Path, checkpoint: Path) -> DownsizeMixin:
    """Return the preprocessor of a checkpoint.

    Raises:
        ValueError: If a file is missing, or there is no downsizer in one of them.
    """
    cfg = read_config(config)
    if 'data_preprocessor' not in cfg.get('model', {}):
        raise ValueError(f'{config} has no model.data_preprocessor')
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    preprocessor = MODELS.build(cfg.model.data_preprocessor)
    if not isinstance(preprocessor, DownsizeMixin):
        raise ValueError(f'{config} has a {type(preprocessor).__name__} and no downsizer')
    loaded = read_checkpoint(checkpoint)
    state = loaded.get('state_dict', loaded)
    own = {key.removeprefix(PREFIX): value for key, value in state.items() if key.startswith(PREFIX)}
    missing, unknown = preprocessor.load_state_dict(own, strict=False)
    if missing or unknown:
        raise ValueError(f"{checkpoint} does not fit the config's downsizer: missing {missing}, unknown {unknown}")
    return preprocessor


def find_images(paths: Sequence[Path]) -> list[Path]:
    """Return the images named, and those in the folders named.

    Raises:
        ValueError: If a path does not exist, or there is no image.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise ValueError(f'no such file or folder: {path}')
        inside = [p for p in sorted(path.rglob('*')) if p.suffix.lower() in SUFFIXES] if path.is_dir() else [path]
        found += inside
    if not found:
        raise ValueError(f'no image in {", ".join(map(str, paths))}; known: {", ".join(sorted(SUFFIXES))}')
    return found


def read_image(path: Path, size: Sequence[int] | None) -> np.ndarray:
    """Return an image (H, W, 3), BGR as OpenMMLab's loaders give it, resized to (w, h) in px if that is given.

    Raises:
        ValueError: If it cannot be read.
    """
    image = cv2.imread(str(path))
    if image is None:
        raise ValueError(f'{path} cannot be read as an image')
    return mmcv.imresize(image, tuple(size)) if size else image


def main(argv: Sequence[str] | None = None) -> None:
    """Draw."""
    args = parse_args(argv)
    with in_one_line(*CONFIG_ERRORS):
        if args.size and min(args.size) < 1:
            raise ValueError(f'--size must be W H of at least 1 px, got {args.size}')
        FixedResizer(kernel=args.kernel)
        preprocessor = load_preprocessor(args.config, args.checkpoint)
        paths = find_images(args.images)
    with in_one_line(ValueError):
        draw_all(args, preprocessor, paths)


def draw_all(args: argparse.Namespace, preprocessor: DownsizeMixin, paths: Sequence[Path]) -> None:
    """Write the pictures and the page."""
    written = []
    for number, path in enumerate(track(paths, 'drawing')):
        image = read_image(path, args.size)
        source = torch.from_numpy(image).permute(2, 0, 1).float()
        picture = draw(preprocessor.downsizer, source, preprocessor.target.of(image.shape[:2]), args.kernel)
        name = f'{number:04d}_{path.stem}.png'
        write_whole(args.out / name, cv2.imencode('.png', picture[..., ::-1])[1].tobytes())
        written.append((name, path.name))
    figures = '\n'.join(
        f'<figure><img src="{html.escape(name)}" alt=""><figcaption>{html.escape(caption)}</figcaption></figure>'
        for name, caption in written
    )
    title = f'{html.escape(args.config.stem)}: {html.escape(str(preprocessor.downsizer.__class__.__name__))}'
    write_whole(
        args.out / 'index.html',
        f'<!doctype html><meta charset="utf-8"><title>{title}</title>\n'
        f'<style>body{{font:14px sans-serif}} img{{max-width:100%}} figure{{margin:1em 0}}</style>\n<h1>{title}</h1>\n'
        f'{figures}\n',
    )
    print(f'{len(written)} pictures: {args.out / "index.html"}')


if __name__ == '__main__':
    main()
