"""Imports go one way. Rooms, and who may import whom: see `ROOMS`."""

import ast
import importlib.util
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = 'mmdownsize'
ROOT = Path(__file__).parents[1] / PACKAGE
OPENMMLAB = {'mmengine', 'mmcv', 'mmdet', 'mmseg', 'mmpretrain'}
TORCH_ONLY = {'torch'}

# Room: the other rooms it may import. A new room states its arrows here.
ROOMS = {
    'version': set(),
    'refusal': set(),
    'arguments': set(),
    'notices': set(),
    'storage': set(),
    'pins': set(),
    'places': set(),
    'environment': {'ops', 'geometry'},
    'registry': set(),
    'configs': {'registry'},
    'pipelines': {'configs', 'geometry'},
    'checkpoints': {'storage'},
    'made_up': {'configs', 'pipelines'},
    'command_line': set(),
    'quiet': set(),
    'ops': set(),
    'geometry': {'ops'},
    'resizers': {'ops', 'storage'},
    'images': {'geometry', 'resizers', 'storage', 'progress'},
    'progress': set(),
    'preprocessors': {'geometry', 'resizers', 'registry', 'checkpoints'},
    'layers': {'ops', 'resizers', 'registry'},
    'models': {'registry', 'storage'},
    'evaluation': {'registry', 'models', 'ops'},
    'loading': {'registry', 'configs', 'checkpoints', 'command_line', 'preprocessors', 'resizers'},
    'drawing': {'resizers'},
    'gallery': {
        'drawing',
        'images',
        'loading',
        'configs',
        'command_line',
        'checkpoints',
        'storage',
        'preprocessors',
        'resizers',
        'progress',
    },
    'predicting': {
        'registry',
        'configs',
        'images',
        'gallery',
        'loading',
        'pipelines',
        'checkpoints',
        'command_line',
        'storage',
        'quiet',
        'progress',
    },
    'hooks': {'registry', 'geometry', 'resizers', 'preprocessors', 'drawing'},
    'deploy': {
        'registry',
        'ops',
        'geometry',
        'resizers',
        'preprocessors',
        'configs',
        'checkpoints',
        'command_line',
        'loading',
        'storage',
        'made_up',
        'pipelines',
    },
    'fitting': {'registry', 'configs', 'checkpoints', 'storage', 'preprocessors', 'resizers'},
    'swapping': {
        'registry',
        'configs',
        'loading',
        'pipelines',
        'storage',
        'geometry',
        'preprocessors',
        'fitting',
        'made_up',
        'images',
        'quiet',
    },
    'comparing': {
        'registry',
        'configs',
        'checkpoints',
        'storage',
        'command_line',
        'preprocessors',
        'resizers',
        'loading',
        'progress',
    },
    'trial': {
        'registry',
        'configs',
        'pipelines',
        'checkpoints',
        'command_line',
        'storage',
        'swapping',
        'fitting',
        'comparing',
        'quiet',
    },
    'launching': {'registry', 'configs', 'pipelines', 'checkpoints', 'storage', 'command_line', 'hooks'},
    'demo': {'configs', 'checkpoints', 'storage', 'resizers'},
}
# Every room may be imported by the command, and none imports it.
ROOMS['cli'] = set(ROOMS)
ROOMS['__main__'] = {'cli'}
# The rooms that every other one may import.
OPEN = {'version', 'refusal', 'arguments', 'notices', 'pins', 'places'}
# Room: the packages it may import besides the standard library, where that is limited.
EXTERNAL = {
    'version': set(),
    'storage': set(),
    'refusal': set(),
    'arguments': set(),
    'notices': set(),
    'ops': TORCH_ONLY | {'triton'},  # which is asked for only when its back end is
    'geometry': TORCH_ONLY,
    'resizers': TORCH_ONLY | {'safetensors'},  # which is asked for only when a trained downsizer is read or written
    'images': TORCH_ONLY | {'numpy', 'PIL'},
    'progress': {'rich'},  # if it is installed
    'pins': set(),
    'places': set(),
    'environment': set(),
    'registry': {'mmengine'},
    'command_line': {'mmengine'},  # which is asked for only when a setting is given
}
# What `mmdownsize resize` and `mmdownsize list` need is installed with the package.
BARE = ('cli.main', 'cli.resize', 'cli.list', 'images.resize', 'images.many', 'resizers.named')
# Rooms and files of the package that must not know one of these.
WITHOUT = {
    'mmengine': BARE,
    'mmcv': BARE,
    'rich': BARE,
    'mmdet': (
        'preprocessors.cls',
        'preprocessors.seg',
        'preprocessors.pair',
        'preprocessors.samples',
        'layers.downsample',
        'layers.upsample',
        'layers.roi_align',
        'layers.unet',
    ),
    'mmseg': (
        'preprocessors.cls',
        'preprocessors.det',
        'preprocessors.pair',
        'preprocessors.samples',
        'layers.downsample',
        'layers.upsample',
        'layers.roi_align',
        'layers.roi_extractor',
        'layers.fpn',
    ),
    'mmpretrain': (
        'preprocessors.det',
        'preprocessors.seg',
        'preprocessors.mixin',
        'layers.downsample',
        'layers.upsample',
        'layers.fpn',
        'layers.unet',
    ),
}


@dataclass(frozen=True)
class Import:
    """One import: who imports what, and whether that happens whenever the importer is imported."""

    importer: str
    imported: str
    line: int
    always: bool

    def __str__(self) -> str:
        return f'{self.importer}:{self.line} imports {self.imported}'


def module_names(root):
    """All modules of the package, dotted and without the package's own name, and their files; '' is the package."""
    found = {}
    for path in sorted(root.rglob('*.py')):
        parts = path.relative_to(root).with_suffix('').parts
        found['.'.join(parts[:-1] if parts[-1] == '__init__' else parts)] = path
    return found


def imports_of(name, path, modules):
    """All imports of a file, wherever they stand; names imported from a package are modules where there is such a module."""
    tree = ast.parse(path.read_text(encoding='utf-8'))
    top_level = set(map(id, tree.body))
    own_package = name if path.name == '__init__.py' else name.rpartition('.')[0]
    for node in ast.walk(tree):
        targets = []
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ''
            if node.level:
                parts = [PACKAGE, *filter(None, own_package.split('.'))]
                base = '.'.join([*parts[: len(parts) - node.level + 1], *filter(None, [base])])
            for alias in node.names:
                inside = f'{base}.{alias.name}'.removeprefix(f'{PACKAGE}.')
                targets.append(f'{base}.{alias.name}' if base.startswith(PACKAGE) and inside in modules else base)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, 'id', '')
            if called in ('import_module', '__import__'):
                targets = [str(node.args[0].value)]
        for target in targets:
            yield Import(name, target, node.lineno, id(node) in top_level)


def room_of(name):
    return name.split('.')[0]


def own_name(imported):
    """The module's name inside the package, or None if it is another package's."""
    if imported == PACKAGE:
        return ''
    return imported.removeprefix(f'{PACKAGE}.') if imported.startswith(f'{PACKAGE}.') else None


def needs(name, imports, modules):
    """All that is imported, of ours and others', whenever the module is imported."""
    seen, waiting = set(), [name]
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        inside = own_name(current) if current.startswith(PACKAGE) else current
        if inside not in modules:
            continue
        parts = inside.split('.')
        waiting += ['.'.join(parts[:i]) for i in range(1, len(parts))]  # importing a.b imports a
        for found in imports:
            if found.importer == inside and found.always:
                own = own_name(found.imported)
                waiting.append(found.imported if own is None else own)
    return {name.split('.')[0] for name in seen if name not in modules}


def wrong_arrows(root):
    """What breaks the rules, a line each."""
    modules = module_names(root)
    imports = [found for name, path in modules.items() for found in imports_of(name, path, modules)]
    wrong = []
    for name in modules:
        if name and room_of(name) not in ROOMS:
            wrong.append(f'{name} is in a room without rules: state its arrows in ROOMS')
    for found in imports:
        room, inside = room_of(found.importer), own_name(found.imported)
        if inside is None:
            package = found.imported.split('.')[0]
            if package in sys.stdlib_module_names:
                continue
            if room in EXTERNAL and package not in EXTERNAL[room]:
                wrong.append(f'{found}: {room} may import {sorted(EXTERNAL[room]) or "nothing"} only')
            if found.importer in WITHOUT.get(package, ()):
                wrong.append(f'{found}: it has to work without {package}')
            continue
        if not inside:
            continue  # the package itself
        other = room_of(inside)
        if room == '':
            if found.always and other != 'version':
                wrong.append(f'{found}: importing the package imports nothing else')
        elif other != room and other not in ROOMS.get(room, set()) | OPEN:
            wrong.append(f'{found}: {room} may import {sorted(ROOMS.get(room, ())) or "no other room"} only')
        elif room == other == 'models':
            model, other_model = (name.split('.')[1:2] for name in (found.importer, inside))
            if model and other_model and model != other_model:
                wrong.append(f'{found}: models never import each other')
    for package, names in WITHOUT.items():
        for name in names:
            if name in modules and package in needs(name, imports, modules):
                wrong.append(f'{name} needs {package} through what it imports')
    for name in modules:
        if room_of(name) == 'models' and {'mmdet', 'mmseg'} <= needs(name, imports, modules):
            wrong.append(f'{name} needs mmdet and mmseg: a model stands on one of them')
    return wrong


def test_all_arrows_point_the_right_way():
    assert wrong_arrows(ROOT) == []


def test_the_rooms_are_found():
    modules = module_names(ROOT)
    assert {'', 'version', 'ops', 'ops.grid', 'geometry.size', 'resizers.downsize_net'} <= set(modules)
    arrows = {
        (room_of(found.importer), room_of(own_name(found.imported)))
        for name, path in modules.items()
        for found in imports_of(name, path, modules)
        if own_name(found.imported)
    }
    assert ('resizers', 'ops') in arrows


PLANTED = [
    # (file, its text, what is said)
    ('ops/a.py', 'import mmcv', "mmcv: ops may import ['torch', 'triton'] only"),
    ('ops/a.py', 'import numpy as np', 'numpy: ops may'),
    ('ops/a.py', 'from mmdownsize.geometry import ResizeMap', 'ops may import no other room only'),
    ('ops/a.py', 'def f():\n    from mmdownsize import resizers', 'mmdownsize.resizers: ops may'),
    ('ops/a.py', 'from ..resizers.base import BaseResizer', 'mmdownsize.resizers.base: ops may'),
    ('ops/__init__.py', 'from .. import resizers', 'mmdownsize.resizers: ops may'),
    ('geometry/a.py', 'from mmdownsize.resizers import FixedResizer', "geometry may import ['ops'] only"),
    ('geometry/a.py', 'import mmengine.structures', 'mmengine.structures: geometry may'),
    ('resizers/a.py', 'if True:\n    from mmengine.model import BaseModule', 'mmengine.model: resizers may'),
    ('resizers/a.py', "import importlib\nimportlib.import_module('mmdet.models')", 'mmdet.models: resizers may'),
    ('resizers/a.py', 'from mmdownsize.registry import MODELS', 'mmdownsize.registry: resizers may'),
    ('resizers/a.py', 'import mmdownsize.geometry', 'mmdownsize.geometry: resizers may'),
    ('registry.py', 'import torch', "torch: registry may import ['mmengine'] only"),
    ('registry.py', 'import mmdownsize.preprocessors', 'registry may import no other room only'),
    ('preprocessors/a.py', 'from mmdownsize.models import x', 'preprocessors may'),
    ('preprocessors/det.py', 'def f():\n    import mmseg', 'it has to work without mmseg'),
    ('preprocessors/samples.py', 'from mmdet.structures import X', 'it has to work without mmdet'),
    ('preprocessors/__init__.py', 'import mmdet', 'preprocessors.seg needs mmdet through what it imports'),
    ('preprocessors/mixin.py', 'import mmseg', 'preprocessors.det needs mmseg through what it imports'),
    ('models/a/head.py', 'from mmdownsize.models.b import neck', 'models never import each other'),
    ('models/a/head.py', 'from ..b import neck', 'models never import each other'),
    (
        'models/a/head.py',
        'from mmdownsize.resizers import FixedResizer',
        "models may import ['registry', 'storage'] only",
    ),
    ('models/a/head.py', 'import mmdet\nimport mmseg', 'a model stands on one of them'),
    ('__init__.py', 'from mmdownsize.ops import project', 'importing the package imports nothing else'),
    ('ops/a.py', 'from mmdownsize.cli import main', 'mmdownsize.cli.main: ops may import no other room only'),
    ('preprocessors/a.py', 'import mmdownsize.cli', 'mmdownsize.cli: preprocessors may'),
    ('cli/a.py', 'from mmdownsize.__main__ import main', 'mmdownsize.__main__: cli may'),
    ('__main__.py', 'import mmdownsize.resizers', "__main__ may import ['cli'] only"),
    ('attic/a.py', 'import os', 'state its arrows in ROOMS'),
]


@pytest.mark.parametrize(('file', 'text', 'message'), PLANTED, ids=[f'{file}: {text!r}' for file, text, _ in PLANTED])
def test_a_planted_violation_is_caught(file, text, message, tmp_path):
    files = {
        '__init__.py': 'from mmdownsize.version import __version__',
        'version.py': "__version__ = '0'",
        'registry.py': 'from mmengine.registry import Registry',
        '__main__.py': 'from mmdownsize.cli.main import main',
        'cli/__init__.py': '',
        'cli/main.py': 'from mmdownsize.ops import project',
        'ops/__init__.py': '',
        'geometry/__init__.py': '',
        'resizers/__init__.py': 'from mmdownsize.ops import project\nimport torch',
        'resizers/base.py': '',
        'preprocessors/__init__.py': '',
        'preprocessors/mixin.py': 'from mmdownsize.geometry import ResizeMap\nimport mmengine',
        'preprocessors/det.py': 'import mmdet\nfrom mmdownsize.preprocessors.mixin import M',
        'preprocessors/seg.py': 'import mmseg\nfrom mmdownsize.preprocessors.mixin import M',
        'models/__init__.py': '',
        'models/a/__init__.py': 'from mmdownsize.registry import MODELS\nimport mmdet',
        'models/b/__init__.py': 'from mmdownsize.models.b.neck import N',
        'models/b/neck.py': 'import mmseg',
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    assert wrong_arrows(tmp_path) == []
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    with open(tmp_path / file, 'a') as planted:
        planted.write(f'\n{text}\n')
    found = wrong_arrows(tmp_path)
    assert any(message in line for line in found), found


def loaded_after(statement):
    """Which of the OpenMMLab packages, mmcv's operators and Triton a fresh interpreter has loaded after a statement."""
    watched = sorted(OPENMMLAB | {'mmcv.ops', 'torch', 'torchvision', 'triton', 'safetensors', 'numpy'})
    code = f'import sys\n{statement}\nprint(*[name for name in {watched!r} if name in sys.modules])'
    done = subprocess.run(
        [sys.executable, '-c', code], cwd=ROOT.parent, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_resizing_needs_nothing_of_openmmlab_nor_triton():
    bare = loaded_after('import torch')
    assert 'torch' in bare
    assert loaded_after('import mmdownsize.ops, mmdownsize.geometry, mmdownsize.resizers') == bare
    assert loaded_after('from mmdownsize import DownsizeNet, FixedResizer, list_pretrained; list_pretrained()') == bare


def test_the_package_itself_imports_nothing():
    assert loaded_after('import mmdownsize; mmdownsize.__version__; dir(mmdownsize)') == set()


def test_every_public_name_is_there_when_asked_for():
    package = importlib.import_module(PACKAGE)
    resizers = {'DownsizeNet', 'FixedResizer', 'ImportanceResizer', 'LearnedResizer', 'MullerResizer'}
    assert resizers | {'list_pretrained', 'resize_image'} <= set(package.__all__)
    assert set(package.__all__) <= set(dir(package))
    for name in package.__all__:
        assert getattr(package, name) is not None
    assert package.DownsizeNet is importlib.import_module(f'{PACKAGE}.resizers').DownsizeNet
    with pytest.raises(AttributeError, match="module 'mmdownsize' has no attribute 'DownsizeNets'"):
        package.DownsizeNets  # noqa: B018  (the access is what is tested)


@pytest.mark.skipif(importlib.util.find_spec('mmengine') is None, reason='mmengine is not installed')
def test_the_registry_is_light():
    bare = loaded_after('import mmengine.registry')
    assert bare & OPENMMLAB == {'mmengine'}
    assert loaded_after('import mmdownsize.registry') == bare


# The product, and the pages that may point at the study: the evidence.
PRODUCT = ('mmdownsize', 'configs', 'tools', 'docs', 'README.md')
EVIDENCE = 'docs/evidence/'
# A path in the study, as code, a config, a link or a command says it; its pages' figures and logs are such paths, too.
STUDY_PATH = re.compile(r'(?<![\w-])study/')
STUDY_MODULE = re.compile(r'(?:from|import|-m|imports=\[[\'"]) *study\b(?!/)')


def needing_the_study(repository):
    """What of the product names a file or module of the study, a line each."""
    found = []
    for part in map(repository.joinpath, PRODUCT):
        for path in sorted(part.rglob('*')) if part.is_dir() else [part]:
            name = path.relative_to(repository).as_posix()
            hidden = {'_build', '.mim', '__pycache__'} & set(path.parts)
            if hidden or name.startswith(EVIDENCE) or path.suffix not in ('.py', '.md', '.sh', '.yml', '.ipynb'):
                continue
            for number, line in enumerate(path.read_text(encoding='utf-8').splitlines(), 1):
                if STUDY_PATH.search(line) or STUDY_MODULE.search(line):
                    found.append(f'{name}:{number}: {line.strip()}')
    return found


def test_the_product_needs_nothing_of_the_study():
    assert needing_the_study(ROOT.parent) == []


PLANTED_NEEDS = [
    ('mmdownsize/a.py', 'from study.zoo import table'),
    ('mmdownsize/a.py', 'def f():\n    import study'),
    ('mmdownsize/a.py', "FITS = ROOT / 'study/fitted'"),
    ('tools/a.py', 'import study.figure as figure'),
    ('configs/a/b.py', "_base_ = '../../study/configs/voc2012_full.py'"),
    ('configs/a/b.py', "custom_imports = dict(imports=['study.zoo'])"),
    ('docs/a.md', '[the study](../study/README.md)'),
    ('docs/a.md', '`python -m study.figure`'),
    ('README.md', '![](study/images/summary.png)'),
]


@pytest.mark.parametrize(('file', 'text'), PLANTED_NEEDS, ids=[f'{file}: {text!r}' for file, text in PLANTED_NEEDS])
def test_a_planted_need_of_the_study_is_caught(file, text, tmp_path):
    files = {
        'mmdownsize/__init__.py': '# A study of one. case-study/x',
        'configs/a/b.py': '',
        'tools/a.py': '',
        'docs/a.md': '[the study](evidence/study.md) says: study more',
        'docs/evidence/study.md': '[its page](../../study/README.md), `python -m study.figure`',
        'README.md': '',
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    assert needing_the_study(tmp_path) == []
    (tmp_path / file).write_text(text)
    assert [line.partition(':')[0] for line in needing_the_study(tmp_path)] == [file]
