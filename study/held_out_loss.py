"""Say how much of what a downsizer has learned holds for images that it was not fitted to.

python -m study.held_out_loss CONFIG CHECKPOINT [--images N] [--cfg-options KEY=VALUE ...]

Computes the loss of the config's own training, on training images and on validation images that are prepared in the same
way: once with the downsizer as it starts, once as the checkpoint has it. The model behind it is the checkpoint's both
times. If the loss falls much more on training images, the downsizer has learned these images: fit it to more of them.
The config of a run of tools/compare.py is the file config.py in its folder.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import init_default_scope
from mmengine.runner import set_random_seed
from rich.console import Console
from rich.table import Table
from torch.utils.data import DataLoader

from mmdownsize.checkpoints import DOWNSIZER, below, read_checkpoint, weights_of
from mmdownsize.command_line import Settings, building, in_one_line
from mmdownsize.comparing.losses import loader_of, losses
from mmdownsize.configs import read_config
from mmdownsize.preprocessors.checks import check_fits
from mmdownsize.refusal import Refusal
from mmdownsize.registry import MODELS


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', type=Path, help='config of the training')
    parser.add_argument('checkpoint', type=Path, help='what it has led to')
    parser.add_argument('--images', type=int, metavar='N', help='the first N of either kind; default: all')
    parser.add_argument('--cfg-options', nargs='+', action=Settings, metavar='KEY=VALUE', help='changes to the config')
    return parser.parse_args(argv)


def loaders(cfg: Config, images: int | None) -> dict[str, DataLoader[Any]]:
    """Return training images and validation images, prepared as the training prepares its own, always in the same order."""
    kinds = {'training': 'train_dataloader', 'validation': 'val_dataloader'}
    return {kind: loader_of(cfg, name, images) for kind, name in kinds.items()}


def measure(cfg: Config, checkpoint: Path, images: int | None) -> dict[str, dict[str, float]]:
    """Return the losses, ``{'start' or 'fitted': {'training' or 'validation': loss}}``.

    Raises:
        Refusal: If the config or the checkpoint has no downsizer with weights, or one does not fit the other.
    """
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    set_random_seed(cfg.get('randomness', {}).get('seed', 0))
    with building():
        model = MODELS.build(cfg.model)
    state = weights_of(read_checkpoint(checkpoint))
    downsizer = getattr(model.data_preprocessor, 'downsizer', None)
    if downsizer is None or not downsizer.state_dict():
        raise Refusal('the config has no model.data_preprocessor.downsizer that learns: there is nothing to compare')
    check_fits(below(state, DOWNSIZER), downsizer, str(checkpoint))
    starts = {f'{DOWNSIZER}{key}': value.clone() for key, value in downsizer.state_dict().items()}
    model.requires_grad_(False).eval()
    found = {}
    for name, weights in (('start', {**state, **starts}), ('fitted', state)):
        try:
            model.load_state_dict(weights)
        except RuntimeError as error:
            raise Refusal(
                f"{checkpoint} does not fit the config's model: {str(error).splitlines()[1].strip()}"
            ) from error
        found[name] = {}
        for kind, loader in loaders(cfg, images).items():
            by_batch, counts = losses(model, loader, f'{name}, {kind}')
            found[name][kind] = statistics.fmean(by_batch, counts)
    return found


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    args = parse_args(argv)
    MMLogger.get_current_instance().setLevel('ERROR')
    with in_one_line():
        if args.images is not None and args.images < 1:
            raise Refusal(f'--images must be at least 1, got {args.images}')
        found = measure(read_config(args.config, args.cfg_options), args.checkpoint, args.images)
    table = Table('loss on', 'training images', 'validation images', title=args.checkpoint.name)
    rows = [('as it starts', found['start']), ('fitted', found['fitted'])]
    difference = {kind: found['fitted'][kind] - found['start'][kind] for kind in found['start']}
    for label, row in (*rows, ('difference', difference)):
        sign = '+' if label == 'difference' else ''
        table.add_row(label, *(f'{row[kind]:{sign}.4f}' for kind in ('training', 'validation')))
    Console().print(table)


if __name__ == '__main__':
    main()
