"""Time of the adapter itself: mapping the annotations and the metainfo of a sample, without resizing its image.

A call maps one sample in training, as the data preprocessor does it. Each call takes another sample of a batch. A large sample is
then read from memory, as after a data loader, and not from a cache that the last call has filled. Samples with metainfo
alone, samples with boxes too, and whole ones take turns. The share of a part is the time that it adds.

On a busy machine the fastest call says what the mapping takes. The median also has the time lost to other work. The median of
the processor time, of all threads together, is between them: waiting does not count, but caches and memory are shared.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from machine import describe, keep_memory, timed
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmengine.structures import InstanceData, PixelData
from mmseg.structures import SegDataSample
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from mmdownsize.geometry import ResizeMap, TargetSize
from mmdownsize.preprocessors.det import map_det_sample
from mmdownsize.preprocessors.seg import map_seg_sample

BATCH = 8
BOXES, MASKS = 100, 20  # an image
POLYGONS, POINTS = 2, 50  # a mask, a polygon: some more than in COCO
CLASSES = 19


class Case(NamedTuple):
    """A kind of sample.

    Attributes:
        parts: Names of its parts; each sample has those up to one of them.
        make: Makes a sample of a size (h, w) up to a part.
        map: Maps a sample.
        src_hw: Size (h, w) of the image in px.
        dst_hw: Size (h, w) in px that it is resized to.
    """

    parts: tuple[str, ...]
    make: Callable[[np.random.Generator, tuple[int, int], str], Any]
    map: Callable[[Any, ResizeMap, bool], Any]
    src_hw: tuple[int, int]
    dst_hw: tuple[int, int]


def metainfo(hw: tuple[int, int]) -> dict[str, Any]:
    """Return the metainfo that pipelines of both mmdet and mmseg give an image of size (h, w)."""
    return dict(
        img_id=7,
        img_path='data/images/000007.jpg',
        ori_shape=(480, 640),
        img_shape=hw,
        scale_factor=(hw[1] / 640, hw[0] / 480),
        flip=False,
        flip_direction=None,
    )


def instances(rng: np.random.Generator, hw: tuple[int, int], count: int) -> InstanceData:
    """Return instances with boxes and labels."""
    corners = np.sort(rng.random((count, 2, 2), np.float32), axis=1) * np.array(hw[::-1], np.float32)
    boxes = HorizontalBoxes(torch.from_numpy(corners.reshape(count, 4)))
    return InstanceData(bboxes=boxes, labels=torch.from_numpy(rng.integers(0, CLASSES, count)))


def bitmaps(rng: np.random.Generator, hw: tuple[int, int]) -> BitmapMasks:
    """Return masks as pixels."""
    return BitmapMasks(rng.integers(0, 2, (MASKS, *hw), np.uint8), *hw)


def polygons(rng: np.random.Generator, hw: tuple[int, int]) -> PolygonMasks:
    """Return masks as polygons."""
    points = rng.random((MASKS, POLYGONS, POINTS, 2)) * hw[::-1]
    return PolygonMasks([list(mask.reshape(POLYGONS, -1)) for mask in points], *hw)


def detection(
    masks: Callable[[np.random.Generator, tuple[int, int]], Any],
) -> Callable[[np.random.Generator, tuple[int, int], str], DetDataSample]:
    """Return a function that makes a sample of mmdet, up to one of its parts.

    20 objects have a box and a mask, and 80 boxes are to be ignored: in one container, all objects have masks or none has.
    """

    def make(rng: np.random.Generator, hw: tuple[int, int], up_to: str) -> DetDataSample:
        sample = DetDataSample(metainfo=metainfo(hw))
        if up_to != 'metainfo':
            sample.gt_instances = instances(rng, hw, MASKS)
            sample.ignored_instances = instances(rng, hw, BOXES - MASKS)
        if up_to == 'masks':
            sample.gt_instances.masks = masks(rng, hw)
        return sample

    return make


def segmentation(rng: np.random.Generator, hw: tuple[int, int], up_to: str) -> SegDataSample:
    """Return a sample of mmseg, up to one of its parts; its label map is int64, as mmseg's pipeline makes it."""
    sample = SegDataSample(metainfo=metainfo(hw))
    if up_to == 'label map':
        sample.gt_sem_seg = PixelData(data=torch.from_numpy(rng.integers(0, CLASSES, (1, *hw))))
    return sample


DET = ('metainfo', 'boxes', 'masks')
SEG = ('metainfo', 'label map')
CASES = {
    'mmdet, BitmapMasks, 800x1333 -> 400x667': Case(DET, detection(bitmaps), map_det_sample, (800, 1333), (400, 667)),
    'mmdet, BitmapMasks, 300x300 -> 160x160': Case(DET, detection(bitmaps), map_det_sample, (300, 300), (160, 160)),
    'mmdet, PolygonMasks, 800x1333 -> 400x667': Case(DET, detection(polygons), map_det_sample, (800, 1333), (400, 667)),
    'mmdet, PolygonMasks, 300x300 -> 160x160': Case(DET, detection(polygons), map_det_sample, (300, 300), (160, 160)),
    'mmseg, 1024x2048 -> 512x1024': Case(SEG, segmentation, map_seg_sample, (1024, 2048), (512, 1024)),
    'mmseg, 1024x2048 -> 307x614': Case(SEG, segmentation, map_seg_sample, (1024, 2048), (307, 614)),
}


class Seconds(NamedTuple):
    """Time of mapping a sample: by the clock, and of the processor, all threads together."""

    wall: float
    cpu: float


def samples_of(case: Case, up_to: str) -> list[Any]:
    """Return a batch of samples."""
    rng = np.random.default_rng(0)
    return [case.make(rng, case.src_hw, up_to) for _ in range(BATCH)]


def map_one(case: Case, sample: Any) -> Seconds:
    """Map a sample."""
    target = TargetSize(scale=case.dst_hw[::-1])
    cpu = time.process_time()
    wall = timed(lambda: case.map(sample, ResizeMap(case.src_hw, target.of(case.src_hw)), True))
    return Seconds(wall, time.process_time() - cpu)


def measure(name: str, threads: list[int], repeats: int, progress: Progress) -> list[dict[str, Any]]:
    """Measure a kind of sample with each number of threads."""
    case = CASES[name]
    samples = {part: samples_of(case, part) for part in case.parts}
    times: dict[tuple[int, str], list[Seconds]] = {(count, part): [] for count in threads for part in samples}
    task = progress.add_task(name, total=(1 + repeats) * len(times))
    for i in range(1 + repeats):
        for (count, part), seconds in times.items():
            torch.set_num_threads(count)
            one_by_one = [map_one(case, sample) for sample in samples[part]]
            if i:  # the first is the warm-up
                seconds += one_by_one
            progress.advance(task)
    progress.remove_task(task)
    torch.set_num_threads(max(threads))
    return [row(name, count, {part: times[count, part] for part in case.parts}) for count in threads]


def row(name: str, threads: int, times: dict[str, list[Seconds]]) -> dict[str, Any]:
    """Return the numbers of a kind of sample.

    Args:
        name: Name of the kind.
        threads: Number of threads.
        times: Times of samples up to each part; the last part's are those of the whole sample.
    """
    wall = sorted(1e3 * one.wall for one in list(times.values())[-1])
    quarter = len(wall) // 4
    cpu = [1e3 * statistics.median(one.cpu for one in seconds) for seconds in times.values()]
    return dict(
        sample=name,
        threads=threads,
        fastest_ms=wall[0],
        median_ms=statistics.median(wall),
        quartiles_ms=[wall[quarter], wall[-1 - quarter]],
        cpu_ms=cpu[-1],
        share={part: (after - before) / cpu[-1] for part, before, after in zip(times, [0.0, *cpu], cpu)},
    )


def print_table(console: Console, rows: list[dict[str, Any]], repeats: int) -> None:
    """Print all kinds of samples."""
    table = Table(title=f'mapping a sample, ms an image, {repeats} times {BATCH} images; shares of the processor time')
    table.add_column('sample', no_wrap=True)
    for column in ('threads', 'fastest', 'median', 'quartiles', 'processor', 'metainfo', 'boxes', 'masks, labels'):
        table.add_column(column, justify='right')
    for one in rows:
        low, high = one['quartiles_ms']
        share = {part: f'{value:.0%}' for part, value in one['share'].items()}
        table.add_row(
            one['sample'],
            str(one['threads']),
            f'{one["fastest_ms"]:.2f}',
            f'{one["median_ms"]:.2f}',
            f'{low:.2f} {high:.2f}',
            f'{one["cpu_ms"]:.2f}',
            share['metainfo'],
            share.get('boxes', ''),
            share.get('masks') or share['label map'],
        )
    console.print(table)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--only', choices=CASES, action='append', help='only this kind of sample (may be repeated)')
    parser.add_argument('--repeats', type=int, default=30, help='repeats of each')
    parser.add_argument('--json', type=Path, help='also write the numbers there')
    args = parser.parse_args()
    if args.repeats < 1:
        parser.error(f'--repeats must be at least 1, got {args.repeats}')
    keep_memory()
    console = Console(width=150)
    console.print(describe())
    threads = sorted({1, torch.get_num_threads()})
    rows: list[dict[str, Any]] = []
    with Progress(console=console, transient=True) as progress:
        for name in args.only or CASES:
            rows += measure(name, threads, args.repeats, progress)
    print_table(console, rows, args.repeats)
    if args.json:
        args.json.write_text(json.dumps({'machine': describe(), 'repeats': args.repeats, 'rows': rows}, indent=1))


if __name__ == '__main__':
    main()
