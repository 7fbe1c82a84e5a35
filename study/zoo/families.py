"""The model families that study/zoo/sweep.py goes through, and which config of a family comes first."""

from __future__ import annotations

import importlib.util
import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from mmdownsize.configs import read_config
from mmdownsize.refusal import Refusal

NO_FAMILY = ('_base_', 'common')
LIGHT = (
    r'nano|pico|atto|femto',
    r'tiny|[-_]t[-_]|_b0|-b0|efficientnet-?b0|mobilenet|mbv2|v2-b0|m-v2',
    r'r18|r-18|stdc1|hr18s|hrnetv2p-w18|small',
    r'r34|r-34|[-_]s[-_]|hr18|_b1|-b1|200mf|400mf|800mf|1\.6gf|ssd300',
    r'r50|r-50|d53|[-_]m[-_]',
    r'.',
    r'101|[-_][lx][-_]|large|152|huge',
)


def installed_configs() -> list[Path]:
    """Return the configs of mmdet and mmsegmentation, of those that are installed.

    Raises:
        Refusal: If there are none.
    """
    folders = []
    for package in ('mmdet', 'mmseg'):
        spec = importlib.util.find_spec(package)
        if spec and spec.origin:
            folders.append(Path(spec.origin).parent / '.mim' / 'configs')
    folders = [folder for folder in folders if folder.is_dir()]
    if not folders:
        raise Refusal('neither mmdet nor mmsegmentation is installed with configs: name folders with --configs')
    return folders


def scope_of(folder: Path) -> str:
    """Return the package that a folder of families belongs to, or the folder's own name."""
    return folder.parents[1].name if folder.parts[-2:] == ('.mim', 'configs') else folder.name


def families_in(folders: Sequence[Path]) -> dict[str, list[Path]]:
    """Return every family's configs, the lightest first.

    Raises:
        Refusal: If a folder does not exist.
    """
    families = {}
    for folder in folders:
        if not folder.is_dir():
            raise Refusal(f'--configs {folder}: no such folder')
        for family in sorted(path for path in folder.iterdir() if path.is_dir() and path.name not in NO_FAMILY):
            configs = sorted(family.glob('*.py'), key=weight)
            if configs:
                families[f'{scope_of(folder)}/{family.name}'] = configs
    return families


def weight(config: Path) -> tuple[int, int, str]:
    """Return how heavy a model looks by its config's name: the class of its backbone, then how much the name adds."""
    name = config.stem.lower() + '_'
    if re.search(LIGHT[-1], name):
        return len(LIGHT), len(name), name
    rank = next(rank for rank, pattern in enumerate(LIGHT) if re.search(pattern, name))
    return rank, len(name), name


def chosen(families: dict[str, list[Path]], only: Sequence[str] | None) -> dict[str, list[Path]]:
    """Return the families that are asked for.

    Raises:
        Refusal: If one does not exist.
    """
    if not only:
        return families
    picked = {name: paths for name, paths in families.items() if name in only or name.partition('/')[2] in only}
    known = {*picked, *(name.partition('/')[2] for name in picked)}
    unknown = [name for name in only if name not in known]
    if unknown:
        raise Refusal(f'unknown --only {unknown[0]}, choose from {", ".join(families)}')
    return picked


def lightest(configs: Sequence[Path], tries: int) -> Iterator[Path]:
    """Yield the first ``tries`` configs that describe a model; the first of all if none does."""
    models = (path for path in configs if describes_a_model(path))
    first = next(models, configs[0])
    yield from itertools.islice(itertools.chain([first], models), tries)


def describes_a_model(config: Path) -> bool:
    """Return whether a config has a model, or cannot be read, which is for the trial to say."""
    try:
        return bool(read_config(config).get('model'))
    except Refusal:
        return True
