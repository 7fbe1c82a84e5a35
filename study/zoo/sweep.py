"""Try the downsizer before every model family that mmdet and mmsegmentation ship, and say where it works.

python -m study.zoo.sweep [--only FAMILY ...] [--tries N | --all] [--configs DIR ...] [--out FILE] [--seconds S]
    [--memory GIB] [--table | --causes | --markdown [--differing-from REPORT]]

A family is a folder of configs. Its lightest config, judged by its name, is tried; with --tries N up to N of them, until
one runs without a downsizer. Every config is run as it is and with a downsizer, each in its own process with a bound of
time and memory: a prediction, the losses, the downsizer's gradients and a step of the optimiser, on small made-up images
and without pretrained weights. What runs is given to the tools too, on images as small:
swap_resizer --check, a step of swap_resizer --fit, and get_flops. The report is written after every config, and a config
of which it has all is not run again: the same command continues an interrupted sweep. A report names the versions of the
packages and takes no runs of other versions.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import multiprocessing
import platform
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from mmdownsize.command_line import in_one_line
from mmdownsize.configs import read_config, read_fragment
from mmdownsize.refusal import Refusal
from mmdownsize.storage import check_writable, write_whole
from mmdownsize.swapping.swap import swap_edits
from study.zoo import table as zoo_table
from study.zoo.families import chosen, families_in, installed_configs, lightest, scope_of
from study.zoo.table import TOOLS, VERDICTS
from study.zoo.trial import FACTOR, Task, run

REPORT = Path('study/results/zoo.json')
HW = (128, 160)
LARGER_HW = (512, 512)
"""For models that cannot take the small images, because a map in them would vanish, and whose config names no size."""
SAME = 0.01


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--only', nargs='+', metavar='FAMILY', help='families such as mmdet/retinanet or retinanet')
    parser.add_argument('--all', action='store_true', help='every config of a family, not only the lightest')
    parser.add_argument(
        '--tries', type=int, default=1, metavar='N', help='configs of a family, until one runs without a downsizer'
    )
    parser.add_argument(
        '--configs', nargs='+', type=Path, metavar='DIR', help='folders of families (default: what is installed)'
    )
    parser.add_argument('--out', type=Path, default=REPORT, help='the report, which is continued')
    parser.add_argument('--seconds', type=float, default=150, help='time that one process may take')
    parser.add_argument('--memory', type=float, default=10, metavar='GIB', help='address space that one may take')
    parser.add_argument('--table', action='store_true', help='run nothing: show what the report has')
    parser.add_argument('--markdown', action='store_true', help='run nothing: print what the report has as Markdown')
    parser.add_argument('--causes', action='store_true', help='run nothing: print what does not work, a cause a line')
    parser.add_argument(
        '--differing-from', type=Path, metavar='REPORT', help='with --markdown: only what has another verdict there'
    )
    args = parser.parse_args(argv)
    if args.differing_from and not args.markdown:
        parser.error('--differing-from goes with --markdown')
    for name in ('seconds', 'memory', 'tries'):
        if not getattr(args, name) > 0:
            parser.error(f'--{name} must be above 0, got {getattr(args, name)}')
    return args


def installed_versions() -> dict[str, str]:
    """Return the version of Python and of every package that decides on what a model does, of those that are installed."""
    versions = {'python': platform.python_version()}
    for package in ('torch', 'mmengine', 'mmcv', 'mmdet', 'mmseg'):
        if importlib.util.find_spec(package):
            versions[package] = importlib.import_module(package).__version__
    return versions


def run_apart(task: Task, seconds: float) -> dict[str, Any]:
    """Run a task in a process of its own and return what it found; also where it dies or takes too long."""
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['study.zoo.trial', 'mmdet.models', 'mmseg.models'])
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=run, args=(task, theirs))
    process.start()
    theirs.close()
    try:
        if ours.poll(seconds):
            return ours.recv()
        return dict(stage='ended', error=f'took longer than {seconds:g} s', seconds=seconds, out_of_bounds=True)
    except EOFError:
        process.join()
        said = f'the process ended with code {process.exitcode}'
        return dict(stage='ended', error=said, out_of_bounds=True)
    finally:
        process.kill()
        process.join()
        ours.close()


def try_config(
    config: Path, scope: str, downsizer: dict[str, Any], seconds: float, memory_gib: float
) -> dict[str, Any]:
    """Return a config's entry in the report."""
    cfg = None
    try:
        cfg = read_config(config)
    except Refusal as error:
        return dict(verdict='fails in both', reason=shortened(str(error)), stage='read')
    if not cfg.get('model'):
        return dict(verdict='fails in both', reason='the config describes no model')
    try:
        swap_edits(cfg, downsizer, dict(scale_factor=1 / FACTOR))
    except Refusal as error:
        return dict(verdict='refused', reason=str(error))
    entry: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        own_hw = (cfg.model.get('data_preprocessor') or {}).get('size')
        for hw in (HW, tuple(own_hw) if isinstance(own_hw, Sequence) else LARGER_HW):
            task = Task(config, scope, hw, None, Path(folder) / 'weights.pth', memory_gib)
            stock = run_apart(task, seconds)
            entry = dict(hw=list(hw))
            # Nothing is gained by larger images where building fails already, or where it took too long.
            if not stock['error'] or stock['stage'] in ('read', 'build') or stock.get('out_of_bounds'):
                break
        swapped: dict[str, Any] = dict(error='not run: there are no weights', stage='build')
        if task.weights.exists():
            swapped = run_apart(Task(config, scope, hw, downsizer, task.weights, memory_gib), seconds)
        judgement = judged(stock, swapped)
        if not stock['error'] and not swapped.get('refused'):
            for tool in TOOLS:
                said = run_apart(Task(config, scope, hw, downsizer, task.weights, memory_gib, tool), seconds)
                entry[tool] = 'works' if said['error'] is None else shortened(said['error'])
    entry['seconds'] = [round(one['seconds'], 1) if 'seconds' in one else None for one in (stock, swapped)]
    entry['peak_mib'] = [round(one['peak_mib']) if 'peak_mib' in one else None for one in (stock, swapped)]
    return dict(judgement, **entry)


def judged(stock: dict[str, Any], swapped: dict[str, Any]) -> dict[str, Any]:
    """Return the verdict on what was found with and without a downsizer, its reason, and how far the two agree."""
    if swapped.get('refused') and not stock.get('refused'):  # what is wrong without a downsizer too is not refused
        return dict(verdict='refused', reason=swapped['error'])
    if stock['error'] and not swapped['error']:
        return dict(verdict='fails only unswapped', reason=shortened(stock['error']), stage=stock['stage'])
    if stock['error']:
        return dict(verdict='fails in both', reason=shortened(stock['error']), stage=stock['stage'])
    if swapped['error']:
        return dict(verdict='fails only swapped', reason=shortened(swapped['error']), stage=swapped['stage'])
    if stock['inside'] and not swapped['inside']:
        return dict(verdict='fails only swapped', reason='boxes lie outside the original image', stage='prediction')
    return dict(
        verdict='works',
        reason='' if stock['inside'] else 'boxes are not clipped to the image, with and without',
        loss_difference=loss_difference(stock['losses'], swapped['losses']),
        same_prediction=same_prediction(stock['prediction'], swapped['prediction']),
    )


def shortened(reason: str, most: int = 240) -> str:
    """Return the beginning of a long message, with files named by their last part: a report is for other machines too."""
    reason = re.sub(r'(?<![\w:/])/(?:[\w.+-]+/)+', '', reason)
    return reason if len(reason) <= most else f'{reason[: most - 1]}…'


def loss_difference(stock: dict[str, float], swapped: dict[str, float]) -> float | None:
    """Return by how much the total losses differ, relative to the unswapped one; None if other losses are logged."""
    if stock.keys() != swapped.keys():
        return None
    return round(abs(swapped['loss'] - stock['loss']) / max(abs(stock['loss']), 1e-6), 5)


def same_prediction(stock: Sequence[dict[str, Any]], swapped: Sequence[dict[str, Any]]) -> float | None:
    """Return the part of the unswapped model's pixels and boxes that the swapped one predicts too; None if there are none.

    A box is the same if its label is and no edge is further away than 1/100 of the image's longer side.
    """
    same = []
    for a, b in zip(stock, swapped):
        if a['map'] is not None:
            same.append(np.isclose(a['map'], b['map'], rtol=SAME).ravel())
        if a['boxes'] is not None and len(a['boxes']):
            away = np.abs(a['boxes'][:, None] - b['boxes'][None]).max(axis=2, initial=0)  # (n, m) px
            limit = SAME * max(a['boxes'].max(), 1)
            near = (away <= limit) & (a['labels'][:, None] == b['labels'][None])
            same.append(near.any(axis=1))
    return round(float(np.concatenate(same).mean()), 4) if same else None


def is_whole(entry: dict[str, Any] | None) -> bool:
    """Return whether a report has all of a config; one that works may be from before there were the tools' columns."""
    return entry is not None and (entry['verdict'] != 'works' or set(TOOLS) <= entry.keys())


def read_report(path: Path) -> dict[str, Any]:
    """Return the report that is to be continued, or an empty one.

    Raises:
        Refusal: If the file is no report.
    """
    if not path.exists():
        return {}
    try:
        report = json.loads(path.read_text())
        entries = report['configs'].values()
        if dict(report['versions']) and all(entry['verdict'] in VERDICTS and entry['family'] for entry in entries):
            return report
    except (AttributeError, KeyError, TypeError, ValueError):
        pass
    raise Refusal(f'{path} is no report of this tool: name another file with --out')


def sweep(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Run what is not in the report yet, and return the whole.

    Raises:
        Refusal: If an option or the report is not what it should be.
    """
    folders = args.configs or installed_configs()
    families = families_in(folders)
    here = installed_versions()
    report = read_report(args.out) or dict(configs={}, versions=here)
    report['families'] = sorted({*report.get('families', []), *families})
    if args.table or args.markdown or args.causes:
        return report
    if report['versions'] != here:
        there, here = (zoo_table.versions_of(versions) for versions in (report['versions'], here))
        raise Refusal(f'{args.out} is of {there}, here is {here}: name another file with --out')
    check_writable(args.out)
    scopes = {scope_of(folder): folder for folder in folders}
    downsizer, _ = read_fragment('downsizenet_2x2')
    families = chosen(families, args.only)
    with Progress(
        TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console
    ) as progress:
        bar = progress.add_task('', total=len(families))
        for family, configs in families.items():
            scope = family.partition('/')[0]
            progress.update(bar, description=family)
            for path in configs if args.all else lightest(configs, args.tries):
                name = f'{scope}/{path.relative_to(scopes[scope]).as_posix()}'
                if not is_whole(report['configs'].get(name)):
                    entry = try_config(path, scope, downsizer, args.seconds, args.memory)
                    report['configs'][name] = dict(family=family, **entry)
                    write_whole(args.out, json.dumps(report, indent=1, sort_keys=True) + '\n')
                if not args.all and report['configs'][name]['verdict'] != 'fails in both':
                    break
            progress.advance(bar)
    return report


def main(argv: Sequence[str] | None = None) -> None:
    """Sweep."""
    args = parse_args(argv)
    console = Console(stderr=True)
    with in_one_line():
        report = sweep(args, console)
        known = {'configs': {}}
        if args.differing_from:
            if not args.differing_from.exists():
                raise Refusal(f'--differing-from {args.differing_from}: no such file')
            known = read_report(args.differing_from)
    if args.markdown or args.causes:
        print(zoo_table.causes(report) if args.causes else zoo_table.markdown(report, known['configs']))
        return
    table = Table(*zoo_table.HEADINGS)
    for row in zoo_table.rows_of(report['configs']):
        table.add_row(*(cell.strip('*') for cell in row))
    console.print(table)
    console.print(zoo_table.summary(report))


if __name__ == '__main__':
    main()
