"""The documentation as HTML: built without a warning, complete, and free of what is this machine's own."""

import html
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mmdownsize import registry

ROOT = Path(__file__).parents[2]
NEEDED = ('sphinx', 'myst_parser', 'furo', 'mmdet', 'mmseg')


@pytest.fixture(scope='module')
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for package in NEEDED:
        pytest.importorskip(package, reason=f'{package} is needed to build the documentation: requirements/docs.txt')
    folder = tmp_path_factory.mktemp('site')
    command = [sys.executable, '-m', 'sphinx', '-W', '--keep-going', '-q', '-b', 'html', '-d', str(folder / 'doctrees')]
    command += [str(ROOT / 'docs'), str(folder / 'html')]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr[-4000:]
    return folder / 'html'


def public_names() -> set[str]:
    """What ``__all__`` of the packages without OpenMMLab and the registries offer, constants left out."""
    names = set()
    for package in ('ops', 'geometry', 'resizers'):
        module = importlib.import_module(f'mmdownsize.{package}')
        names |= {name for name in module.__all__ if callable(getattr(module, name))}
    names |= set(registry._ON_DEMAND)
    for hook in registry.HOOKS._locations:
        module = importlib.import_module(hook)
        classes = inspect.getmembers(module, inspect.isclass)
        names |= {name for name, value in classes if value.__module__ == hook and not name.startswith('_')}
    return names


def test_the_reference_has_every_public_name(site: Path) -> None:
    pages = ''.join(path.read_text() for path in sorted((site / 'api').glob('*.html')))
    documented = {target.rpartition('.')[2] for target in re.findall(r'<dt class="sig[^>]*id="([\w.]+)"', pages)}
    assert len(public_names()) >= 35
    assert public_names() - documented == set()


def test_every_page_is_reached_from_the_first(site: Path) -> None:
    pages = {path.relative_to(ROOT / 'docs').with_suffix('.html') for path in (ROOT / 'docs').rglob('*.md')}
    pages = {page for page in pages if page.parts[0] != '_build'}
    linked = set(re.findall(r'href="([\w./]+\.html)', (site / 'index.html').read_text()))
    first = {str(page) for page in pages if page.parts[0] != 'api'} - {'index.html'}
    assert 'evidence/study.html' in first
    assert first <= linked and 'api/index.html' in linked
    reference = (site / 'api' / 'index.html').read_text()
    assert all(
        f'href="{page.name}' in reference for page in pages if page.parent == Path('api') and page.stem != 'index'
    )


def test_links_between_pages_lead_to_pages_and_headings(site: Path) -> None:
    wrong = []
    pages = {path: path.read_text() for path in sorted(site.rglob('*.html')) if '_static' not in path.parts}
    ids = {path: set(re.findall(r'\bid="([^"]+)"', text)) for path, text in pages.items()}
    for path, text in pages.items():
        for target in re.findall(r'(?:href|src)="([^"]+)"', text):
            name, _, anchor = html.unescape(target).partition('#')
            if re.match(r'[a-z]+:', name):
                continue
            to = (path.parent / name.partition('?')[0]).resolve() if name else path
            if not to.exists() or (anchor and to in ids and anchor not in ids[to]):
                wrong.append(f'{path.relative_to(site)}: {target}')
    assert len(pages) >= 18 and wrong == []


def test_nothing_of_this_machine_is_in_it(site: Path) -> None:
    text = ''.join(path.read_text() for path in site.rglob('*.html'))
    for own in (str(ROOT), str(Path.home()) + '/', sys.prefix):
        assert own not in text
    assert ' object at 0x' not in html.unescape(text)
