"""docs/settings.md: every setting of every resizer, with its default."""

import inspect
import re
from pathlib import Path

import pytest

from mmdownsize.preprocessors.build import RESIZERS

PAGE = Path(__file__).parents[2] / 'docs' / 'settings.md'
EVERYWHERE = {'self', 'init_cfg'}  # of which the page says so once
CONFIGS_ONLY = {'pretrained'}  # taken by the data preprocessor


def rows_of(text: str, resizer: type) -> list[list[str]]:
    """The table of a resizer's settings: its cells."""
    section = text.split(f'\n## {resizer.__name__}\n')[1].split('\n## ')[0]
    table = section.split('| argument |')[1].split('\n\n')[0]
    return [line.strip('| ').split(' | ') for line in table.splitlines()[2:]]


def named(rows: list[list[str]]) -> list[str]:
    return [name for row in rows for name in re.findall(r'`(\w+)`', row[0])]


@pytest.mark.parametrize('resizer', RESIZERS, ids=lambda resizer: resizer.__name__)
def test_a_resizers_table_has_all_its_settings_and_no_others(resizer: type) -> None:
    wanted = set(inspect.signature(resizer).parameters) - EVERYWHERE
    found = named(rows_of(PAGE.read_text(), resizer))
    assert len(found) == len(set(found))
    assert set(found) - CONFIGS_ONLY == wanted


@pytest.mark.parametrize('resizer', RESIZERS, ids=lambda resizer: resizer.__name__)
def test_the_defaults_are_those_of_the_constructor(resizer: type) -> None:
    parameters = inspect.signature(resizer).parameters
    for cells in rows_of(PAGE.read_text(), resizer):
        names = [name for name in re.findall(r'`(\w+)`', cells[0]) if name not in CONFIGS_ONLY]
        if not names:
            continue
        said = [one.strip('`') for one in re.split(r', (?![^(]*\))', re.sub(r' \(with .*', '', cells[2].rstrip(' |')))]
        real = [parameters[name].default for name in names]
        assert said == [shown(value) for value in real], names


def shown(value: object) -> str:
    """A default as the page writes it: 3, (0, 255), bilinear."""
    if isinstance(value, tuple):
        return f'({", ".join(f"{one:g}" for one in value)})'
    return (
        f'{value:g}' if isinstance(value, int | float) and not isinstance(value, bool) and value != 1.0 else str(value)
    )


def test_every_resizer_that_a_config_can_name_has_its_section() -> None:
    text = PAGE.read_text()
    linked = re.findall(r'^\| \[`(\w+)`\]\(#(\w+)\) \|', text, re.MULTILINE)
    assert sorted(linked) == sorted((resizer.__name__, resizer.__name__.lower()) for resizer in RESIZERS)
