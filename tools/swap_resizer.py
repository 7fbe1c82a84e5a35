"""Put a downsizer into a config of mmdet or mmsegmentation, and explain every edit.

python tools/swap_resizer.py CONFIG [--out FILE] [--downsizer FRAGMENT] [--scale-factor F | --scale W H | --take-resize]
    [--fit CHECKPOINT] [--check]

CONFIG is a file or a name such as mmdet::detr/detr_r50_8xb2-150e_coco.py. The edited config is a few lines over it,
printed or written to --out. --take-resize moves the last Resize of the pipelines into the preprocessor, which then
downsizes straight from the image file's resolution. --fit writes how a downsizer is fitted to a finished model, of which
nothing is trained: the study's recipe. --check builds the result and computes losses, gradients and a
prediction on made-up data.
"""

from __future__ import annotations

import argparse
import copy
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # also runs from a clone that is not installed

from mmengine.config import Config
from mmengine.hub import get_config
from rich.console import Console

from mmdownsize.command_line import CONFIG_ERRORS, in_one_line
from mmdownsize.configs import name_of, read_config, read_fragment
from mmdownsize.fitting.recipe import check_fit, fit_changes
from mmdownsize.geometry import TargetSize
from mmdownsize.refusal import in_words
from mmdownsize.storage import write_whole
from mmdownsize.swapping.check import check

SWAPS = {
    'DetDataPreprocessor': ('mmdownsize.DetDownsizePreprocessor', 'mmdet'),
    'SegDataPreProcessor': ('mmdownsize.SegDownsizePreprocessor', 'mmseg'),
}
DOWNSIZER, FITTED = 'downsizenet_2x2', 'downsizenet_6x6_signed'
DRAWN = ('RandomResize', 'RandomChoiceResize', 'ResizeShortestEdge')
SIZED = (
    'RandomCrop',
    'Pad',
    'RandomCenterCropPad',
    'Expand',
    'CachedMosaic',
    'Mosaic',
    'RandomAffine',
)


@dataclass
class Swap:
    """What to write over a config.

    Attributes:
        changes: The new settings, nested as in the config.
        notes: One sentence an edit.
    """

    changes: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', help='config file, or PACKAGE::NAME of one that mmdet or mmsegmentation ships')
    parser.add_argument('--out', type=Path, help='write the edited config there instead of printing it')
    parser.add_argument(
        '--downsizer',
        metavar='FRAGMENT',
        help=f'one of configs/_base_/downsize (default: {DOWNSIZER}, with --fit {FITTED})',
    )
    parser.add_argument('--fit', metavar='CHECKPOINT', help='train nothing but the downsizer, to this finished model')
    target = parser.add_mutually_exclusive_group()
    target.add_argument('--scale-factor', type=float, help='relative to what the pipeline delivers (default: 0.5)')
    target.add_argument('--scale', type=int, nargs=2, metavar=('W', 'H'), help='size in px')
    target.add_argument(
        '--take-resize', action='store_true', help="the size of the pipelines' last Resize, taken from there"
    )
    parser.add_argument('--keep-ratio', action='store_true', help='with --scale: keep the aspect ratio')
    parser.add_argument('--check', action='store_true', help='build it; compute losses, gradients and a prediction')
    return parser.parse_args(argv)


def load(name: str) -> tuple[Config, str]:
    """Return a config and what ``_base_`` has to say for it.

    Raises:
        ValueError: If there is no such config, or it cannot be read.
    """
    if '::' in name:
        try:
            return get_config(name), name
        except Exception as error:  # mmengine's own are of many kinds
            raise ValueError(f'no config {name}: {in_words(error)}') from error
    return read_config(name), str(Path(name).resolve())


def pipelines(cfg: Config) -> Iterator[tuple[list[str], list[dict[str, Any]]]]:
    """Yield the path of every loader's pipeline in the config, and the pipeline."""
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        node, path = cfg.get(loader), [loader]
        while isinstance(node, dict) and 'dataset' in node:
            node, path = node['dataset'], [*path, 'dataset']
        if isinstance(node, dict) and node.get('pipeline'):
            yield [*path, 'pipeline'], [dict(step) for step in node['pipeline']]


def take_resize(cfg: Config, swap: Swap) -> dict[str, Any]:
    """Take the last Resize out of every pipeline, and return the target it had.

    Raises:
        ValueError: If one has none, it is drawn at random, they differ, or a later step has a size of its own.
    """
    targets = {}
    for path, steps in pipelines(cfg):
        where = '.'.join(path)
        names = [name_of(step) for step in steps]
        drawn = [name for name in names if name in DRAWN]
        if drawn:
            raise ValueError(
                f'{where} has {drawn[0]}, which draws a size: leave it, and give --scale-factor (and train_scale_factor '
                'in the preprocessor, to have the downsizer draw)'
            )
        if 'Resize' not in names:
            raise ValueError(f'{where} has no Resize to take: give --scale-factor or --scale')
        last = len(names) - 1 - names[::-1].index('Resize')
        sized = [name for name in names[last + 1 :] if name in SIZED]
        if sized:
            raise ValueError(
                f'{where}: {sized[0]} after Resize works with pixels of the small image; move it before, or give --scale-factor'
            )
        resize = steps.pop(last)
        targets[where] = {key: resize[key] for key in ('scale', 'scale_factor', 'keep_ratio') if resize.get(key)}
        node = swap.changes
        for key in path[:-1]:
            node = node.setdefault(key, {})
        node['pipeline'] = steps
        swap.notes.append(f'{where}: Resize({targets[where]}) taken out; the image comes at its full resolution')
    if not targets:
        raise ValueError('the config has no pipelines to take a Resize from')
    first = next(iter(targets.values()))
    if any(target != first for target in targets.values()):
        raise ValueError(f'the pipelines resize to different sizes, {targets}: give --scale-factor or --scale')
    return first


def draw_in_the_downsizer(
    cfg: Config, preprocessor: dict[str, Any], target: dict[str, Any], swap: Swap
) -> dict[str, Any]:
    """Return the settings by which the downsizer draws the sizes that ``BatchSyncRandomResize`` drew behind it.

    Raises:
        ValueError: If the pipeline does not say which size those were drawn around.
    """
    augments = preprocessor.get('batch_augments') or []
    drawing = [augment for augment in augments if name_of(augment) == 'BatchSyncRandomResize']
    if not drawing:
        return {}
    height = delivered_height(cfg)
    if height is None:
        raise ValueError(
            'BatchSyncRandomResize in batch_augments draws sizes behind the downsizer, and no Resize in the pipeline of '
            'train_dataloader tells what they are relative to: remove it by hand, and give train_scale_factor=(lowest, highest)'
        )
    factor = TargetSize(**target).of((height, height))[0] / height
    low, high = (round(size / height * factor, 4) for size in drawing[-1]['random_size_range'])
    swap.notes.append(
        f'BatchSyncRandomResize{tuple(drawing[-1]["random_size_range"])} is taken out of batch_augments: the downsizer draws a '
        f'factor for every batch instead, train_scale_factor=({low}, {high})'
    )
    return dict(batch_augments=[a for a in augments if a not in drawing], train_scale_factor=(low, high))


def delivered_height(cfg: Config) -> int | None:
    """Return the height in px of the images to train on, as the outermost Resize sets it; None if there is none."""
    node = cfg.get('train_dataloader') or {}
    while isinstance(node, dict):
        for step in reversed(node.get('pipeline') or []):
            if name_of(step) == 'Resize' and isinstance(step.get('scale'), Sequence):
                return int(step['scale'][1])
        node = node.get('dataset')
    return None


def swap_resizer(
    cfg: Config, downsizer: dict[str, Any], target: dict[str, Any] | None, rates: dict[str, Any] | None = None
) -> Swap:
    """Return what puts a downsizer into a config.

    Args:
        cfg: The config.
        downsizer: Config of the downsizer.
        target: The preprocessor's target; None to take the pipelines' last Resize.
        rates: What the downsizer learns at, as ``custom_keys`` of the optimizer's ``paramwise_cfg``.

    Raises:
        ValueError: If the config's preprocessor has no counterpart, or images are normalised before it; says what to do.
    """
    preprocessor = cfg.get('model', {}).get('data_preprocessor') or cfg.get('data_preprocessor')
    if not preprocessor:
        raise ValueError(
            'the config has no model.data_preprocessor: a config of mmdet 3.x or mmsegmentation 1.x is needed'
        )
    kind = preprocessor['type'] if isinstance(preprocessor['type'], str) else preprocessor['type'].__name__
    name = name_of(preprocessor)
    if kind.startswith('mmdownsize.'):
        raise ValueError(f'the config has a downsizer already: {kind}')
    if name not in SWAPS:
        by_hand = '; semi-supervised configs are edited by hand, see docs/training.md' if 'MultiBranch' in name else ''
        raise ValueError(f'{kind} has no counterpart here; there is one for {" and ".join(SWAPS)}{by_hand}')
    for path, steps in pipelines(cfg):
        if any(step['type'] == 'Normalize' for step in steps):
            raise ValueError(
                f'{".".join(path)} normalises images; a downsizer wants them in 0..255: leave that to the preprocessor'
            )
    swap = Swap()
    if target is None:
        target = take_resize(cfg, swap)
    drawn = draw_in_the_downsizer(cfg, preprocessor, target, swap)
    swap.changes = {
        'model': {'data_preprocessor': {'type': SWAPS[name][0], 'downsizer': downsizer, **target, **drawn}},
        **swap.changes,
    }
    described = ', '.join(f'{key}={value}' for key, value in target.items())
    swap.notes = [
        f'model.data_preprocessor.type: {kind} -> {SWAPS[name][0]}; it keeps all its other settings',
        f'downsizer={downsizer["type"]}, a part of the model and of its checkpoints; {described}',
        *swap.notes,
    ]
    if rates:
        swap.changes['optim_wrapper'] = {'paramwise_cfg': {'custom_keys': rates}}
        multiples = ', '.join(f'{key.rpartition(".")[2]} {rate["lr_mult"]:g}' for key, rate in rates.items())
        swap.notes.append(f'the downsizer learns at multiples of the learning rate: {multiples}')
    cut = any(name_of(step) == 'RandomCrop' for path, steps in pipelines(cfg) if 'train' in path[0] for step in steps)
    if cut and 'scale' in target:
        swap.notes.append(
            f'RandomCrop in the training pipeline: what it cuts out is resized to scale={target["scale"]}, as whole images are, '
            'by another factor; --scale-factor would be the same for both'
        )
    divisor = preprocessor.get('pad_size_divisor', 1)
    if divisor > 1:
        swap.notes.append(f'pad_size_divisor={divisor} now pads the downsized image: lower it where that is much')
    if isinstance(preprocessor.get('size'), Sequence):
        swap.notes.append(f'size={tuple(preprocessor["size"])} stays the size before downsizing and is scaled with it')
    return swap


def add_fit(swap: Swap, cfg: Config, checkpoint: str, rates: dict[str, Any]) -> None:
    """Have nothing but the downsizer trained, in front of a finished model."""
    swapped = copy.deepcopy(cfg)
    swapped.merge_from_dict(copy.deepcopy(swap.changes))
    changes, notes = fit_changes(swapped, checkpoint, rates)
    model = changes.pop('model', {})
    preprocessor = model.pop('data_preprocessor', {})
    if preprocessor:  # whole images, one at a time, go in pairs
        ours = swap.changes['model']['data_preprocessor']['type']
        kept = [note for note in swap.notes if not note.startswith(('size=', 'RandomCrop'))]
        swap.notes = [note.replace(ours, preprocessor['type']) for note in kept]
    swap.changes['model']['data_preprocessor'].update(preprocessor)
    swap.changes['model'].update(model)
    swap.changes.update(changes)
    swap.notes += notes


def text_of(base: str, swap: Swap) -> str:
    """Return the edited config as a file's content."""
    notes = '\n'.join(f'# {note}.' for note in swap.notes)
    return f'{notes}\n_base_ = {base!r}\n\n{Config(swap.changes).pretty_text}'


def main(argv: Sequence[str] | None = None) -> None:
    """Edit."""
    args = parse_args(argv)
    with in_one_line(*CONFIG_ERRORS):
        edit(args, Console(stderr=True))


def target_of(args: argparse.Namespace) -> dict[str, Any] | None:
    """Return the preprocessor's target that the options ask for; None: that of the pipelines' Resize.

    Raises:
        ValueError: If it is none, or an option has nothing to apply to.
    """
    if args.keep_ratio and not args.scale:
        raise ValueError('--keep-ratio goes with --scale W H: leave it out, or say --scale')
    if args.take_resize:
        return None
    if args.scale:
        target = dict(scale=tuple(args.scale), **(dict(keep_ratio=True) if args.keep_ratio else {}))
    else:
        target = dict(scale_factor=0.5 if args.scale_factor is None else args.scale_factor)
    TargetSize(**target)
    return target


def edit(args: argparse.Namespace, console: Console) -> None:
    """Write the edited config, checked if that is asked for.

    Raises:
        ValueError: If an option or the config is not what it should be, or the check fails.
    """
    downsizer, rates = read_fragment(args.downsizer or (FITTED if args.fit else DOWNSIZER))
    target = target_of(args)
    if args.fit:
        check_fit(args.fit, downsizer)
    cfg, base = load(args.config)
    if args.out and args.out.resolve() == Path(base):
        raise ValueError(f'--out {args.out} is the config itself, which the edited one needs: name another file')
    swap = swap_resizer(cfg, downsizer, target, rates)
    if args.fit:
        add_fit(swap, cfg, args.fit, rates)
    text = text_of(base, swap)
    if args.check:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / 'swapped.py'
            path.write_text(text)
            try:
                lines = check(Config.fromfile(path))
            except Exception as error:  # a model may fail in any way
                raise ValueError(f'--check: the edited config does not work: {in_words(error)}') from error
        for line in lines:
            console.print(f'check: {line}')
    if args.out:
        write_whole(args.out, text)
    else:
        print(text)
    for note in swap.notes:
        console.print(f'- {note}')


if __name__ == '__main__':
    main()
