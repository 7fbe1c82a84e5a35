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

import mmcv
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from rich.progress import track

from mmdownsize.checkpoints import allow_mmengine_checkpoints
from mmdownsize.hooks.pictures import draw
from mmdownsize.preprocessors.mixin import DownsizeMixin
from mmdownsize.registry import MODELS

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
    for path in (config, checkpoint):
        if not path.is_file():
            raise ValueError(f'no such file: {path}')
    cfg = Config.fromfile(config)
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    preprocessor = MODELS.build(cfg.model.data_preprocessor)
    if not isinstance(preprocessor, DownsizeMixin):
        raise ValueError(f'{config} has a {type(preprocessor).__name__} and no downsizer')
    allow_mmengine_checkpoints()
    loaded = torch.load(checkpoint, map_location='cpu')
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


def main(argv: Sequence[str] | None = None) -> None:
    """Draw."""
    args = parse_args(argv)
    try:
        preprocessor = load_preprocessor(args.config, args.checkpoint)
        paths = find_images(args.images)
    except ValueError as error:
        sys.exit(str(error))
    args.out.mkdir(parents=True, exist_ok=True)
    written = []
    for number, path in enumerate(track(paths, 'drawing')):
        image = mmcv.imread(str(path))  # BGR, as OpenMMLab's loaders
        if args.size:
            image = mmcv.imresize(image, tuple(args.size))
        source = torch.from_numpy(image).permute(2, 0, 1).float()
        picture = draw(preprocessor.downsizer, source, preprocessor.target.of(image.shape[:2]), args.kernel)
        name = f'{number:04d}_{path.stem}.png'
        mmcv.imwrite(picture[..., ::-1], str(args.out / name))
        written.append((name, path.name))
    figures = '\n'.join(
        f'<figure><img src="{html.escape(name)}" alt=""><figcaption>{html.escape(caption)}</figcaption></figure>'
        for name, caption in written
    )
    title = f'{html.escape(args.config.stem)}: {html.escape(str(preprocessor.downsizer.__class__.__name__))}'
    (args.out / 'index.html').write_text(
        f'<!doctype html><meta charset="utf-8"><title>{title}</title>\n'
        f'<style>body{{font:14px sans-serif}} img{{max-width:100%}} figure{{margin:1em 0}}</style>\n<h1>{title}</h1>\n{figures}\n'
    )
    print(f'{len(written)} pictures: {args.out / "index.html"}')


if __name__ == '__main__':
    main()
