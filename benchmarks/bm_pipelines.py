"""Time of whole pipelines, inference and a training step, with each resizer.

The images are uint8 at full resolution, as a data loader ships them; a call is the data preprocessor (resize, normalise,
pad) and the model's prediction with its post-processing, or its losses and their gradients. All arms take turns within
a repeat, so that a slow moment hits all of them, and the ratio to bilinear is the median of the repeats' own ratios.
Weights are random. Time does not depend on them, except through the number of boxes, which is the largest possible. Run it on
a quiet machine.

With --config the pipelines are those of config files, each with its own data: batches of its own loaders, the first one
of the training set and the first one of the validation set.
"""

from __future__ import annotations

import argparse
import copy
import gc
import json
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import describe, keep_memory, timed
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmengine.structures import InstanceData, PixelData
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from torch import nn

from mmdownsize.cli.options import add_old_spelling
from mmdownsize.registry import MODELS

ARMS: dict[str, dict[str, Any]] = {
    'bilinear': dict(type='FixedResizer', kernel='bilinear'),
    'antialiased': dict(type='FixedResizer', kernel='bilinear', antialias=True),
    'area': dict(type='FixedResizer', kernel='area'),
    'DownsizeNet 2 convs, 2x2': dict(type='DownsizeNet'),
    'DownsizeNet 3 convs, 2x2': dict(type='DownsizeNet', num_convs=3),
    'DownsizeNet 4 convs, 2x2': dict(type='DownsizeNet', num_convs=4),
    'DownsizeNet 2 convs, 4x4 area': dict(type='DownsizeNet', neighbors=4, distance='area', start='area'),
    'DownsizeNet 2 convs, 6x6 area': dict(type='DownsizeNet', neighbors=6, distance='area', start='area'),
    'MULLER': dict(type='MullerResizer'),
    'Talebi & Milanfar, r = 1': dict(type='LearnedResizer'),
}
BASELINE = 'bilinear'
ROOT = Path(__file__).resolve().parents[1]


def refinedet(downsizer: dict[str, Any]) -> nn.Module:
    """Return the paper's RefineDet with VGG16, 300x300 -> 160x160."""
    cfg = Config.fromfile(ROOT / 'configs/refinedet/refinedet_vgg16_voc2007-300x300-to-160x160.py')
    init_default_scope(cfg.default_scope)
    cfg.model.data_preprocessor['downsizer'] = downsizer  # replaced, where an update would merge
    cfg.model.backbone.init_cfg = None
    return MODELS.build(cfg.model)


def deeplab(downsizer: dict[str, Any]) -> nn.Module:
    """Return mmseg's DeepLabv3+ with ResNet-101, at the paper's 513x513 -> 179x179."""
    init_default_scope('mmseg')
    model = get_config('mmseg::deeplabv3plus/deeplabv3plus_r101-d8_4xb2-80k_cityscapes-512x1024.py').model
    model.data_preprocessor.update(
        type='mmdownsize.SegDownsizePreprocessor',
        downsizer=downsizer,
        scale=(179, 179),
        keep_ratio=False,
        size=(513, 513),
    )
    model.pretrained = None
    norm = dict(type='BN', requires_grad=True)  # SyncBN needs a process group
    for part in (model.backbone, model.decode_head, model.auxiliary_head):
        part.norm_cfg = norm
    return MODELS.build(model)


def det_sample(side: int) -> Any:
    """Return a sample with two boxes, for an image of side x side px."""
    from mmdet.structures import DetDataSample

    sample = DetDataSample(
        metainfo=dict(img_shape=(side, side), ori_shape=(side, side), scale_factor=(1.0, 1.0), img_id=0)
    )
    boxes = torch.tensor([[10.0, 20, 150, 200], [100, 90, 280, 260]])
    sample.gt_instances = InstanceData(bboxes=boxes, labels=torch.tensor([1, 2]))
    sample.ignored_instances = InstanceData(bboxes=boxes[:0], labels=torch.zeros(0, dtype=torch.long))
    return sample


def seg_sample(side: int) -> Any:
    """Return a sample with a label map of blocks, for an image of side x side px."""
    from mmseg.structures import SegDataSample

    sample = SegDataSample(metainfo=dict(img_shape=(side, side), ori_shape=(side, side), scale_factor=(1.0, 1.0)))
    labels = torch.arange(side)[:, None] // 64 + torch.arange(side)[None] // 64
    sample.gt_sem_seg = PixelData(data=labels[None] % 19)
    return sample


def batch_of(side: int, sample: Callable[[int], Any], count: int) -> dict[str, Any]:
    """Return a batch as the loader makes it: lists of uint8 images (3, side, side) and of samples."""
    generator = np.random.default_rng(0)
    images = [torch.from_numpy(generator.integers(0, 256, (3, side, side), dtype=np.uint8)) for _ in range(count)]
    return dict(inputs=images, data_samples=[sample(side) for _ in range(count)])


@dataclass(frozen=True)
class Pipeline:
    """What is measured.

    Attributes:
        name: Name in the table.
        build: Builds the model with this downsizer.
        batch: Number of images in a batch.
        to_predict: Makes a batch of that many images to predict on.
        to_train: Makes a batch of that many images to train on.
    """

    name: str
    build: Callable[[dict[str, Any]], nn.Module]
    batch: int
    to_predict: Callable[[int], dict[str, Any]]
    to_train: Callable[[int], dict[str, Any]]


def made_up(
    name: str, build: Callable[[dict[str, Any]], nn.Module], side: int, sample: Callable[[int], Any], batch: int
) -> Pipeline:
    """Return a pipeline on made-up images."""
    make = partial(batch_of, side, sample)
    return Pipeline(name, build, batch, make, make)


def of_config(path: Path) -> Pipeline:
    """Return the pipeline of a config with a downsizer, on its own data."""
    cfg = Config.fromfile(path)

    def build(downsizer: dict[str, Any]) -> nn.Module:
        init_default_scope(cfg.default_scope)
        model = copy.deepcopy(cfg.model)
        model.data_preprocessor['downsizer'] = downsizer
        return MODELS.build(model)

    def first(loader: str, count: int) -> dict[str, Any]:
        init_default_scope(cfg.default_scope)
        settings = copy.deepcopy(cfg[loader])
        settings.update(num_workers=0, persistent_workers=False, batch_size=count)
        return next(iter(Runner.build_dataloader(settings, seed=0)))

    batch = cfg.train_dataloader.batch_size
    return Pipeline(path.stem, build, batch, partial(first, 'val_dataloader'), partial(first, 'train_dataloader'))


PIPELINES = {
    pipeline.name: pipeline
    for pipeline in (
        made_up('RefineDet-VGG16 300x300 -> 160x160', refinedet, 300, det_sample, 8),
        made_up('DeepLabv3+ R101 513x513 -> 179x179', deeplab, 513, seg_sample, 2),
    )
}


def infer(model: nn.Module, data: dict[str, Any]) -> Callable[[], object]:
    """Return a call of inference."""

    def call() -> object:
        with torch.inference_mode():
            return model.eval().test_step(data)

    return call


def train(model: nn.Module, data: dict[str, Any]) -> Callable[[], object]:
    """Return a call of a training step, without the step of the optimiser."""

    def call() -> None:
        model.train()
        model.zero_grad(set_to_none=True)
        ready = model.data_preprocessor(data, True)
        losses = model(**ready, mode='loss')
        loss, _ = model.parse_losses(losses)
        loss.backward()

    return call


def measure(
    pipeline: Pipeline, batch: int | None, repeats: int, steps: int, arms: list[str], progress: Progress
) -> list[dict[str, Any]]:
    """Measure all arms of a pipeline: a row of numbers for each."""
    count = batch or pipeline.batch
    torch.manual_seed(0)
    models = {arm: pipeline.build(ARMS[arm]) for arm in arms}
    # The same model with every resizer: other random weights would give other numbers of boxes.
    reference = {k: v for k, v in models[BASELINE].state_dict().items() if not k.startswith('data_preprocessor.')}
    for model in models.values():
        model.load_state_dict(reference, strict=False)
    times: dict[str, dict[str, list[float]]] = {arm: {'inference': [], 'training': []} for arm in arms}
    for kind, prepare, make, number in (
        ('inference', infer, pipeline.to_predict, repeats),
        ('training', train, pipeline.to_train, steps),
    ):
        batch_of_all = make(count)
        task = progress.add_task(f'{pipeline.name}, {kind}', total=(number + 1) * len(arms))
        for i in range(number + 1):
            # Forth and back in turn: what comes first in a repeat is not always the same.
            for arm in arms if i % 2 else arms[::-1]:
                # A copy for each: a preprocessor may change its samples.
                seconds = timed(prepare(models[arm], copy.deepcopy(batch_of_all)))
                if i:  # the first is the warm-up
                    times[arm][kind].append(seconds)
                progress.advance(task)
            gc.collect()
        progress.remove_task(task)
    rows = []
    for arm in arms:
        row: dict[str, Any] = dict(pipeline=pipeline.name, batch=count, resizer=arm)
        for kind in ('inference', 'training'):
            own, base = times[arm][kind], times[BASELINE][kind]
            ratios = sorted(a / b for a, b in zip(own, base))
            row[f'{kind}_ms'] = 1e3 * statistics.median(own) / count
            row[f'{kind}_ratio'] = statistics.median(ratios)
            quarter = len(ratios) // 4
            row[f'{kind}_ratio_quartiles'] = [ratios[quarter], ratios[-1 - quarter]]
        rows.append(row)
    return rows


def print_table(console: Console, rows: list[dict[str, Any]]) -> None:
    """Print one pipeline."""
    table = Table(title=f'{rows[0]["pipeline"]}: per image, batch of {rows[0]["batch"]}')
    for column in ('resizer', 'inference ms', '/ bilinear', 'quartiles', 'training ms', '/ bilinear', 'quartiles'):
        table.add_column(column, justify='left' if column == 'resizer' else 'right')
    for row in rows:
        cells = [row['resizer']]
        for kind in ('inference', 'training'):
            low, high = row[f'{kind}_ratio_quartiles']
            cells += [f'{row[f"{kind}_ms"]:.1f}', f'{row[f"{kind}_ratio"]:.3f}', f'{low:.3f} {high:.3f}']
        table.add_row(*cells)
    console.print(table)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--only', choices=PIPELINES, action='append', help='only this pipeline (may be repeated)')
    parser.add_argument('--config', type=Path, nargs='+', help="these configs' pipelines, on their own data")
    resizer = parser.add_argument(
        '--resizer', choices=ARMS, action='append', help='only this one, and bilinear (may be repeated)'
    )
    add_old_spelling(parser, '--arm', resizer)
    parser.add_argument('--batch', type=int, help="images a batch, instead of the pipeline's own number")
    parser.add_argument('--repeats', type=int, default=15, help='repeats of inference')
    parser.add_argument('--steps', type=int, default=7, help='repeats of a training step')
    parser.add_argument('--json', type=Path, help='also write the numbers there')
    args = parser.parse_args()
    keep_memory()
    console = Console(width=150)
    console.print(describe())
    arms = [arm for arm in ARMS if not args.resizer or arm in (BASELINE, *args.resizer)]
    rows: list[dict[str, Any]] = []
    pipelines = [PIPELINES[name] for name in args.only or ([] if args.config else PIPELINES)]
    for pipeline in [*pipelines, *map(of_config, args.config or ())]:
        with Progress(console=console, transient=True) as progress:
            measured = measure(pipeline, args.batch, args.repeats, args.steps, arms, progress)
        print_table(console, measured)
        rows += measured
    if args.json:
        args.json.write_text(json.dumps({'machine': describe(), 'rows': rows}, indent=1))


if __name__ == '__main__':
    main()
