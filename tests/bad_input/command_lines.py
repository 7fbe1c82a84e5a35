"""Malformed command lines: one line that names it, an exit status that is not 0, and every file as it was before."""

import contextlib
import io
import json
import os
import pickle
import resource
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmdownsize import environment
from mmdownsize.cli import main as mmdownsize
from mmdownsize.registry import MODELS
from mmdownsize.storage import append_line
from tests.bad_input.case import Accepted, Case
from tests.bad_input.checkpoints import PREFIX, Bomb, cut, not_a_number
from tests.tools.small_training import ROOT, write_config, write_data
from tools import (
    check_env,
    compare,
    compare_report,
    compare_speed,
    demo,
    extract_downsizer,
    get_flops,
    swap_resizer,
    test,
    train,
)
from tools import visualize_downsizer as visualize


class Refused(Exception):
    """What a tool says when it stops."""


def command(tool, *arguments):
    """Run a tool; raise what it says if it exits with another status than 0. It has to be one line."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            status = tool.main([str(argument) for argument in arguments])
    except SystemExit as stopped:
        status = stopped.code
    if isinstance(status, str):
        assert '\n' not in status, status
        raise Refused(status)
    if isinstance(status, int) and status:
        raise Refused(said.getvalue())  # argparse's, which puts the usage before


@contextlib.contextmanager
def full_disk(room):
    """No file can grow beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def files_in(folder):
    return {path: path.read_bytes() for path in folder.rglob('*') if path.is_file()}


def case(tool, id, arguments, value, way_out, make=lambda folder: None, room=None):
    """A command line in which ``{folder}`` is replaced; nothing that ``make`` has put there may change."""

    def use(folder):
        make(folder)
        before = files_in(folder)
        try:
            with full_disk(room) if room else contextlib.nullcontext():
                command(tool, *[str(argument).replace('{folder}', str(folder)) for argument in arguments])
        finally:
            after = files_in(folder)
            assert {path: after.get(path) for path in before} == before
            assert not [path for path in after if path.suffix == '.partial' or path.name == 'exploded']

    return Case(f'{tool.__name__.rpartition(".")[2]}: {id}', use, Refused, value, way_out)


def small(folder):
    """A config, its data, and a checkpoint of it."""
    (folder / 'data').mkdir()
    write_data(folder / 'data')
    write_config(folder / 'small.py', folder / 'data', by_epoch=True, seed=0, workers=0)
    cfg = Config.fromfile(folder / 'small.py')
    init_default_scope('mmseg')
    state = MODELS.build(cfg.model).state_dict()
    torch.save(dict(state_dict=state, meta=dict(cfg=cfg.pretty_text)), folder / 'model.pth')


def with_file(content, name='x.py', then=None):
    def make(folder):
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        if then:
            then(folder)

    return make


def changed(change, name='model.pth'):
    """The small model's checkpoint with other content."""

    def make(folder):
        small(folder)
        content = torch.load(folder / 'model.pth')
        change(content, folder)
        torch.save(content, folder / name)

    return make


def stale(folder):
    small(folder)
    (folder / 'work').mkdir()
    (folder / 'work/last_checkpoint').write_text('/gone/epoch_7.pth')


def halved(folder):
    small(folder)
    (folder / 'work').mkdir()
    (folder / 'model.pth').rename(folder / 'work/epoch_1.pth')
    cut(folder / 'work/epoch_1.pth')


def cut_short(folder):
    small(folder)
    cut(folder / 'model.pth')


def hostile(folder):
    small(folder)
    (folder / 'model.pth').write_bytes(pickle.dumps(Bomb(folder)))


def with_report(folder):
    run = dict(config='small', arm='bilinear', seed=0, metric='mIoU', metrics=dict(mIoU=1.0), seconds=1, downsizer={})
    (folder / 'runs.jsonl').write_text(json.dumps(run) + '\n')


def with_report_of_one_size(folder):
    """A report of a config that resizes to one size: its runs are at no scale."""
    small(folder)
    with_report(folder)
    preprocessor = 'dict(scale_factor=None, scale=(32, 24))'
    (folder / 'one_size.py').write_text(f"_base_ = 'small.py'\nmodel = dict(data_preprocessor={preprocessor})\n")
    run = json.loads((folder / 'runs.jsonl').read_text())
    (folder / 'runs.jsonl').write_text(json.dumps({**run, 'config': 'one_size'}) + '\n')


def changed_model(folder):
    torch.save(dict(state_dict={'backbone.x': torch.zeros(1)}, meta={}), folder / 'model.pth')


def with_picture(folder):
    small(folder)
    (folder / 'bad.png').write_bytes(b'not a picture')
    cv2.imwrite(str(folder / 'good.png'), np.zeros((30, 40, 3), np.uint8))


def with_net(folder):
    small(folder)
    (folder / 'net.safetensors').write_bytes(b'the last one, which took a day')


def runs_code(content, folder):
    content['meta']['cfg'] = f"model = open({str(folder / 'exploded')!r}, 'w')"


def runs_code_inside(content, folder):
    downsizer = f"dict(type='DownsizeNet', channels=open({str(folder / 'exploded')!r}, 'w'))"
    content['meta']['cfg'] = f'model = dict(data_preprocessor=dict(downsizer={downsizer}))'


def other_channels(content, folder):
    for key in [key for key in content['state_dict'] if key.startswith(PREFIX)]:
        del content['state_dict'][key]
    content['state_dict'][f'{PREFIX}fusion.bias'] = torch.zeros(9)


def spoil(content, folder):
    not_a_number(f'{PREFIX}fusion.bias')(content['state_dict'])


def without_net(content, folder):
    content['state_dict'] = {'backbone.x': torch.zeros(1)}


def without_cfg(content, folder):
    content['meta'] = {}


CONFIG, CHECKPOINT, WORK = '{folder}/small.py', '{folder}/model.pth', ('--work-dir', '{folder}/work')
FILE = '{folder}/x.py/below'  # cannot be made: x.py is a file
COMPARE = (CONFIG, '--resizer', 'bilinear', *WORK)
VISUALIZE = (CONFIG, CHECKPOINT, '{folder}/good.png', '--out', '{folder}/out')
EMPTY = with_file('')
BASE = "model = dict(data_preprocessor=dict(type='DetDataPreprocessor'))\n"
RESIZE = "dict(type='Resize', scale=(40, 30))"
FULL = 'File too large|No space left'


def pipelines(steps):
    """The line of a config whose training images go through these steps."""
    return f'train_dataloader = dict(dataset=dict(pipeline={steps}))\n'


CASES = [
    # The command itself
    case(mmdownsize, 'an unknown command', ['comparre'], "'comparre'", 'did you mean compare'),
    case(mmdownsize, 'an unknown option', ['flops', 'x.py', '--shpae=1'], '--shpae=1', 'did you mean --shape'),
    case(mmdownsize, 'no config', ['flops'], 'CONFIG', 'arguments are required'),
    case(mmdownsize, 'a setting without value', ['check', 'x.py', '--cfg-options', 'a'], "'a'", 'KEY=VALUE is needed'),
    case(
        mmdownsize,
        'a misspelt name of a config',
        ['check', 'mmdet::retinanet_r18_fpn_1x_coco.py'],
        'mmdet::retinanet_r18_fpn_1x_coco.py',
        'did you mean mmdet::retinanet/retinanet_r18_fpn_1x_coco.py',
    ),
    case(mmdownsize, 'a package without configs', ['flops', 'json::a.py'], 'json', 'ships no configs'),
    case(
        mmdownsize,
        'a config without downsizer',
        ['check', '{folder}/x.py'],
        'x.py has no downsizer',
        'mmdownsize swap .* puts one in',
        with_file(BASE),
    ),
    case(
        mmdownsize,
        'a misspelt resizer',
        ['swap', '{folder}/x.py', '--resizer', 'importance_lancos'],
        "'importance_lancos'",
        "did you mean 'importance_lanczos'",
        with_file(BASE),
    ),
    case(
        mmdownsize,
        'an unknown resizer by the old option',
        ['compare', CONFIG, '--arm', 'linear'],
        "'linear'",
        "did you mean 'bilinear'",
        small,
    ),
    # tools/train.py
    case(train, 'no config', ['gone.py'], 'gone.py', 'no such config'),
    case(train, 'a folder as config', ['{folder}'], '/', 'no such config: '),
    case(
        train,
        'a config that is no Python',
        ['{folder}/x.py'],
        'x.py',
        'cannot be read as a config: SyntaxError',
        with_file('a b'),
    ),
    case(
        train,
        'a config without its base',
        ['{folder}/x.py'],
        'gone.py',
        'cannot be read as a config',
        with_file("_base_ = './gone.py'"),
    ),
    case(train, 'no model', ['{folder}/x.py', *WORK], "'model'", 'KeyError|TypeError|missing', with_file('a = 1')),
    case(train, 'a setting without value', [CONFIG, '--cfg-options', 'optim'], "'optim'", 'KEY=VALUE is needed', small),
    case(train, 'a setting without key', [CONFIG, '--cfg-options', '=3'], "'=3'", 'KEY=VALUE is needed', small),
    case(
        train,
        'a setting in no place',
        [CONFIG, '--cfg-options', 'model.type.x=1'],
        "'model.type.x': 1",
        'has no place for',
        small,
    ),
    case(train, 'an unknown launcher', [CONFIG, '--launcher', 'pigeon'], "'pigeon'", 'choose from', small),
    case(train, 'a seed that is none', [CONFIG, '--seed', 'x'], "'x'", 'invalid int value', small),
    case(
        train, 'an unknown option', [CONFIG, '--workdir', 'x'], '--workdir', 'unrecognized arguments|ambiguous', small
    ),
    case(
        train,
        'a misspelt setting',
        [CONFIG, *WORK, '--cfg-options', 'model.data_preprocessor.scale_facter=0.3'],
        "'scale_facter'",
        "did you mean 'scale_factor'",
        small,
    ),
    case(
        train,
        'two targets',
        [CONFIG, *WORK, '--cfg-options', 'model.data_preprocessor.scale=(9,9)'],
        'scale=(9, 9)',
        'give exactly one target',
        small,
    ),
    case(
        train, 'an unknown model', [CONFIG, *WORK, '--cfg-options', 'model.type=Nope'], 'Nope', 'is not in the', small
    ),
    case(
        train, 'resume from nothing', [CONFIG, *WORK, '--resume', 'gone.pth'], 'gone.pth', 'no such checkpoint', small
    ),
    case(
        train,
        'resume from a checkpoint that is gone',
        [CONFIG, *WORK, '--resume'],
        '/gone/epoch_7.pth',
        'give another to --resume',
        stale,
    ),
    case(
        train,
        'resume where only half a checkpoint is left',
        [CONFIG, *WORK, '--resume'],
        'epoch_1.pth is empty or cut off',
        'give another to --resume, or leave out --resume',
        halved,
    ),
    case(
        train,
        'resume from half a checkpoint',
        [CONFIG, *WORK, '--resume', CHECKPOINT],
        'model.pth is cut off',
        'take an earlier one',
        cut_short,
    ),
    case(
        train,
        'resume from a hostile checkpoint',
        [CONFIG, *WORK, '--resume', CHECKPOINT],
        'model.pth',
        'could run code',
        hostile,
    ),
    case(
        train,
        'resume from weights alone',
        [CONFIG, *WORK, '--resume', CHECKPOINT],
        'has no epoch, no iter',
        'load_from=',
        small,
    ),
    case(
        train,
        'weights of another downsizer',
        [CONFIG, *WORK, '--cfg-options', 'load_from={folder}/other.pth'],
        'fusion.bias is (9,)',
        'settings that it was trained with',
        changed(other_channels, 'other.pth'),
    ),
    case(
        train,
        'a work dir inside a file',
        [CONFIG, '--work-dir', FILE],
        'x.py',
        'Not a directory|File exists',
        with_file('', then=small),
    ),
    case(
        train,
        'amp with another wrapper',
        [CONFIG, '--amp', '--cfg-options', 'optim_wrapper.type=Other'],
        'Other',
        'works with OptimWrapper',
        small,
    ),
    # tools/test.py
    case(test, 'no config', ['gone.py', 'gone.pth'], 'gone.py', 'no such config'),
    case(test, 'no checkpoint', [CONFIG, 'gone.pth'], 'gone.pth', 'no such checkpoint', small),
    case(
        test, 'half a checkpoint', [CONFIG, CHECKPOINT, *WORK], 'model.pth is cut off', 'take an earlier one', cut_short
    ),
    case(test, 'a hostile checkpoint', [CONFIG, CHECKPOINT, *WORK], 'model.pth', 'could run code', hostile),
    case(
        test,
        'weights of another downsizer',
        [CONFIG, CHECKPOINT, *WORK],
        'fusion.bias is (9,)',
        'settings that it was',
        changed(other_channels),
    ),
    case(
        test,
        'a result inside a file',
        [CONFIG, CHECKPOINT, *WORK, '--out', f'{FILE}.pkl'],
        'x.py/below.pkl',
        'cannot write',
        with_file('', then=small),
    ),
    case(
        test,
        'a result on a full disk',
        [CONFIG, CHECKPOINT, *WORK, '--out', '{folder}/old.pkl', '--cfg-options', 'visualizer.name=full'],
        'cannot write',
        f'old.pkl: ({FULL})',
        with_file('yesterday', 'old.pkl', small),
        room=9000,
    ),
    case(test, 'no tta', [CONFIG, CHECKPOINT, '--tta'], 'no tta_model', 'no tta_pipeline', small),
    case(test, 'a setting without value', [CONFIG, CHECKPOINT, '--cfg-options', 'x'], "'x'", 'KEY=VALUE', small),
    # tools/compare.py and its report
    case(compare, 'no config', ['gone.py', '--resizer', 'bilinear'], 'gone.py', 'no such config'),
    case(compare, 'no arms', [CONFIG], 'no arms', 'give --resizer or --arms', small),
    case(compare, 'an unknown arm', [CONFIG, '--resizer', 'linear'], "'linear'", 'choose one of', small),
    case(
        compare,
        'arms that are no Python',
        [CONFIG, '--arms', '{folder}/x.py'],
        'x.py',
        'cannot be read as a config',
        with_file('a b', then=small),
    ),
    case(
        compare,
        'arms in a list',
        [CONFIG, '--arms', '{folder}/x.py'],
        'arms=[1]',
        r'must set arms = dict\(NAME',
        with_file('arms = [1]', then=small),
    ),
    case(
        compare,
        'an arm without downsizer',
        [CONFIG, '--arms', '{folder}/x.py'],
        "arm 'a'",
        'has downsizer, options',
        with_file('arms = dict(a=dict(options=1))', then=small),
    ),
    case(
        compare,
        'a config without downsizer',
        ['{folder}/x.py', '--resizer', 'bilinear'],
        'x.py',
        'no model.data_preprocessor.downsizer',
        with_file('model = dict()'),
    ),
    case(compare, 'a subset of 0', [*COMPARE, '--subset', '0'], 'got 0', '--subset must be at least 1', small),
    case(compare, '-1 workers', [*COMPARE, '--workers=-1'], 'got -1', '--workers must be at least 0', small),
    case(
        compare,
        'a log that is none',
        [*COMPARE, '--log', '{folder}/x.py'],
        'x.py:1',
        'is not a line of mmdownsize compare',
        with_file('{}\n', then=small),
    ),
    case(
        compare,
        'a log inside a file',
        [*COMPARE, '--log', FILE],
        'x.py/below',
        'cannot write',
        with_file('', then=small),
    ),
    case(
        compare,
        'half a file of equal costs',
        [CONFIG, '--resizer', 'bilinear', '--work-dir', '{folder}'],
        'equal_cost.json',
        'remove it, and it is measured again',
        with_file('{"a": ', 'equal_cost.json', then=small),
    ),
    case(
        compare,
        'a start that is not there',
        [*COMPARE, '--start', 'gone.pth'],
        'gone.pth',
        '--start: no such file',
        small,
    ),
    case(compare, 'a hostile start', [*COMPARE, '--start', CHECKPOINT], 'model.pth', 'could run code', hostile),
    case(
        compare,
        "another model's start",
        [*COMPARE, '--start', CHECKPOINT],
        'backbone.',
        'weights are missing, unknown',
        changed(without_net),
    ),
    case(compare_report, 'no log', ['gone.jsonl'], 'gone.jsonl', 'No such file'),
    case(compare_report, 'a log that is none', ['{folder}/x.py'], 'x.py:1', 'is not a line of', with_file('[]\n')),
    case(
        compare_report,
        'an unknown metric',
        ['{folder}/runs.jsonl', '--metric', 'mAP'],
        "'mAP'",
        "it has \\['mIoU'\\]",
        with_report,
    ),
    case(
        compare_report,
        'an unknown baseline',
        ['{folder}/runs.jsonl', '--baseline', 'area'],
        "'area'",
        'arms: bilinear',
        with_report,
    ),
    case(
        compare_report,
        'a plot on a full disk',
        ['{folder}/runs.jsonl', '--plot', '{folder}/old.png'],
        'cannot write',
        f'old.png: ({FULL})',
        with_file('a plot', 'old.png', with_report),
        room=2000,
    ),
    # tools/compare_speed.py
    case(
        compare_speed,
        'a log without scales',
        ['{folder}/one_size.py', '{folder}/runs.jsonl', '--times', '{folder}/times.json', '--plot', '{folder}/new.png'],
        'runs.jsonl',
        'run mmdownsize compare with --scales',
        with_report_of_one_size,
    ),
    # tools/extract_downsizer.py
    case(
        extract_downsizer, 'no checkpoint', ['gone.pth', '{folder}/net.safetensors'], 'gone.pth', 'no such checkpoint'
    ),
    case(extract_downsizer, 'a folder', ['{folder}', '{folder}/net.safetensors'], '/', 'is a folder: name the'),
    case(
        extract_downsizer,
        'an empty file',
        ['{folder}/x.py', '{folder}/net.safetensors'],
        'x.py is empty',
        'take an earlier',
        EMPTY,
    ),
    case(
        extract_downsizer,
        'a hostile checkpoint',
        [CHECKPOINT, '{folder}/net.safetensors'],
        'model.pth',
        'could run code',
        hostile,
    ),
    case(
        extract_downsizer,
        'a config that runs code',
        [CHECKPOINT, '{folder}/net.safetensors'],
        'is no dict',
        'that you trust with --config',
        changed(runs_code),
    ),
    case(
        extract_downsizer,
        'a setting that runs code',
        [CHECKPOINT, '{folder}/net.safetensors'],
        "open('/",
        'that you trust with --config',
        changed(runs_code_inside),
    ),
    case(
        extract_downsizer,
        'no config',
        [CHECKPOINT, '{folder}/net.safetensors'],
        'model.pth',
        'name it with --config',
        changed(without_cfg),
    ),
    case(
        extract_downsizer,
        'no downsizer',
        [CHECKPOINT, '{folder}/net.safetensors'],
        f'no {PREFIX}*',
        'trained without a downsizer',
        changed(without_net),
    ),
    case(
        extract_downsizer,
        'NaN',
        [CHECKPOINT, '{folder}/net.safetensors'],
        'fusion.bias is not finite',
        'does not fit',
        changed(spoil),
    ),
    case(
        extract_downsizer,
        'another suffix',
        [CHECKPOINT, '{folder}/net.pth'],
        'net.pth',
        'is to end in .safetensors',
        small,
    ),
    case(
        extract_downsizer,
        'a note without value',
        [CHECKPOINT, '{folder}/net.safetensors', '--note', 'x'],
        "['x']",
        '--note KEY=TEXT',
        small,
    ),
    case(
        extract_downsizer,
        'a file inside a file',
        [CHECKPOINT, f'{FILE}.safetensors'],
        'x.py/below.safetensors',
        'cannot write',
        with_file('', then=small),
    ),
    case(
        extract_downsizer,
        'a full disk',
        [CHECKPOINT, '{folder}/net.safetensors'],
        'cannot write',
        f'net.safetensors: ({FULL})',
        with_net,
        room=1000,
    ),
    # mmdownsize predict, mmdownsize fit
    case(
        mmdownsize,
        'an image to predict that is none',
        ['predict', CONFIG, CHECKPOINT, '{folder}/bad.png', '--out', '{folder}/out'],
        'bad.png',
        'is not an image .* leave it out',
        with_picture,
    ),
    case(
        mmdownsize,
        'a folder without images to predict',
        ['predict', CONFIG, CHECKPOINT, '{folder}/data/none', '--out', '{folder}/out'],
        'data/none',
        r'no image in .* known: \.bmp',
        lambda folder: (small(folder), (folder / 'data/none').mkdir()),
    ),
    case(
        mmdownsize,
        'predictions of another model',
        ['predict', CONFIG, CHECKPOINT, '{folder}/good.png', '--out', '{folder}/out'],
        'model.pth',
        'does not fit .* weights are missing',
        lambda folder: (with_picture(folder), changed_model(folder)),
    ),
    case(
        mmdownsize,
        'predictions where a file is',
        ['predict', CONFIG, CHECKPOINT, '{folder}/good.png', '--out', '{folder}/bad.png'],
        'bad.png',
        'cannot write',
        with_picture,
    ),
    case(mmdownsize, 'a fit to no checkpoint', ['fit', CONFIG, 'gone.pth'], 'gone.pth', 'no such checkpoint', small),
    case(
        mmdownsize,
        'a fit of no steps',
        ['fit', CONFIG, CHECKPOINT, '--steps', '0', '--out', '{folder}/out'],
        'got 0',
        '--steps must be a whole number, at least 1',
        small,
    ),
    case(
        mmdownsize,
        'a fit before a downsizer',
        ['fit', CONFIG, CHECKPOINT, '--out', '{folder}/out'],
        'mmdownsize.SegDownsizePreprocessor',
        'has a downsizer already',
        small,
    ),
    case(
        mmdownsize,
        'sizes of no image',
        ['swap', '{folder}/x.py', '--images', '{folder}/x.py'],
        'x.py',
        'cannot be read as an image',
        with_file(BASE),
    ),
    # tools/swap_resizer.py
    case(swap_resizer, 'no config', ['gone.py'], 'gone.py', 'no such config'),
    case(swap_resizer, 'no shipped config', ['mmdet::no/such.py'], 'mmdet::no/such.py', 'no config'),
    case(
        swap_resizer,
        'a config that is no Python',
        ['{folder}/x.py'],
        'x.py',
        'cannot be read as a config',
        with_file('a b'),
    ),
    case(
        swap_resizer,
        'an unknown resizer',
        ['{folder}/x.py', '--resizer', 'x'],
        "'x'",
        'choose one of',
        with_file(BASE),
    ),
    case(
        swap_resizer, 'a factor of 0', ['{folder}/x.py', '--scale-factor', '0'], 'got 0.0', 'above 0', with_file(BASE)
    ),
    case(
        swap_resizer,
        'a factor that is NaN',
        ['{folder}/x.py', '--scale-factor', 'nan'],
        'got nan',
        'above 0',
        with_file(BASE),
    ),
    case(
        swap_resizer, 'a scale of 0', ['{folder}/x.py', '--scale', '0', '9'], 'got (0, 9)', 'above 0', with_file(BASE)
    ),
    case(
        swap_resizer,
        'a ratio of nothing',
        ['{folder}/x.py', '--keep-ratio'],
        '--keep-ratio',
        'or say --scale',
        with_file(BASE),
    ),
    case(
        swap_resizer,
        'two targets',
        ['{folder}/x.py', '--scale-factor', '1', '--scale', '9', '9'],
        '--scale',
        'not allowed with argument',
        with_file(BASE),
    ),
    case(
        swap_resizer,
        'no preprocessor',
        ['{folder}/x.py'],
        'no model.data_preprocessor',
        'of mmdet 3.x or',
        with_file('model = dict()'),
    ),
    case(
        swap_resizer,
        'the config as output',
        ['{folder}/x.py', '--out', '{folder}/x.py'],
        'x.py is the config itself',
        'name another file',
        with_file(BASE),
    ),
    case(
        swap_resizer,
        'output to a folder',
        ['{folder}/x.py', '--out', '{folder}'],
        'cannot write',
        'Is a directory',
        with_file(BASE),
    ),
    case(
        swap_resizer,
        'output to a full device',
        ['{folder}/x.py', '--out', '/dev/full'],
        'cannot write /dev/full',
        'No space left',
        with_file(BASE),
    ),
    case(
        swap_resizer,
        'output on a full disk',
        ['{folder}/x.py', '--out', '{folder}/old.py', '--resizer', 'area'],
        'cannot write',
        f'edited.py: ({FULL})',  # where it is read back, before the old file is replaced
        with_file(BASE, then=with_file('# mine', 'old.py')),
        room=350,
    ),
    case(
        swap_resizer,
        'a Resize that only some images go through',
        ['{folder}/x.py', '--take-resize'],
        'train_dataloader.dataset.pipeline has Resize inside RandomApply',
        'draws a size: keep it and give --scale-factor',
        with_file(BASE + pipelines(f"[dict(type='RandomApply', transforms=[{RESIZE}])]")),
    ),
    case(
        swap_resizer,
        'a Resize of another size inside a data set',
        ['{folder}/x.py', '--take-resize'],
        "'train_dataloader.dataset.datasets.1.pipeline': {'scale': (9, 9)}",
        'different sizes.*give --scale-factor or --scale',
        with_file(
            f'{BASE}\ntrain_dataloader = dict(dataset=dict(type="ConcatDataset", datasets=['
            f'dict(pipeline=[{RESIZE}]), dict(pipeline=[dict(type="Resize", scale=(9, 9))])]))'
        ),
    ),
    case(
        swap_resizer,
        'a scale that brings drawn sizes to one',
        ['{folder}/x.py', '--scale', '9', '9'],
        'RandomResize, which draws the sizes of training images, and scale=(9, 9)',
        'give --scale-factor',
        with_file(BASE + pipelines("[dict(type='RandomResize', scale=(40, 30), ratio_range=(0.5, 2))]")),
    ),
    case(
        swap_resizer,
        'images that are normalised by a choice',
        ['{folder}/x.py'],
        'take Normalize inside RandomChoice out',
        'normalises images',
        with_file(BASE + pipelines("[dict(type='RandomChoice', transforms=[[dict(type='mmcv.Normalize')]])]")),
    ),
    case(
        swap_resizer,
        'a check that fails',
        ['{folder}/x.py', '--check'],
        '--check',
        'does not work',
        with_file(BASE + "default_scope = 'mmdet'"),
    ),
    # tools/visualize_downsizer.py
    case(visualize, 'no config', ['gone.py', *VISUALIZE[1:]], 'gone.py', 'no such config', with_picture),
    case(
        visualize, 'no checkpoint', [CONFIG, 'gone.pth', *VISUALIZE[2:]], 'gone.pth', 'no such checkpoint', with_picture
    ),
    case(
        visualize,
        'a hostile checkpoint',
        [CONFIG, CHECKPOINT, '{folder}', '--out', '{folder}/out'],
        'model.pth',
        'could run code',
        hostile,
    ),
    case(
        visualize,
        'weights of another downsizer',
        VISUALIZE,
        'fusion.bias is (9,)',
        'does not fit',
        changed(other_channels),
    ),
    case(
        visualize,
        'a config without a model',
        ['{folder}/x.py', *VISUALIZE[1:]],
        'x.py',
        'has no model.data_preprocessor',
        EMPTY,
    ),
    case(
        visualize,
        'no image',
        [CONFIG, CHECKPOINT, 'gone.png', '--out', '{folder}/out'],
        'gone.png',
        'no such file or folder',
        small,
    ),
    case(
        visualize,
        'a broken image',
        [CONFIG, CHECKPOINT, '{folder}/bad.png', '--out', '{folder}/out'],
        'bad.png',
        'cannot be read as an image',
        with_picture,
    ),
    case(
        visualize,
        'an unknown kernel',
        [*VISUALIZE, '--kernel', 'cubic'],
        "'cubic'",
        'choose one of nearest',
        with_picture,
    ),
    case(visualize, 'a size of 0', [*VISUALIZE, '--size', '0', '5'], 'got [0, 5]', '--size must be W H', with_picture),
    case(
        visualize,
        'output inside a file',
        [*VISUALIZE[:3], '--out', FILE],
        'x.py/below',
        'cannot write',
        with_file('', then=with_picture),
    ),
    case(visualize, 'a full disk', VISUALIZE, '0000_good.png', f'cannot write .*({FULL})', with_picture, room=5000),
    # tools/get_flops.py
    case(get_flops, 'a shape of 0', [CONFIG, '--shape', '5', '0'], 'got [5, 0]', '--shape must be W H', small),
    case(get_flops, 'no config', ['gone.py'], 'gone.py', 'no such config'),
    # tools/demo.py
    case(demo, 'a negative seed', ['--seed', '-1'], 'got -1', '--seed must be at least 0'),
    case(demo, 'no iterations', ['--iters', '0'], 'got 0', '--iters must be at least 1'),
    case(demo, "somebody's folder", ['--work-dir', '{folder}'], '/', 'name another folder with --work-dir', EMPTY),
    case(demo, 'a work dir inside a file', ['--work-dir', FILE], 'x.py', 'cannot write to the work dir', EMPTY),
    case(demo, 'a full disk', ['--quick', '--work-dir', '{folder}/work'], '0000.png', 'cannot write', room=5000),
    # tools/check_env.py
    case(check_env, 'an option', ['--verbose'], '--verbose', 'unrecognized arguments'),
    case(check_env, 'an unknown purpose', ['--for', 'test'], 'test', 'choose from'),
]


def missing_package(folder):
    needed = environment.requirements
    environment.requirements = lambda *_, **__: {'no_such_package': 'no-such-package==1.0'}
    try:
        command(check_env, '--for', 'develop')
    finally:
        environment.requirements = needed


def tool_in_a_process(name, *arguments, room=None):
    """Run a tool as a user does; raise the last line of what it says if it exits with another status than 0."""
    limit = None if room is None else lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'}
    done = subprocess.run(
        [sys.executable, str(ROOT / 'tools' / name), *map(str, arguments)],
        preexec_fn=limit,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert 'Traceback' not in done.stderr, done.stderr
    if done.returncode:
        raise Refused(done.stderr.splitlines()[-1])


def full_while_training(folder):
    """The only checkpoint that is kept survives one that cannot be written."""
    small(folder)
    options = [folder / 'small.py', '--work-dir', folder / 'work', '--cfg-options']
    options += ['default_hooks.checkpoint.max_keep_ckpts=1', 'default_hooks.checkpoint.save_best=None']
    train.main([*map(str, options), 'train_cfg.max_epochs=1', 'experiment_name=full', 'visualizer.name=full'])
    first = folder / 'work/epoch_1.pth'
    content = first.read_bytes()
    room = len(content) // 2
    try:
        tool_in_a_process('train.py', *options[:3], '--resume', *options[3:], room=room)
    finally:
        assert first.read_bytes() == content
        assert (folder / 'work/last_checkpoint').read_text() == str(first)
        assert [path.name for path in (folder / 'work').iterdir() if '.pth' in path.name] == ['epoch_1.pth']


def full_while_logging(folder):
    log = folder / 'runs.jsonl'
    append_line(log, 'one')
    before = log.read_bytes()
    try:
        with full_disk(len(before) + 5):
            append_line(log, 'a line that is too long')
    finally:
        assert log.read_bytes() == before


CASES += [
    Case(
        'check_env: a package missing', missing_package, Refused, 'no_such_package', 'pip install no-such-package==1.0'
    ),
    Case('train: a full disk', full_while_training, Refused, 'epoch_2.pth', f'cannot write .*({FULL})'),
    Case('compare: a full disk', full_while_logging, OSError, 'runs.jsonl', f'cannot write .*({FULL})'),
]


def one_is_kept_and_the_older_removed(folder):
    """With room, max_keep_ckpts=1 keeps one."""
    small(folder)
    names = ['experiment_name=kept', 'visualizer.name=kept', 'default_hooks.checkpoint.max_keep_ckpts=1']
    train.main([str(folder / 'small.py'), '--work-dir', str(folder / 'work'), '--cfg-options', *names])
    kept = sorted(path.name for path in (folder / 'work').glob('*.pth') if not path.name.startswith('best'))
    assert kept == ['epoch_2.pth'] and len(list((folder / 'work').glob('best*.pth'))) == 1
    assert Path((folder / 'work/last_checkpoint').read_text()) == folder / 'work/epoch_2.pth'


ACCEPTED = [Accepted('outdated checkpoints, which are removed', one_is_kept_and_the_older_removed)]
