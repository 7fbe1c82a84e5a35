"""Training throughput where the data loader resizes with cv2, and where the data preprocessor resizes.

Trains the DeepLabv3+ of ``configs/deeplabv3plus`` (EfficientNet-Lite0, 108x144 px in) on CamVid for an epoch, after one that
warms up: from JPEG files of 360x480 px, and from the same photographs enlarged to 1024x1366. The loader gives uint8 images
in every case: small ones if it resizes, full ones if the preprocessor does. Needs ``../shared/data`` (or MMDOWNSIZE_DATA).
"""

from __future__ import annotations

import argparse
import copy
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
from machine import describe, keep_memory
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from mmdownsize.registry import MODELS

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / 'configs/deeplabv3plus/deeplabv3plus_efficientnet-lite0_camvid-360x480-to-108x144.py'
TARGET = (144, 108)  # (w, h)
SOURCES = {'360x480': (480, 360), '1024x1366': (1366, 1024)}  # (w, h)
ARMS: dict[str, tuple[str, dict[str, Any] | None]] = {
    'loader: cv2 bilinear': ('bilinear', None),
    'loader: cv2 area': ('area', None),
    'preprocessor: bilinear': ('', dict(type='FixedResizer', kernel='bilinear')),
    'preprocessor: area': ('', dict(type='FixedResizer', kernel='area')),
    'preprocessor: DownsizeNet 2x2': ('', dict(type='DownsizeNet')),
    'preprocessor: DownsizeNet 4x4 area': ('', dict(type='DownsizeNet', neighbors=4, distance='area', start='area')),
}


def enlarge(data: Path, size: tuple[int, int], count: int, to: Path) -> None:
    """Write some images and labels of a size (w, h), in the layout of CamVid."""
    for kind, suffix, mode in (('images', '.jpg', cv2.INTER_LINEAR), ('labels', '.png', cv2.INTER_NEAREST)):
        (to / kind / 'train').mkdir(parents=True)
        for path in sorted((data / kind / 'train').glob(f'*{suffix}'))[:count]:
            image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            cv2.imwrite(str(to / kind / 'train' / path.name), cv2.resize(image, size, interpolation=mode))


def throughput(cfg: Config, data: Path, arm: str, workers: int) -> dict[str, float]:
    """Return images a second of an epoch, and the share of it that was spent waiting for the loader."""
    interpolation, downsizer = ARMS[arm]
    cfg = copy.deepcopy(cfg)
    init_default_scope('mmseg')
    loader_cfg = cfg.train_dataloader
    loader_cfg.update(num_workers=workers, persistent_workers=workers > 0, drop_last=True)
    dataset = loader_cfg.dataset
    dataset.data_root = str(data)
    pipeline = [step for step in dataset.pipeline if step.type != 'Resize']
    prepared = cfg.model.data_preprocessor
    if downsizer is None:
        where = next(i for i, step in enumerate(pipeline) if step.type == 'LoadAnnotations') + 1
        pipeline.insert(where, dict(type='Resize', scale=TARGET, keep_ratio=False, interpolation=interpolation))
        prepared.type = 'SegDataPreProcessor'
        prepared.size = TARGET[::-1]
        for key in ('downsizer', 'scale_factor'):
            prepared.pop(key)
    else:
        prepared.pop('scale_factor')
        prepared.downsizer = downsizer
        prepared.update(scale=TARGET, keep_ratio=False, size=None, size_divisor=1)
    dataset.pipeline = pipeline
    loader = Runner.build_dataloader(loader_cfg, seed=0)
    model = MODELS.build(cfg.model).train()
    cfg.optim_wrapper.pop('paramwise_cfg')  # it would list every parameter on the console
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    for _ in range(2):  # the first warms up: workers start, files get into the system's cache
        waited, images, start = 0.0, 0, time.perf_counter()
        asked = start
        for batch in loader:
            waited += time.perf_counter() - asked
            model.train_step(batch, wrapper)
            images += len(batch['inputs'])
            asked = time.perf_counter()
        seconds = time.perf_counter() - start
    return dict(images_per_second=images / seconds, waiting=waited / seconds)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--images', type=int, default=96, help='images an epoch')
    parser.add_argument('--workers', type=int, nargs='+', default=[0, 2], help="the loader's worker processes")
    parser.add_argument('--json', type=Path, help='also write the numbers there')
    args = parser.parse_args()
    keep_memory()
    console = Console(width=130)
    console.print(describe())
    cfg = Config.fromfile(CONFIG)
    shared = Path(cfg.train_dataloader.dataset.data_root)
    shared = shared if shared.is_absolute() else ROOT / shared
    if not shared.is_dir():
        parser.error(f'{shared} is missing: set MMDOWNSIZE_DATA to the folder that has camvid/')
    rows: list[dict[str, Any]] = []
    folder = Path(tempfile.mkdtemp(prefix='mmdownsize-loading-'))
    try:
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task('training', total=len(SOURCES) * len(args.workers) * len(ARMS))
            for source, size in SOURCES.items():
                enlarge(shared, size, args.images, folder / source)
                for workers in args.workers:
                    for arm in ARMS:
                        progress.update(task, description=f'{source}, {workers} workers, {arm}')
                        measured = throughput(cfg, folder / source, arm, workers)
                        rows.append(dict(source=source, workers=workers, arm=arm, **measured))
                        progress.advance(task)
    finally:
        shutil.rmtree(folder)
    for source in SOURCES:
        table = Table(title=f'{source} -> 108x144: images a second, and the share of time waiting for the loader')
        table.add_column('resize')
        for workers in args.workers:
            table.add_column(f'{workers} workers', justify='right')
        for arm in ARMS:
            own = [row for row in rows if row['source'] == source and row['arm'] == arm]
            table.add_row(arm, *(f'{r["images_per_second"]:.1f}  {r["waiting"]:.0%}' for r in own))
        console.print(table)
    if args.json:
        args.json.write_text(json.dumps({'machine': describe(), 'rows': rows}, indent=1))


if __name__ == '__main__':
    main()
