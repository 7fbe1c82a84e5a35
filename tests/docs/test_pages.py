"""README and the pages of docs: links lead somewhere, what they name exists, their examples work."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

from mmdownsize.cli.main import HELP, parser_of
from mmdownsize.registry import HOOKS
from mmdownsize.resizers import DownsizeNet

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / 'README.md', ROOT / 'CHANGELOG.md', *sorted((ROOT / 'docs').rglob('*.md'))]
PAGES = [page for page in PAGES if '_build' not in page.parts]
STUDY = sorted((ROOT / 'study').rglob('*.md'))  # tests/study has tests of what these name
LINK = re.compile(r'\[[^\]]*\]\(([^)\s]+)\)')
FENCE = re.compile(r'^```(\w*|\{[\w-]+\}.*)\n(.*?)^```$', re.MULTILINE | re.DOTALL)
FOLDERS = 'configs|tools|docs|tests|benchmarks|requirements|mmdownsize|study'
GROUPS = ['Start', 'Use', 'Choose', 'Reference', 'Evidence']
# A path from the root of the repository: at least a folder and a file or folder in it.
FILE = re.compile(rf'(?<![\w./:-])(?:{FOLDERS})/[\w./*+-]*[\w*/]')


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def prose(text: str) -> str:
    return FENCE.sub('', text)


def words(text: str) -> int:
    """How many words there are outside of code and tables."""
    lines = [line for line in prose(text).splitlines() if not line.lstrip().startswith('|')]
    return len(' '.join(lines).split())


def anchors(page: Path) -> set[str]:
    """The headings as GitHub and MyST turn them into anchors, and explicit targets."""
    text = page.read_text()
    headings = re.findall(r'^#{1,6} +(.*)$', prose(text), re.MULTILINE)
    slugs = {re.sub(r'[^\w\- ]', '', heading.lower()).strip().replace(' ', '-') for heading in headings}
    return slugs | set(re.findall(r'^\(([\w-]+)\)=$', text, re.MULTILINE))


def broken_links(page: Path) -> list[str]:
    wrong = []
    for target in LINK.findall(prose(page.read_text())):
        if '://' in target:
            continue
        path, _, anchor = target.partition('#')
        to = (page.parent / path).resolve() if path else page
        if to != page and not (to.exists() and to.is_relative_to(ROOT)):
            wrong.append(f'{target}: no such file')
        elif anchor and anchor not in anchors(to):
            wrong.append(f'{target}: no such heading, only {", ".join(sorted(anchors(to)))}')
    return wrong


def missing_files(page: Path) -> list[str]:
    """What the page names and the repository lacks; a part in capitals stands for anything."""
    wrong = []
    for name in FILE.findall(page.read_text()):
        pattern = re.sub(r'[A-Z]{3,}', '*', name.rstrip('/'))
        if not pattern.startswith('docs/_build') and not any(ROOT.glob(pattern)):
            wrong.append(name)
    return wrong


def options_of(program: str) -> str:
    """The source that has a program's options, or the help of one that is a subcommand of `mmdownsize`."""
    if program.startswith('mmdownsize '):
        return parser_of(program.partition(' ')[2]).format_help()
    path = program if program.endswith('.py') else program.removeprefix('-m ').replace('.', '/') + '.py'
    source = (ROOT / path).read_text()
    command = re.search(r"run_command\('(\w+)'", source)
    return parser_of(command[1]).format_help() if command else source


def unknown_options(page: Path) -> list[str]:
    wrong = []
    text = page.read_text().replace('\\\n', ' ')
    commands = '|'.join(name for name in HELP if (ROOT / f'mmdownsize/cli/{name}.py').exists())
    files = r'(?<=python )(?:(?:tools|benchmarks|docs)/\w+\.py|-m study[.\w]+)'
    for program, rest in re.findall(rf'({files}|(?<=[`\n])mmdownsize (?:{commands})(?= ))([^\n`|]*)', text):
        known = options_of(program)
        options = re.findall(r'(?<=\s)--[\w-]+', rest)
        wrong += [f'{program} {option}' for option in options if not re.search(rf'(?<![\w-]){option}(?![\w-])', known)]
    return wrong


@pytest.mark.parametrize('page', PAGES, ids=named)
def test_what_a_page_names_exists(page: Path) -> None:
    assert broken_links(page) == []
    assert missing_files(page) == []
    assert unknown_options(page) == []


def test_what_does_not_exist_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    page = ROOT / 'docs' / 'planted.md'
    text = (
        '# A title: here\n[a](swap.md) [b](nowhere.md) [c](#a-title-here) [d](#not-here) [e](evidence/speed.md#back-ends) '
        '[f](evidence/speed.md#gone) [g](https://example.org/x) [h](../../outside.md)\n`tools/gone.py` `configs/demo/*.py` '
        '`configs/gone/*.py` work_dirs/tools/run configs/_base_/downsize/\n'
        '```\npython tools/train.py CONFIG --amp --gone x \\\n  --lost\nmmdownsize flops CONFIG --shape 1 2 --shap 3 4\n'
        '[i](nothing.md)\n```\n'
    )
    monkeypatch.setattr(Path, 'read_text', lambda self, read=Path.read_text: text if self == page else read(self))
    assert [line.split(':')[0] for line in broken_links(page)] == [
        'nowhere.md',
        '#not-here',
        'evidence/speed.md#gone',
        '../../outside.md',
    ]
    assert missing_files(page) == ['tools/gone.py', 'configs/gone/*.py']
    wrong = ['tools/train.py --gone', 'tools/train.py --lost', 'mmdownsize flops --shap']
    assert unknown_options(page) == wrong


def test_the_readme_and_the_changelog_are_short() -> None:
    assert words((ROOT / 'README.md').read_text()) <= 700
    assert len((ROOT / 'CHANGELOG.md').read_text().splitlines()) <= 40


def test_words_of_code_and_tables_do_not_count() -> None:
    assert (
        words('# One two\n\n| a | b |\n|---|---|\n\nthree\n```\nfour five\n```\nsix [seven](eight.md)\n') == 6
    )  # with the #


def test_the_pages_are_in_five_groups() -> None:
    assert re.findall(r'^:caption: (.*)$', (ROOT / 'docs' / 'index.md').read_text(), re.MULTILINE) == GROUPS


@pytest.mark.parametrize(
    'page', [page for page in PAGES if page.parent.name != ROOT.name and page.stem != 'index'], ids=named
)
def test_a_page_starts_with_what_the_reader_can_do_after_it(page: Path) -> None:
    assert page.read_text().split('\n\n')[1].startswith('After this page')


def blocks() -> Iterator[tuple[str, str]]:
    for page in [*PAGES, *STUDY]:
        for i, (language, code) in enumerate(FENCE.findall(page.read_text())):
            if language == 'python':
                yield f'{named(page)}-{i}', code


CONFIGS = {name: code for name, code in blocks() if code.lstrip().startswith('_base_')}
SCRIPTS = {name: code for name, code in blocks() if name not in CONFIGS}


def test_there_are_examples() -> None:
    assert len(CONFIGS) >= 9 and len(SCRIPTS) >= 3
    assert any(name.startswith('README') for name in CONFIGS)


@pytest.mark.parametrize('name', CONFIGS)
def test_a_config_in_the_pages_builds(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip('mmdet')
    pytest.importorskip('mmseg')
    if 'mmpretrain::' in CONFIGS[name]:
        pytest.importorskip('tests.mmpretrain_here')
    if 'mmdownsize::' in CONFIGS[name] and not (ROOT / 'mmdownsize' / '.mim').exists():
        pytest.skip('mmdownsize:: needs .mim, which an install from this folder makes')
    monkeypatch.chdir(tmp_path)
    DownsizeNet().save_pretrained('my_downsizer.safetensors')
    Path('example.py').write_text(CONFIGS[name])
    cfg = Config.fromfile('example.py')
    init_default_scope(cfg.get('default_scope', 'mmengine'))
    model = MODELS.build(cfg.model)
    assert type(model.data_preprocessor).__module__.startswith('mmdownsize.')
    settings = cfg.model.data_preprocessor
    assert {'mean', 'std'} <= settings.get('data_preprocessor', settings).keys()  # of all branches, or its own
    for hook in cfg.get('custom_hooks', []):
        assert HOOKS.build(hook) is not None


@pytest.mark.parametrize('name', SCRIPTS)
def test_python_in_the_pages_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch
    from PIL import Image

    if 'mmdownsize::' in SCRIPTS[name] and not (ROOT / 'mmdownsize' / '.mim').exists():
        pytest.skip('mmdownsize:: needs .mim, which an install from this folder makes')
    if 'photo.jpg' in SCRIPTS[name]:
        monkeypatch.chdir(tmp_path)
        Image.linear_gradient('L').resize((480, 480)).convert('RGB').save('photo.jpg')
    found: dict = {'DownsizeNet': DownsizeNet, 'images': torch.rand(1, 3, 30, 40) * 255}
    exec(SCRIPTS[name], found)
    if 'small' in found:
        assert found['small'].shape[-2:] == (160, 160)
