"""The `mmdownsize` command: its subcommands, their options, and the tools that are the same commands."""

import ast
import runpy
import sys
from pathlib import Path

import pytest

import mmdownsize
from mmdownsize.cli import main as command
from mmdownsize.cli.options import add_arms, add_old_spelling
from tests.test_imports import loaded_after

ROOT = Path(__file__).parents[2]
CLI = ROOT / 'mmdownsize' / 'cli'
COMMANDS = sorted({path.stem for path in CLI.glob('*.py')} - {'__init__', 'main', 'options'})
TALL = {'compare', 'export', 'test'}  # commands with more options than a screen has lines
# Tools that are no subcommand.
OTHERS = {'check_env', 'demo', 'installed'}
TOOLS = {
    path.stem: path.read_text(encoding='utf-8')
    for path in sorted((ROOT / 'tools').glob('*.py'))
    if path.stem not in OTHERS
}


@pytest.fixture(autouse=True)
def screen(monkeypatch):
    monkeypatch.setenv('COLUMNS', '80')


def said_by(capsys, *argv):
    """What the command prints and how it ends."""
    try:
        command.main(argv)
    except SystemExit as stopped:
        return capsys.readouterr(), stopped.code
    return capsys.readouterr(), 0


@pytest.mark.parametrize('argv', [[], ['--help'], ['-h'], ['help']], ids=str)
def test_alone_it_lists_all_commands_on_one_screen(argv, capsys):
    said, status = said_by(capsys, *argv)
    lines = said.out.splitlines()
    assert status == 0 and len(lines) <= 23 and all(len(line) <= 80 for line in lines)
    listed = [line.split()[0] for line in lines if line.startswith('  ')]
    assert listed == list(command.HELP) and set(COMMANDS) <= set(listed)
    assert {'resize', 'swap', 'check', 'fit', 'compare', 'rank', 'predict', 'export', 'list'} <= set(listed)


def test_the_version(capsys):
    assert said_by(capsys, '--version')[0].out == f'mmdownsize {mmdownsize.__version__}\n'


@pytest.mark.parametrize(
    ('name', 'way_out'),
    [
        ('comparre', 'did you mean compare?'),
        ('Swap', 'did you mean swap?'),
        ('trian', 'did you mean train'),
        ('zzz', 'mmdownsize --help lists the commands'),
        ('main', 'did you mean train?'),  # a module of the package, no command
    ],
)
def test_an_unknown_command_suggests_near_ones(name, way_out, capsys):
    said, status = said_by(capsys, name, 'x')
    assert said.out == '' and status.startswith(f'mmdownsize: unknown command {name!r}: ') and way_out in status


@pytest.mark.parametrize('name', COMMANDS)
def test_help_fits_a_screen_and_has_an_example(name, capsys):
    said, status = said_by(capsys, name, '--help')
    lines = said.out.splitlines()
    assert status == 0 and lines[0].startswith(f'usage: mmdownsize {name} ')
    assert any(line.startswith(f'  mmdownsize {name} ') for line in lines[lines.index('example:') :])
    assert all(len(line) <= 80 for line in lines[: lines.index('example:')])
    assert len(lines) <= 24 or name in TALL


def test_help_needs_nothing_but_python():
    statement = (
        'import contextlib, io; from mmdownsize.cli.main import main, parser_of\n'
        'with contextlib.redirect_stdout(io.StringIO()):\n'
        '    main([])\n'
        f'    [parser_of(name).print_help() for name in {COMMANDS!r}]\n'
        'assert "rich" not in sys.modules'
    )
    assert loaded_after(statement) == set()


def test_as_a_module_it_is_the_same(monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['mmdownsize'])
    runpy.run_module('mmdownsize', run_name='__main__')
    assert capsys.readouterr().out == f'{command.overview()}\n'


@pytest.mark.parametrize('tool', TOOLS)
def test_a_tool_is_a_subcommand_and_nothing_else(tool, capsys):
    tree = ast.parse(TOOLS[tool])
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.func.id == 'run_command']
    name = calls[0].args[0].value
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert len(calls) == 1 and name in COMMANDS
    assert imported - {'__future__', 'collections.abc', 'typing', 'mmengine.runner'} == {'mmdownsize.cli.main'}
    own = runpy.run_path(str(ROOT / 'tools' / f'{tool}.py'))
    with pytest.raises(SystemExit) as stopped:
        own['main'](['--help'])
    assert stopped.value.code == 0
    _, options = capsys.readouterr().out.split('\n\n', 1)
    with pytest.raises(SystemExit):
        command.main([name, '--help'])
    _, wanted = capsys.readouterr().out.split('\n\n', 1)
    assert options.split('example:')[0] == wanted.split('example:')[0]


def test_a_tool_has_one_subcommand_and_a_subcommand_one_tool():
    names = [text.split("run_command('")[1].split("'")[0] for text in TOOLS.values()]
    assert len(set(names)) == len(names) >= 11


@pytest.mark.parametrize(
    ('name', 'argv', 'old', 'dest', 'value'),
    [
        ('compare', ['x.py', '--arm', 'a', '--resizer', 'b', '--arm=c'], '--arm', 'fragments', ['a', 'b', 'c']),
        ('rank', ['x.py', 'x.pth', '--resizer', 'b', '--arm', 'a'], '--arm', 'fragments', ['b', 'a']),
        ('swap', ['x.py', '--downsizer', 'area'], '--downsizer', 'downsizer', 'area'),
    ],
)
def test_an_old_spelling_works_and_says_the_new_one_once(name, argv, old, dest, value, capsys):
    assert getattr(command.parser_of(name).parse_args(argv), dest) == value
    assert capsys.readouterr().err == f'note: {old} is called --resizer now\n'


@pytest.mark.parametrize('name', ['compare', 'rank', 'swap'])
def test_an_old_spelling_is_not_in_the_help_and_the_new_one_says_nothing(name, capsys):
    parser = command.parser_of(name)
    assert '--arm ' not in parser.format_help() and '--downsizer' not in parser.format_help()
    parser.parse_args(['x.py', *(['x.pth'] if name == 'rank' else []), '--resizer', 'area'])
    assert capsys.readouterr().err == ''


def test_without_either_spelling_nothing_is_chosen():
    parser = command.parser_of('compare')
    first, second = (parser.parse_args(['x.py', *argv]).fragments for argv in (['--arm', 'a'], []))
    assert (first, second) == (['a'], [])  # the default is not the list that another call has filled


@pytest.mark.parametrize(
    ('argv', 'said'),
    [
        (
            ['swap', 'x.py', '--size', '3', '4'],
            '--size 3 4: did you mean --resizer or --take-resize or --scale?',
        ),
        (['compare', 'x.py', '--resizr=area'], 'unrecognized arguments: --resizr=area: did you mean --resizer'),
        (['flops', 'x.py', 'y.py'], 'unrecognized arguments: y.py\n'),
        (['flops'], 'the following arguments are required: CONFIG'),
    ],
)
def test_a_wrong_option_suggests_near_ones(argv, said, capsys):
    output, status = said_by(capsys, *argv)
    assert status == 2 and said in output.err and f'usage: mmdownsize {argv[0]} ' in output.err


def test_a_choice_holds_for_the_old_spelling_too(capsys):
    parser = command.argparse.ArgumentParser()
    add_old_spelling(parser, '--arm', parser.add_argument('--resizer', choices=['area'], action='append'))
    assert parser.parse_args(['--arm', 'area']).resizer == ['area']
    with pytest.raises(SystemExit):
        parser.parse_args(['--arm', 'bilinear'])
    assert 'invalid choice' in capsys.readouterr().err


def test_arms_are_not_an_arm():
    parser = command.argparse.ArgumentParser()
    add_arms(parser)
    assert parser.parse_args(['--arms', 'x.py']).arms_file == Path('x.py')


# What each command that takes a config asks for besides.
REST = {
    'swap': [],
    'check': [],
    'train': [],
    'test': ['x.pth'],
    'compare': ['--resizer', 'bilinear'],
    'rank': ['x.pth', '--resizer', 'area'],
    'speed': ['x.jsonl', '--times', 't.json', '--plot', 'p.png'],
    'visualize': ['x.pth', 'x.png', '--out', 'out'],
    'export': ['--out', 'x.onnx'],
    'flops': [],
}


@pytest.mark.parametrize('name', REST)
def test_every_command_takes_the_name_of_a_config(name, tmp_path, monkeypatch):
    """A name that is not there: only who looks it up in the package can suggest the right one."""
    pytest.importorskip('mmseg')
    pytest.importorskip('onnx')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        command.main([name, 'mmdownsize::texture_bilinear.py', *REST[name]])
    assert stopped.value.code == (
        'no config mmdownsize::texture_bilinear.py: did you mean mmdownsize::demo/texture_bilinear.py?'
    )
    assert not any(tmp_path.iterdir())
