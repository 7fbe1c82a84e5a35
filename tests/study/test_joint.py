"""The tables of the page on joint training are those of the runs."""

import pytest

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')

from study.joint import SETTINGS, TITLES, Setting, summary, table
from tests.study.test_pages import STUDY, arms_of

PAGE = (STUDY / 'pages' / 'joint.md').read_text()


@pytest.mark.parametrize('setting', SETTINGS, ids=lambda setting: setting.log)
def test_the_page_has_the_table_of_the_runs(setting: Setting) -> None:
    assert table(setting) in PAGE


def test_titles_are_those_of_arms() -> None:
    assert TITLES.keys() <= arms_of(STUDY / 'configs' / '_arms_inspection.py')


@pytest.mark.parametrize('page', ['README.md', 'docs/evidence/results.md'])
def test_the_product_s_pages_have_the_summary_of_the_runs(page: str) -> None:
    assert summary() in (STUDY.parent / page).read_text()
