"""Test a checkpoint of a config, as tools/test.py does."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.evaluator import DumpResults

from mmdownsize.checkpoints import CheckpointError
from mmdownsize.configs import read_config
from mmdownsize.launching.machine import prepare
from mmdownsize.launching.runner import build_runner, prepare_process, work_dir_of
from mmdownsize.pipelines.walk import with_pipeline
from mmdownsize.refusal import Refusal
from mmdownsize.storage import check_writable


@dataclass(frozen=True)
class Options:
    """Options of a test.

    Attributes:
        config: The config file.
        checkpoint: The checkpoint file, or an address that mmengine loads from.
        work_dir: Folder of the log; None: the config's, or ``work_dirs/NAME_OF_THE_CONFIG``.
        out: Where to write the predictions: a ``.pkl`` file, or with mmseg a folder of label images.
        show: Show the painted images in a window.
        show_dir: Write the painted images to this folder.
        wait_time: How long to show each image, in seconds.
        cfg_options: Settings by dotted key that replace the config's.
        launcher: One of :data:`~mmdownsize.launching.LAUNCHERS`.
        tta: Test with the config's test-time augmentation.
        local_rank: Number of the process on its machine, as torch's old launcher gives it.
    """

    config: str
    checkpoint: str
    work_dir: str | None = None
    out: str | None = None
    show: bool = False
    show_dir: str | None = None
    wait_time: float = 2.0
    cfg_options: Mapping[str, Any] | None = None
    launcher: str = 'none'
    tta: bool = False
    local_rank: int = 0

    @property
    def pickles(self) -> bool:
        """Whether the predictions go to a pickle file rather than a folder."""
        return bool(self.out) and self.out.endswith(('.pkl', '.pickle'))


def test(options: Options) -> dict[str, float]:
    """Test and return the metrics.

    Raises:
        Refusal: If the config, an option or the checkpoint cannot work.
        OSError: If a file cannot be read or written.
    """
    prepare_process(options.local_rank)
    cfg = config_of(options)
    prepare(cfg, training=False)
    runner = build_runner(cfg)
    if options.pickles:
        dump = DumpResults
        if cfg.get('default_scope') == 'mmdet':
            from mmdet.evaluation import DumpDetResults as dump  # encodes masks
        runner.test_evaluator.metrics.append(dump(out_file_path=options.out))
    return runner.test()


def config_of(options: Options) -> Config:
    """Return the config with every option in it.

    Raises:
        Refusal: If there is no such config or checkpoint, or the config has no place for an option.
        OSError: If the file of predictions cannot be written.
    """
    cfg = read_config(options.config, options.cfg_options)
    if '://' not in options.checkpoint and not os.path.isfile(options.checkpoint):
        raise CheckpointError(f'no such checkpoint: {options.checkpoint}')
    if options.pickles:
        check_writable(options.out)  # now, not after hours of testing
    cfg.launcher = options.launcher
    cfg.work_dir = work_dir_of(cfg, options.config, options.work_dir)
    cfg.load_from = options.checkpoint
    if options.show or options.show_dir:
        _paint(cfg, options)
    if options.tta:
        _augment(cfg)
    if options.out and not options.pickles:
        if cfg.get('default_scope') != 'mmseg':
            raise Refusal(
                f'--out: a .pkl file is needed, got {options.out}; a folder of label images is for mmseg only'
            )
        for metric in _one_or_more(_needed(cfg, 'test_evaluator', '--out')):
            metric.output_dir = options.out
    return cfg


def _paint(cfg: Config, options: Options) -> None:
    """Have the config's visualization hook paint the predictions."""
    hook = cfg.get('default_hooks', {}).get('visualization')
    if hook is None:
        raise Refusal(
            "--show, --show-dir: the config has no default_hooks.visualization, such as 'DetVisualizationHook'"
        )
    hook.draw = True
    if options.show:
        hook.show = True
        hook.wait_time = options.wait_time
    if cfg.get('default_scope') == 'mmseg':
        hook.interval = 1  # mmseg's hook paints one image in 50 otherwise
    if options.show_dir and cfg.get('default_scope') == 'mmseg':
        _needed(cfg, 'visualizer', '--show-dir').save_dir = options.show_dir
    elif options.show_dir:
        hook.test_out_dir = options.show_dir


def _augment(cfg: Config) -> None:
    """Test with the config's test-time augmentation."""
    missing = [key for key in ('tta_model', 'tta_pipeline') if key not in cfg]
    if missing:
        raise Refusal(f'--tta: the config has no {" and no ".join(missing)}')
    loader = _needed(cfg, 'test_dataloader', '--tta')
    try:
        loader.dataset = with_pipeline(loader.dataset, cfg.tta_pipeline)
    except Refusal as refusal:
        raise Refusal(f'--tta: {refusal}') from refusal
    # mmengine puts a data_preprocessor at the top of a config in the place of the model's own, downsizer and all.
    cfg.model.setdefault('data_preprocessor', cfg.get('data_preprocessor'))
    cfg.data_preprocessor = None
    cfg.model = ConfigDict(**cfg.tta_model, module=cfg.model)


def _needed(cfg: Config, key: str, option: str) -> Any:
    if cfg.get(key) is None:
        raise Refusal(f'{option}: the config has no {key}')
    return cfg[key]


def _one_or_more(node: Any) -> list[Any]:
    return list(node) if isinstance(node, list | tuple) else [node]
