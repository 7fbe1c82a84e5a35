"""From a config and a finished model's checkpoint to a fitted downsizer, and to the table that says whether it is worth it."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import DATASETS, init_default_scope
from rich.console import Console

from mmdownsize.arguments import integer
from mmdownsize.checkpoints import CheckpointError, latest_checkpoint
from mmdownsize.command_line import building
from mmdownsize.comparing import comparison
from mmdownsize.comparing.arms import Arm
from mmdownsize.comparing.costs import milliseconds
from mmdownsize.comparing.log import read_log
from mmdownsize.comparing.ranking import losses_by_arm
from mmdownsize.comparing.runs import ended_by_sigterm
from mmdownsize.configs import read_named_config
from mmdownsize.quiet import nothing_else_said, nothing_printed
from mmdownsize.refusal import Refusal
from mmdownsize.storage import check_writable, write_whole
from mmdownsize.swapping import FITTED as RESIZER
from mmdownsize.swapping.run import Options as Swap
from mmdownsize.swapping.run import swap_resizer
from mmdownsize.trial.arms import ALWAYS_SHOWN, FITTED, arms_of
from mmdownsize.trial.timing import Step, estimate, time_steps
from mmdownsize.trial.verdict import table_of, verdict
from mmdownsize.trial.watch import Watch

SEED = 0
IMAGES = 40  # for the loss of the fixed kernels, where the training does not log it


@dataclass(frozen=True)
class Options:
    """What to fit.

    Attributes:
        config: Config of the finished model: a file, or ``PACKAGE::NAME`` of one that mmdet or mmsegmentation ships.
        checkpoint: File of its checkpoint.
        scale_factor: Target size relative to what the pipeline delivers; None: 0.5, if there is no other target.
        scale: Target size (w, h) in px.
        keep_ratio: Whether ``scale`` keeps the aspect ratio.
        steps: Steps of the training; None: the recipe's.
        resizer: Name of a fragment in ``configs/_base_/downsize``.
        out: Folder of the fit; None: ``work_dirs/fit/NAME_OF_THE_CONFIG``.
    """

    config: str
    checkpoint: str
    scale_factor: float | None = None
    scale: tuple[int, int] | None = None
    keep_ratio: bool = False
    steps: int | None = None
    resizer: str = RESIZER
    out: Path | None = None

    @property
    def folder(self) -> Path:
        """Folder of the fit."""
        return self.out or Path('work_dirs/fit') / Path(self.config.rpartition('::')[2]).stem

    @property
    def swap(self) -> str:
        """The command that puts another resizer into the config at the same size, without the resizer's name."""
        size = f'--scale-factor {self.scale_factor or 0.5:g}'
        if self.scale:
            size = f'--scale {self.scale[0]} {self.scale[1]}{" --keep-ratio" if self.keep_ratio else ""}'
        return f'mmdownsize swap {self.config} {size} --out swapped.py --resizer'


def fit(options: Options, console: Console) -> None:
    """Fit a downsizer to a finished model, test it beside fixed kernels, and print the table.

    What an earlier call with the same options has done is not done again.

    Raises:
        Refusal: If the config, the checkpoint or an option cannot work, or the folder holds another fit, before anything is
            written; if a run fails; or if it is interrupted.
        OSError: If a file cannot be read or written.
    """
    if not Path(options.checkpoint).is_file():
        raise CheckpointError(f'no such checkpoint: {options.checkpoint}')
    if options.steps is not None:
        integer('--steps', options.steps, 1)
    with nothing_else_said(), ended_by_sigterm():
        try:
            _fit(options, console)
        except KeyboardInterrupt:
            raise Refusal('interrupted: the same command goes on where it was') from None


def _fit(options: Options, console: Console) -> None:
    checkpoint = Path(options.checkpoint).resolve()
    swapped = swap_resizer(
        Swap(
            options.config,
            downsizer=options.resizer,
            fit=str(checkpoint),
            steps=options.steps,
            scale_factor=options.scale_factor,
            scale=options.scale,
            keep_ratio=options.keep_ratio,
        )
    )
    cfg, path = swapped.cfg, options.folder / 'fit.py'
    if path.is_file() and path.read_text() != swapped.text:
        raise Refusal(f'{path} is another fit: name another folder with --out, or remove that one')
    _test_as_validated(cfg, options.config)
    arms = arms_of(cfg, read_named_config(options.config)[0])
    measured = _measured(options.folder, cfg, arms, checkpoint)
    if not path.is_file():
        write_whole(path, swapped.text)
    for line in (*swapped.sizes, f'the config of the fit: {path}'):
        console.print(line, soft_wrap=True, highlight=False)
    if 'step' not in measured:
        measured['step'] = asdict(time_steps(cfg, options.folder / 'timing', console))
        _keep(options.folder, measured)

    compared = comparison.Options(
        path, seeds=[SEED], baseline=ALWAYS_SHOWN[0], start=str(checkpoint), work_dir=options.folder / 'runs'
    )
    finished = _say_how_long(compared, cfg, arms, measured, console)
    tested = [arm.name for arm in arms if not arm.train]
    comparison.run_missing(replace(compared, only=tested), cfg, arms, console)
    found, metric = _found(compared)
    steps = cfg.train_cfg.max_iters
    watch = Watch(console, steps, metric, found, measured['losses'])
    comparison.run_missing(replace(compared, only=[FITTED]), cfg, arms, console, watch)
    found, _ = _found(compared)
    run_dir = _run_dir(compared)
    assert run_dir is not None  # the fit has just been there
    if not finished:
        watch(run_dir)  # the last validation, after which the process ended
    console.print(table_of(found, measured['milliseconds'], metric, options.resizer))
    console.print(verdict(found, metric, options.swap), soft_wrap=True, highlight=False)
    last = Path(latest_checkpoint(run_dir) or run_dir)
    if last.is_relative_to(Path.cwd()):
        last = last.relative_to(Path.cwd())
    console.print(f'to predict: mmdownsize predict {path} {last} IMAGES --out DIR', soft_wrap=True, highlight=False)


def _test_as_validated(cfg: Config, config: str) -> None:
    """Have tests read the images that the training is validated on: the numbers of a table are of the same ones."""
    for name in ('val_dataloader', 'val_evaluator'):
        if cfg.get(name) is None:
            raise Refusal(f'{config} has no {name}, and a fit is judged by images with labels: set it')
    cfg.val_cfg = cfg.get('val_cfg') or dict()
    cfg.test_dataloader, cfg.test_evaluator, cfg.test_cfg = cfg.val_dataloader, cfg.val_evaluator, dict()


def _measured(folder: Path, cfg: Config, arms: list[Arm], checkpoint: Path) -> dict[str, Any]:
    """Return the number of test images, the time of a prediction by arm and the losses of fixed kernels; measure them once."""
    try:
        return json.loads((folder / 'measured.json').read_text())
    except (OSError, ValueError):  # not there, or not ours
        pass
    init_default_scope(cfg.default_scope)
    losses = {}
    with nothing_printed():
        with building():
            images = len(DATASETS.build(cfg.val_dataloader.dataset))
        times = milliseconds(cfg, arms, checkpoint)
        if not cfg.model.get('beside'):  # whose training computes them on its own images
            beside = [arm for arm in arms if arm.name in ALWAYS_SHOWN]
            found = losses_by_arm(cfg, beside, checkpoint, IMAGES)
            losses = {name: statistics.fmean(values) for name, values in found.items()}
    check_writable(folder / 'fit.py')
    return dict(images=images, milliseconds=times, losses=losses)


def _keep(folder: Path, measured: dict[str, Any]) -> None:
    write_whole(folder / 'measured.json', json.dumps(measured, indent=1))


def _say_how_long(
    compared: comparison.Options, cfg: Config, arms: list[Arm], measured: dict[str, Any], console: Console
) -> bool:
    """Say how long it takes to do what is left; return whether nothing is."""
    log = compared.log_path
    finished = {run['arm'] for run in read_log([log])} if log.is_file() else set()
    left = [arm.name for arm in arms if arm.name not in finished]
    if not left:
        console.print('this fit is finished: here is its table again', highlight=False)
        return True
    run_dir, steps = _run_dir(compared), cfg.train_cfg.max_iters
    last = latest_checkpoint(run_dir) if run_dir else None
    done = int(Path(last).stem.partition('_')[2]) if last else 0
    if FITTED in finished:
        done = steps
    interval = cfg.train_cfg.val_interval
    validations = -(-steps // interval) - done // interval if done < steps else 0
    tested = [name for name in left if name != FITTED]
    step = Step(**measured['step'])
    times = measured['milliseconds']
    said = estimate(step, steps - done, validations, measured['images'], times, tested, FITTED)
    console.print(said, soft_wrap=True, highlight=False)
    return False


def _run_dir(compared: comparison.Options) -> Path | None:
    """Return the folder of the fit's training, None if it has not begun."""
    return max((compared.folder / FITTED).glob('*'), key=lambda path: path.stat().st_mtime, default=None)


def _found(compared: comparison.Options) -> tuple[dict[str, float], str]:
    """Return the metric of every arm that has been run, and its key."""
    runs = read_log([compared.log_path])
    metric = runs[0]['metric']
    return {run['arm']: run['metrics'][metric] for run in runs}, metric
