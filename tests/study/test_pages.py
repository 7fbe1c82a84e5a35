"""The pages of the study: their links lead somewhere, and their commands name files, options and arms that exist."""

import json
import re
from pathlib import Path

import pytest

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')

from mmdownsize.comparing.arms import load_arms
from tests.docs.test_pages import FENCE, broken_links, unknown_options

ROOT = Path(__file__).parents[2]
STUDY = ROOT / 'study'
PAGES = [STUDY / 'README.md', *sorted((STUDY / 'pages').glob('*.md'))]
# A path from the root of the repository; what is made by a run, and what is in capitals, is not there.
FILE = re.compile(r'(?<![\w./:-])(?:study|configs|tools|mmdownsize)/[\w./*-]*[\w*/]')
ARMS = [*sorted((STUDY / 'configs').glob('_arms*.py')), ROOT / 'configs/_base_/arms/shifted_kernels.py']
RECIPE_ONCE = 'area_8_0_positions'  # the recipe's name in one log


def arms_of(path: Path) -> set[str]:
    return {arm.name for arm in load_arms([], path, None)}


def missing_files(text: str) -> list[str]:
    return [name for name in FILE.findall(text) if not any(ROOT.glob(name.rstrip('/')))]


def unknown_arms(text: str) -> list[str]:
    """What follows --only and --baseline, and the arms that a comment adds, without what the file of arms has."""
    wrong = []
    for command in '\n'.join(code for _, code in FENCE.findall(text)).replace('\\\n', ' ').splitlines():
        if found := re.search(r'tools/compare\.py .*--arms (\S+)', command):
            named = re.search(r'--only ((?:\w+(?:-\d)? ?)+)', command)
            baseline = re.search(r'--baseline (\S+)', command)
            known = arms_of(ROOT / found[1]) | set(re.findall(r'--(?:arm|resizer) (\S+)', command))
            wanted = [*(named[1].split() if named else []), *([baseline[1]] if baseline else [])]
            wrong += [arm for arm in wanted if arm not in known]
    return wrong


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.stem)
def test_what_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    assert broken_links(page) == []
    assert missing_files(text) == []
    assert unknown_options(page) == []
    assert unknown_arms(text) == []


def test_what_does_not_exist_is_found() -> None:
    command = (
        '```\npython tools/compare.py study/configs/gone.py --arms study/configs/_arms.py \\\n'
        '    --only area wrong bilinear --baseline lost\n```\n'
    )
    assert missing_files(command) == ['study/configs/gone.py']
    assert unknown_arms(command) == ['wrong', 'lost']


@pytest.mark.parametrize('log', sorted((STUDY / 'results').glob('*.jsonl')), ids=lambda log: log.stem)
def test_a_run_that_is_kept_can_be_made_again(log: Path) -> None:
    arms = set().union(*map(arms_of, ARMS)) | {RECIPE_ONCE}
    for run in map(json.loads, log.read_text().splitlines()):
        name = f'{run["config"]}.py'
        assert (STUDY / 'configs' / name).is_file() or (ROOT / 'configs/inspection' / name).is_file(), name
        assert run['arm'].partition('@')[0] in arms, run['arm']  # NAME@SCALE with --scales


def test_every_log_is_named_by_a_page() -> None:
    text = ''.join(page.read_text() for page in PAGES)
    for path in (STUDY / 'results').iterdir():
        assert f'study/results/{path.name}' in text, path.name
