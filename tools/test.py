"""Test a checkpoint of an mmdet or mmseg config; the numbers are those of the full-resolution images.

python tools/test.py CONFIG CHECKPOINT [--work-dir DIR] [--out FILE_OR_FOLDER] [--show-dir DIR] [--tta]
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # also runs from a clone that is not installed

from mmengine.config import Config, ConfigDict
from mmengine.evaluator import DumpResults
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

import mmdownsize.registry  # noqa: F401  (lets a config say _base_ = 'mmdownsize::...')
from mmdownsize import launching
from mmdownsize.checkpoints import allow_mmengine_checkpoints, guard_checkpoints
from mmdownsize.command_line import CONFIG_ERRORS, Settings, in_one_line
from mmdownsize.configs import read_config
from mmdownsize.storage import check_writable


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description='Test a checkpoint of an mmdet or mmseg config.')
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--work-dir', help='folder of the log; default: ./work_dirs/NAME_OF_THE_CONFIG')
    parser.add_argument('--out', help='write the predictions: a .pkl file, or for mmseg a folder of label images')
    parser.add_argument('--show', action='store_true', help='show the painted images')
    parser.add_argument('--show-dir', help='write the painted images to this folder')
    parser.add_argument('--wait-time', type=float, default=2, help='seconds to show each image')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=Settings,
        metavar='KEY=VALUE',
        help='override settings of the config, such as model.data_preprocessor.scale_factor=0.5 or key="[(a,b),(c,d)]"',
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none', help='job launcher')
    parser.add_argument('--tta', action='store_true', help="test-time augmentation, by the config's tta_pipeline")
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help=argparse.SUPPRESS)  # torch's launcher
    return parser.parse_args(argv)


def load_config(args: argparse.Namespace) -> Config:
    """Return the config with every option of the command line in it."""
    if not os.path.isfile(args.config):
        sys.exit(f'no such config: {args.config}')
    if '://' not in args.checkpoint and not os.path.isfile(args.checkpoint):
        sys.exit(f'no such checkpoint: {args.checkpoint}')
    if args.out and is_pickle(args.out):
        check_writable(args.out)  # not after hours of testing
    cfg = read_config(args.config, args.cfg_options)
    cfg.launcher = args.launcher
    cfg.work_dir = args.work_dir or cfg.get('work_dir') or os.path.join('work_dirs', Path(args.config).stem)
    cfg.load_from = args.checkpoint
    if args.show or args.show_dir:
        paint(cfg, args)
    if args.tta:
        augment(cfg)
    if args.out and not is_pickle(args.out):
        if cfg.get('default_scope') != 'mmseg':
            sys.exit(f'--out: a .pkl file is needed, got {args.out}; a folder of label images is for mmseg only')
        for metric in cfg.test_evaluator if isinstance(cfg.test_evaluator, list) else [cfg.test_evaluator]:
            metric.output_dir = args.out
    return cfg


def is_pickle(path: str) -> bool:
    """Whether a path names a pickle file rather than a folder."""
    return path.endswith(('.pkl', '.pickle'))


def paint(cfg: Config, args: argparse.Namespace) -> None:
    """Have the config's visualization hook paint the predictions."""
    hook = cfg.get('default_hooks', {}).get('visualization')
    if hook is None:
        sys.exit("--show, --show-dir: the config has no default_hooks.visualization, such as 'DetVisualizationHook'")
    hook.draw = True
    if args.show:
        hook.show = True
        hook.wait_time = args.wait_time
    if cfg.get('default_scope') == 'mmseg':
        hook.interval = 1  # mmseg's hook paints one image in 50 otherwise
    if args.show_dir and cfg.get('default_scope') == 'mmseg':
        cfg.visualizer.save_dir = args.show_dir
    elif args.show_dir:
        hook.test_out_dir = args.show_dir


def augment(cfg: Config) -> None:
    """Test by the config's test-time augmentation."""
    missing = [key for key in ('tta_model', 'tta_pipeline') if key not in cfg]
    if missing:
        sys.exit(f'--tta: the config has no {" and no ".join(missing)}')
    dataset = cfg.test_dataloader.dataset
    while 'dataset' in dataset:
        dataset = dataset.dataset
    dataset.pipeline = cfg.tta_pipeline
    cfg.model = ConfigDict(**cfg.tta_model, module=cfg.model)


def main(argv: Sequence[str] | None = None) -> dict[str, float]:
    """Test and return the metrics.

    Args:
        argv: The arguments; the command line's by default.
    """
    args = parse_args(argv)
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    allow_mmengine_checkpoints()
    guard_checkpoints()
    with in_one_line(*CONFIG_ERRORS):
        cfg = load_config(args)
        launching.prepare(cfg, training=False)
        runner = RUNNERS.build(cfg) if 'runner_type' in cfg else Runner.from_cfg(cfg)
    if args.out and is_pickle(args.out):
        dump = DumpResults
        if cfg.get('default_scope') == 'mmdet':
            from mmdet.evaluation import DumpDetResults as dump  # encodes masks
        runner.test_evaluator.metrics.append(dump(out_file_path=args.out))
    with in_one_line():
        return runner.test()


if __name__ == '__main__':
    main()
