"""One run of a comparison: what it depends on, and a process of its own that trains or tests it."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mmengine
import torch
from mmengine.config import Config
from rich.console import Console

from mmdownsize.checkpoints import CheckpointError, latest_checkpoint
from mmdownsize.comparing.arms import Arm, preprocessor_of
from mmdownsize.comparing.progress import RunProgress
from mmdownsize.places import tool
from mmdownsize.refusal import Refusal
from mmdownsize.resizers.io import find
from mmdownsize.storage import write_whole
from mmdownsize.version import __version__

# Environment of the trainings, unless the caller's says otherwise. Threads spin only briefly while they wait, because the
# loader's workers share the cores. And glibc keeps the memory of feature maps, which it would give back and ask for again in
# every step. Results are the same.
FASTER = {
    'GOMP_SPINCOUNT': '20000',
    'MALLOC_MMAP_THRESHOLD_': str(32 * 2**20),  # the highest there is
    'MALLOC_TRIM_THRESHOLD_': str(8 * 2**30),
    'MALLOC_TOP_PAD_': str(128 * 2**20),
}
TAIL_LINES = 15  # of the log of a run that has failed


def fingerprint(cfg: Config, arm: Arm, start: Path | None) -> str:
    """Return a short name of all that a run depends on.

    Args:
        cfg: The run's config.
        arm: The run's arm.
        start: The checkpoint that the model's weights come from. Its content counts, not its name.

    Raises:
        MissingFile: If the config names a trained downsizer that does not exist.
    """
    content = _content(cfg)
    pretrained = preprocessor_of(cfg)[1]['downsizer'].get('pretrained')
    if pretrained is not None:
        content['pretrained'] = hashlib.sha256(find(pretrained).read_bytes()).hexdigest()
    if start is not None:
        content['start'] = hashlib.sha256(start.read_bytes()).hexdigest()
    if not arm.train:
        content['train'] = False
    return _short_name(content)


def shared_fingerprint(cfg: Config, start: str | None) -> str:
    """Return a short name of what all arms and seeds of a comparison have in common.

    Args:
        cfg: The config before an arm changes it.
        start: What ``--start`` names.
    """
    content = {**_content(cfg), 'start': start}
    content['model']['data_preprocessor'].pop('downsizer', None)  # every arm has its own
    return _short_name(content)


def _content(cfg: Config) -> dict[str, Any]:
    return {key: value for key, value in cfg.to_dict().items() if key not in ('work_dir', 'load_from', 'resume')}


def _short_name(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=repr).encode()).hexdigest()[:12]


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Have SIGTERM raise ``SystemExit`` inside, so that :func:`execute` ends the process that it has started."""

    def end(*_: object) -> None:
        sys.exit('terminated')

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:  # the caller may have a handler of its own, and processes that inherit it
        signal.signal(signal.SIGTERM, before)


def execute(
    cfg: Config,
    run_dir: Path,
    console: Console,
    label: str,
    train: bool,
    expected: float | None = None,
    others: Sequence[float | None] = (),
    watch: Callable[[Path], str] | None = None,
) -> float:
    """Train or test in a process of its own, and show how far it is.

    A training that was interrupted resumes from its last checkpoint that is whole. Without one it begins anew.

    Args:
        cfg: The run's config; a test needs its ``load_from``.
        run_dir: Folder of the run: its config, logs and checkpoints.
        console: Where the progress is shown.
        label: What the run is called there.
        train: Train; else test.
        expected: Seconds that it should take; None: unknown.
        others: The same of each run that follows it.
        watch: Returns what is shown in place of the label, from the folder of the run, every second.

    Returns:
        The seconds it took, those before interruptions included.

    Raises:
        Refusal: If it fails: with the last line of its log, and where the log is.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    config_path = run_dir / 'config.py'
    cfg.dump(config_path)
    arguments = [str(config_path)] if train else [str(config_path), cfg.load_from]
    command = [sys.executable, str(tool('train.py' if train else 'test.py')), *arguments, '--work-dir', str(run_dir)]
    checkpoint = _checkpoint_of(run_dir, console) if train else None
    if checkpoint is not None:
        command += ['--resume', checkpoint]
    spent = run_dir / 'seconds'
    before = _number_in(spent)
    start = time.perf_counter()
    log_path = run_dir / 'train.log'
    epochs = (cfg.get('train_cfg') or {}).get('max_epochs')
    shown = RunProgress(console, label, log_path, epochs, train, expected, others, resumed=checkpoint is not None)
    with log_path.open('a') as log, shown:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env={**FASTER, **os.environ})
        try:
            while process.poll() is None:
                time.sleep(1)
                shown.update()
                if watch:
                    shown.label = watch(run_dir)
        finally:
            if process.poll() is None:  # interrupted: nothing goes on in the background
                process.terminate()
                process.wait()
            total = time.perf_counter() - start + before
            write_whole(spent, str(total))
    if process.returncode:
        lines = log_path.read_text(errors='replace').splitlines()
        console.print('\n'.join(lines[-TAIL_LINES:]), markup=False, highlight=False, soft_wrap=True)
        said = next((line.strip() for line in reversed(lines) if line.strip()), 'nothing was logged')
        raise Refusal(f'{label} failed: {said} (all of it: {log_path})')
    return total


def _checkpoint_of(run_dir: Path, console: Console) -> str | None:
    try:
        return latest_checkpoint(run_dir)
    except CheckpointError as error:
        console.print(f'{run_dir} is trained from the start: {error}', markup=False, soft_wrap=True)
        return None


def _number_in(path: Path) -> float:
    try:
        return float(path.read_text())
    except (OSError, ValueError):  # not there, or cut off when the process ended
        return 0.0


def versions() -> dict[str, str]:
    """Return what the last digits of a run depend on, besides its config."""
    return {
        'mmdownsize': __version__,
        'torch': torch.__version__,
        'mmengine': mmengine.__version__,
        'python': platform.python_version(),
        'cpu': processor(),
    }


def processor(about: Path = Path('/proc/cpuinfo')) -> str:
    """Return the CPU's maker and its vector instructions.

    Either may decide the order of sums, and a training then gives another model.

    Args:
        about: Linux's description of the CPU; without it the architecture is named.
    """
    lines = about.read_text().splitlines() if about.is_file() else []
    makers = (line.split(':', 1)[1].strip() for line in lines if line.startswith(('vendor_id', 'CPU implementer')))
    return f'{next(makers, platform.machine())} {torch.backends.cpu.get_cpu_capability()}'
