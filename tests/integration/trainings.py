"""Small trainings through tools/train.py, in this process."""

import json
from pathlib import Path

from tools import train as train_tool


def write(path: Path, base: Path, changes: str) -> Path:
    """Write a config over another one."""
    path.write_text(f'_base_ = {str(base)!r}\n{changes}\n')
    return path


def train(config: Path, work_dir: Path, *options: str):
    """Train and return the runner. In one process, runners of the same second and visualizers of one name share their logs."""
    name = f'{work_dir.parent.name}_{work_dir.name}'
    names = [f'experiment_name={name}', f'visualizer.name={name}']
    return train_tool.main([str(config), '--work-dir', str(work_dir), *options, '--cfg-options', *names])


def losses(work_dir: Path, run: int = 0) -> list[float]:
    """The losses of all iterations of a run in that folder, the first one by default."""
    return logged(work_dir, 'loss', run)


def logged(work_dir: Path, name: str, run: int = 0) -> list[float]:
    """All values of one name in the log of a run in that folder."""
    log = sorted(work_dir.glob('*/vis_data/scalars.json'))[run]
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    return [row[name] for row in rows if name in row]
