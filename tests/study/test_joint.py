"""The tables of the page on joint training are those of the runs."""

import pytest

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')

from study.joint import SETTINGS, TILE_KINDS, TITLES, Setting, kinds, pairs, scales, summary, table
from tests.study.test_pages import STUDY, arms_of

PAGE = (STUDY / 'pages' / 'joint.md').read_text()


@pytest.mark.parametrize('setting', SETTINGS, ids=lambda setting: setting.log)
def test_the_page_has_the_table_of_the_runs(setting: Setting) -> None:
    assert table(setting) in PAGE


def test_the_page_has_the_other_differences() -> None:
    assert pairs() in PAGE


def test_the_page_has_the_table_of_scales() -> None:
    assert scales() in PAGE


def test_titles_are_those_of_arms() -> None:
    files = ('_arms_inspection.py', '_arms_combined.py')
    assert TITLES.keys() <= set().union(*(arms_of(STUDY / 'configs' / name) for name in files))


def test_the_page_has_the_table_of_the_kinds_of_defects() -> None:
    assert kinds('tiles', TILE_KINDS) in PAGE


@pytest.mark.parametrize('page', ['README.md', 'docs/evidence/results.md'])
def test_the_product_s_pages_have_the_summary_of_the_runs(page: str) -> None:
    assert summary() in (STUDY.parent / page).read_text()
