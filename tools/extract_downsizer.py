"""Take the downsizer out of a checkpoint, as a small file that any config can name.

python tools/extract_downsizer.py CHECKPOINT OUT.safetensors [--note KEY=TEXT ...]

Then ``downsizer=dict(type='DownsizeNet', pretrained='OUT.safetensors')``, with ``frozen=True`` if it is not to be trained on.
The constructor's arguments come from the config that mmengine keeps in its checkpoints, or from --config.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # also runs from a clone that is not installed

import torch
from mmengine.config import Config

from mmdownsize.checkpoints import allow_mmengine_checkpoints
from mmdownsize.preprocessors.resizers import build_resizer
from mmdownsize.resizers import DownsizeNet

PREFIX = 'data_preprocessor.downsizer.'


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('checkpoint', type=Path, help='checkpoint of a training with a DownsizeNet')
    parser.add_argument('out', type=Path, help='file to write, .safetensors')
    parser.add_argument('--config', type=Path, help='config of the training, where the checkpoint has none')
    parser.add_argument('--note', action='append', default=[], metavar='KEY=TEXT', help='added to the provenance')
    return parser.parse_args(argv)


def extract(checkpoint: dict[str, Any], cfg: Config) -> DownsizeNet:
    """Return the downsizer of a checkpoint.

    Raises:
        ValueError: If it has none, or another kind, or it does not fit the config.
    """
    state = {
        key.removeprefix(PREFIX): value for key, value in checkpoint['state_dict'].items() if key.startswith(PREFIX)
    }
    if not state:
        raise ValueError(f'the checkpoint has no {PREFIX}*: it was trained without a downsizer, or with a fixed one')
    arguments = cfg.model.data_preprocessor.downsizer.to_dict()
    arguments.pop('init_cfg', None)
    try:
        net = build_resizer(arguments)
    except FileNotFoundError as error:  # of a downsizer that was itself trained on from a file
        raise ValueError(f'{error}. The config names it with pretrained=; its arguments are needed') from error
    if not isinstance(net, DownsizeNet):
        raise ValueError(f'the downsizer is a {type(net).__name__}; only DownsizeNet is kept as a file')
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(f'the checkpoint does not fit its config: {error}') from error
    return net


def main(argv: Sequence[str] | None = None) -> None:
    """Write the file."""
    args = parse_args(argv)
    allow_mmengine_checkpoints()
    try:
        if not args.checkpoint.is_file():
            raise ValueError(f'no such checkpoint: {args.checkpoint}')
        if args.out.suffix != '.safetensors':
            raise ValueError(f'{args.out}: the file is to end in .safetensors')
        notes = dict(note.split('=', 1) for note in args.note if '=' in note)
        if len(notes) != len(args.note):
            raise ValueError(f'--note KEY=TEXT, got {args.note}')
        checkpoint = torch.load(args.checkpoint, map_location='cpu')
        meta = checkpoint.get('meta', {})
        if args.config is not None:
            cfg = Config.fromfile(args.config)
        elif 'cfg' in meta:
            cfg = Config.fromstring(meta['cfg'], '.py')
        else:
            raise ValueError(f'{args.checkpoint} holds no config: name it with --config')
        net = extract(checkpoint, cfg)
    except ValueError as error:
        sys.exit(str(error))
    provenance = {
        key: str(meta[key]) for key in ('experiment_name', 'epoch', 'iter', 'seed', 'mmengine_version') if key in meta
    }
    args.out.parent.mkdir(parents=True, exist_ok=True)
    net.save_pretrained(args.out, {**provenance, 'torch': torch.__version__, **notes})
    print(
        f'{args.out}: {sum(p.numel() for p in net.parameters()):,} parameters, {args.out.stat().st_size:,} bytes, {net}'
    )


if __name__ == '__main__':
    main()
