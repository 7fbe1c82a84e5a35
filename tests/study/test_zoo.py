"""study/zoo/sweep.py: verdicts on models that work, fail and misbehave; bounds, resuming, tables, which config is light."""

import json
import platform
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')

from mmengine.registry import DefaultScope

from mmdownsize.configs import read_named_config
from mmdownsize.swapping.build import build
from study.zoo import families as zoo_families
from study.zoo import sweep as zoo_sweep
from study.zoo import table as zoo_table
from study.zoo import trial as zoo_trial

ROOT = Path(__file__).parents[2]
REPORTS = ('zoo', 'zoo_onedl')
PLANTED = """
custom_imports = dict(imports=['tests.study.planted_model'])
default_scope = 'mmseg'
model = dict(
    type='PlantedModel',
    behaviour={!r},
    data_preprocessor=dict(type='SegDataPreProcessor', size=(512, 512), mean=[0.0] * 3, std=[50.0] * 3),
)
"""


@pytest.fixture
def zoo(tmp_path, monkeypatch):
    """A function that writes families of one config each, and the folder that they lie in."""
    monkeypatch.syspath_prepend(str(ROOT))
    folder = tmp_path / 'zoo'

    def write(**families):
        for family, text in families.items():
            (folder / family).mkdir(parents=True)
            (folder / family / 'model_r18.py').write_text(text)
        return folder

    return write


def sweep(folder, out, *options):
    zoo_sweep.main(['--configs', str(folder), '--out', str(out), *options])
    return json.loads(out.read_text())['configs']


def test_a_detector_and_a_segmentor_give_what_they_give_without_a_downsizer(zoo, tmp_path, capsys):
    folder = zoo(
        det="_base_ = 'mmdet::mask_rcnn/mask-rcnn_r50_fpn_1x_coco.py'\nmodel = dict(backbone=dict(depth=18), "
        'neck=dict(in_channels=[64, 128, 256, 512]))\ntrain_dataloader = dict(dataset=dict(pipeline=[dict('
        "type='LoadAnnotations', with_mask=True), dict(type='Resize', scale=(320, 256))]))\n"
        "test_dataloader = dict(dataset=dict(pipeline=[dict(type='Resize', scale=(320, 256))]))\n",
        seg="_base_ = 'mmseg::fcn/fcn_r18-d8_4xb2-80k_cityscapes-769x769.py'\n"
        'model = dict(data_preprocessor=dict(size=(192, 192)))\n'
        "test_dataloader = dict(dataset=dict(pipeline=[dict(type='Resize', scale=(256, 192))]))\n",
    )
    entries = sweep(folder, tmp_path / 'report.json')
    assert sorted(entries) == ['zoo/det/model_r18.py', 'zoo/seg/model_r18.py']
    for entry in entries.values():
        assert entry['verdict'] == 'works' and entry['reason'] == ''
        assert entry['loss_difference'] < 1e-3
        assert entry['same_prediction'] > 0.98
        assert min(entry['seconds']) > 0 and min(entry['peak_mib']) > 100
        assert entry['check'] == entry['fit'] == 'works'
    assert entries['zoo/seg/model_r18.py']['flops'] == 'works'
    capsys.readouterr()
    assert sweep(folder, tmp_path / 'report.json', '--markdown') == entries
    said = capsys.readouterr().out
    families, check, fit, _, took, versions, _, head = said.splitlines()[:8]
    assert families == '- zoo: 2 of 2 families tried; 2 of 2 that run here run with a downsizer.'
    assert check == '- zoo: check works with 2 of 2 families.' and fit == '- zoo: fit works with 2 of 2 families.'
    longest = max(second for entry in entries.values() for second in entry['seconds'])
    assert took.startswith('- 2 configs: ') and f'the longest {longest / 60:.1f} min' in took
    assert versions.startswith('- mmcv 2.') and 'mmdet 3.' in versions and 'mmseg 1.' in versions
    assert versions.endswith(f', python {platform.python_version()}, torch {torch.__version__}.')
    assert head.startswith('| config | verdict |')
    assert '| `zoo/seg/model_r18.py` | works | 0.0' in said


def test_what_a_sweep_took_is_summed_up():
    report = {
        'a': {'seconds': [60.0, 90.0], 'peak_mib': [1024, 2048]},
        'b': {'seconds': [30.0, None], 'peak_mib': [9216, None]},  # its second process did not end
        'c': {},  # refused
    }
    assert zoo_table.what_it_took({'configs': report}) == (
        '3 configs: 3 min of processes one after the other, the longest 1.5 min, the largest 9.0 GiB, '
        'half of them below 2.0 GiB'
    )
    assert zoo_table.what_it_took({'configs': {'c': {}}}) == '1 configs, none of which ran'


@pytest.mark.parametrize(
    ('behaviour', 'verdict', 'reason'),
    [
        ('fine', 'works', ''),
        ('only swapped', 'fails only swapped', 'RuntimeError: planted in planted_model.py'),
        ('only unswapped', 'fails only unswapped', 'planted'),
        ('deaf', 'fails only swapped', 'the downsizer gets no gradient'),
        ('boxes', 'fails only swapped', 'boxes lie outside the original image'),
        ('no such build', 'fails in both', "no attribute 'gone'"),
        ('infinite', 'fails in both', 'losses that are not finite: loss, loss_seg'),
        ('small map', 'fails in both', 'pred_sem_seg has (512, 512) (h, w), the original image (768, 768)'),
        ('dies', 'fails in both', 'the process ended with code 3'),
        ('allocates', 'fails in both', "can't allocate memory"),
    ],
)
def test_verdicts_on_planted_models(behaviour, verdict, reason, zoo, tmp_path):
    folder = zoo(planted=PLANTED.format(behaviour))
    (entry,) = sweep(folder, tmp_path / 'report.json').values()
    assert entry['verdict'] == verdict
    assert reason in entry['reason'] and bool(reason) == bool(entry['reason'])
    assert (verdict == 'works') == ('loss_difference' in entry)


def test_a_process_is_ended_after_its_time(zoo, tmp_path):
    folder = zoo(slow=PLANTED.format('sleeps'))
    (entry,) = sweep(folder, tmp_path / 'report.json', '--seconds', '6').values()
    assert (entry['verdict'], entry['reason']) == ('fails in both', 'took longer than 6 s')
    assert entry['hw'] == [128, 160]  # larger images would take longer still


def test_what_has_no_counterpart_is_refused_with_the_tool_s_words(zoo, tmp_path):
    folder = zoo(
        video="model = dict(type='X', data_preprocessor=dict(type='TrackDataPreprocessor'))",
        plain='x = 1',
        broken='x = 1 / 0',
    )
    entries = sweep(folder, tmp_path / 'report.json')
    video, plain, broken = (entries[f'zoo/{name}/model_r18.py'] for name in ('video', 'plain', 'broken'))
    assert video['verdict'] == 'refused'
    assert video['reason'].startswith('TrackDataPreprocessor has no counterpart here; there is one for DetDataPreproc')
    assert (plain['verdict'], plain['reason']) == ('fails in both', 'the config describes no model')
    assert broken['verdict'] == 'fails in both' and 'division by zero' in broken['reason']
    assert str(tmp_path) not in broken['reason']


def test_what_the_preprocessor_refuses_is_no_failure(zoo, tmp_path):
    folder = zoo(padded=PLANTED.format('fine').replace('size=', 'size_divisor=32, size='))
    (entry,) = sweep(folder, tmp_path / 'report.json').values()
    assert entry['verdict'] == 'refused'
    assert (
        entry['reason'].startswith('size=(') and 'size_divisor=32 clash: mmseg pads to one of them' in entry['reason']
    )


def test_only_what_the_plugin_raises_by_itself_is_a_refusal():
    from mmdownsize.resizers import DownsizeNet

    def caught(function, *args):
        try:
            try:
                function(*args)
            except Exception as error:
                raise RuntimeError('wrapped') from error
        except RuntimeError as error:
            return zoo_trial.refusal_behind(error)

    assert 'neighbors' in str(caught(lambda: DownsizeNet(neighbors=3)))
    assert caught(DownsizeNet.forward, None, torch.zeros(1, 3, 4, 4), (2, 2)) is None  # an error, but no refusal
    assert caught(lambda: 1 / 0) is None


def test_an_interrupted_sweep_goes_on_where_it_was(zoo, tmp_path, monkeypatch):
    folder, out, tried = zoo(a='model = 1', b='model = 1', c='model = 1'), tmp_path / 'report.json', []

    def trial(config, *args):
        tried.append(config.parent.name)
        if tried == ['a', 'b']:
            raise KeyboardInterrupt
        return dict(verdict='works', reason=f'{len(tried)}', **dict.fromkeys(zoo_table.TOOLS, 'works'))

    monkeypatch.setattr(zoo_sweep, 'try_config', trial)
    with pytest.raises(KeyboardInterrupt):
        sweep(folder, out)
    assert list(json.loads(out.read_text())['configs']) == ['zoo/a/model_r18.py']
    entries = sweep(folder, out)
    assert tried == ['a', 'b', 'b', 'c'] and entries['zoo/a/model_r18.py']['reason'] == '1'
    sweep(folder, out)
    assert len(tried) == 4
    zoo_sweep.main(['--configs', str(folder), '--out', str(out), '--table'])
    assert len(tried) == 4
    report = json.loads(out.read_text())
    del report['configs']['zoo/b/model_r18.py']['flops']  # of before there was this column
    out.write_text(json.dumps(report))
    assert sweep(folder, out)['zoo/b/model_r18.py']['flops'] == 'works' and tried[4:] == ['b']


def test_a_report_is_of_one_set_of_versions(zoo, tmp_path, monkeypatch):
    folder, out = zoo(a='model = 1', b='model = 1'), tmp_path / 'report.json'
    monkeypatch.setattr(zoo_sweep, 'try_config', lambda *_: dict(verdict='works', reason=''))
    sweep(folder, out, '--only', 'a')
    here = zoo_sweep.installed_versions()
    assert json.loads(out.read_text())['versions'] == here
    monkeypatch.setattr(zoo_sweep, 'installed_versions', lambda: here | dict(mmdet='4.0.0'))
    before = out.read_text()
    said = f'is of .*mmdet {here["mmdet"]}, .*, here is .*mmdet 4.0.0.*: name another file'
    with pytest.raises(SystemExit, match=said):
        sweep(folder, out)
    monkeypatch.setattr(zoo_sweep, 'installed_versions', lambda: here | dict(more='1.0'))
    with pytest.raises(SystemExit, match=r'here is .*more 1\.0.*: name another file'):
        sweep(folder, out)
    assert out.read_text() == before
    sweep(folder, out, '--table')  # which runs nothing
    monkeypatch.setattr(zoo_sweep, 'installed_versions', lambda: here)
    assert len(sweep(folder, out)) == 2


def test_only_what_differs_from_another_report_is_told(zoo, tmp_path, monkeypatch, capsys):
    folder = zoo(same='model = 1', other='model = 1', more='model = 1')
    verdicts = dict(same='works', other='refused')
    monkeypatch.setattr(zoo_sweep, 'try_config', lambda path, *_: dict(verdict=verdicts[path.parent.name], reason=''))
    sweep(folder, tmp_path / 'theirs.json', '--only', 'same', 'other')
    verdicts.update(other='works', more='works')
    sweep(folder, tmp_path / 'ours.json')
    capsys.readouterr()
    sweep(folder, tmp_path / 'ours.json', '--markdown', '--differing-from', str(tmp_path / 'theirs.json'))
    said = capsys.readouterr().out
    assert '- 1 configs have the same verdict in both reports.' in said
    assert [line.split('`')[1] for line in said.splitlines() if '`' in line] == [
        'zoo/more/model_r18.py',
        'zoo/other/model_r18.py',
    ]
    with pytest.raises(SystemExit, match=r'gone\.json: no such file'):
        sweep(folder, tmp_path / 'ours.json', '--markdown', '--differing-from', 'gone.json')
    with pytest.raises(SystemExit):
        sweep(folder, tmp_path / 'ours.json', '--differing-from', str(tmp_path / 'theirs.json'))
    assert '--differing-from goes with --markdown' in capsys.readouterr().err


def built(config):
    with DefaultScope.overwrite_default_scope('mmdet'):
        return build(zoo_trial.sized(read_named_config(config)[0], (128, 160)))


def test_models_are_built_without_other_processes_and_without_a_net(monkeypatch):
    def no_net(*_, **__):
        raise AssertionError('something is downloaded')

    monkeypatch.setattr('mmengine.runner.checkpoint.load_url', no_net)
    for config in (
        'mmdet::strong_baselines/mask-rcnn_r50_fpn_rpn-2conv_4conv1fc_syncbn-all_lsj-50e_coco.py',
        'mmdet::pvt/retinanet_pvt-t_fpn_1x_coco.py',
    ):
        model = built(config)
        assert not any('SyncBatchNorm' in type(module).__name__ for module in model.modules())


def test_a_model_with_a_set_number_of_proposals_predicts_for_each():
    kept = {}
    for name in ('queryinst/queryinst_r50_fpn_1x_coco.py', 'faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py'):
        kept[name.partition('/')[0]] = built(f'mmdet::{name}').test_cfg.rcnn.max_per_img
    assert kept == dict(queryinst=100, faster_rcnn=10)


def test_a_distiller_has_the_same_teacher_with_a_downsizer(tmp_path, monkeypatch):
    weights = tmp_path / 'weights.pth'
    monkeypatch.chdir(zoo_families.installed_configs()[0].parent)  # the teacher's config is named from there
    with DefaultScope.overwrite_default_scope('mmdet'):
        cfg = read_named_config('mmdet::ld/ld_r18-gflv1-r101_fpn_1x_coco.py')[0]
        models = [build(zoo_trial.sized(cfg, (128, 160))) for _ in range(2)]
    _, teacher = zoo_trial.parts_of(models[0])
    with torch.no_grad():
        next(teacher.parameters()).add_(1)
    zoo_trial.keep_weights(models[0], weights)
    zoo_trial.take_weights(models[1], weights)
    for ours, theirs in zip(*(zoo_trial.parts_of(model) for model in models)):
        assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters()))
    assert len(zoo_trial.parts_of(teacher)) == 1


def test_families_and_all_their_configs(zoo, tmp_path, monkeypatch, capsys):
    folder, out = (
        zoo(a='model = dict(x=1)', b='model = dict(x=1)', _base_='model = dict(x=1)'),
        tmp_path / 'report.json',
    )
    (folder / 'a' / 'model_nano.py').write_text('fragment = 1')
    monkeypatch.setattr(zoo_sweep, 'try_config', lambda *args: dict(verdict='works', reason=''))
    assert list(sweep(folder, out, '--only', 'a')) == ['zoo/a/model_r18.py']  # the lighter one is no model
    capsys.readouterr()
    assert list(sweep(folder, out, '--only', 'zoo/a', '--all')) == ['zoo/a/model_nano.py', 'zoo/a/model_r18.py']
    assert 'zoo: 1 of 2 families tried; 1 of 1 that run here' in capsys.readouterr().err
    assert len(sweep(folder, out)) == 3


def test_a_family_whose_lightest_does_not_run_is_tried_further(zoo, tmp_path, monkeypatch, capsys):
    folder, out = zoo(a='model = dict(x=1)', b='model = dict(x=1)'), tmp_path / 'report.json'
    for name in ('model_nano', 'model_tiny', 'model_r101'):
        (folder / 'a' / f'{name}.py').write_text('model = dict(x=1)')
    verdicts = dict(model_nano='fails in both', model_tiny='fails in both', model_r18='works')
    monkeypatch.setattr(zoo_sweep, 'try_config', lambda path, *_: dict(verdict=verdicts[path.stem], reason=''))
    lightest = ['zoo/a/model_nano.py', 'zoo/b/model_r18.py']
    assert sorted(sweep(folder, out)) == lightest
    said = ' '.join(capsys.readouterr().err.split())
    assert '1 of 1 that run here run with a downsizer; 1 fails without a downsizer too' in said
    assert sorted(sweep(folder, out, '--tries', '2')) == ['zoo/a/model_nano.py', 'zoo/a/model_tiny.py', lightest[1]]
    assert len(sweep(folder, out, '--tries', '4')) == 4  # not model_r101: model_r18 works
    capsys.readouterr()
    assert len(sweep(folder, out, '--tries', '4')) == 4
    assert '2 of 2 families tried; 2 of 2 that run here run with a downsizer\n' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        sweep(folder, out, '--tries', '0')


def test_a_family_s_verdict():
    def verdict(*verdicts):
        return zoo_table.verdict_of([dict(verdict=one) for one in verdicts])

    assert verdict('fails in both', 'works') == verdict('refused', 'works') == 'works'
    assert verdict('works', 'fails only swapped') == 'fails only swapped'
    assert verdict('fails in both', 'fails only unswapped', 'refused') == 'fails only unswapped'
    assert verdict('fails in both', 'refused') == 'refused'


def test_the_lightest_config_of_a_family():
    def first(*names):
        return min((Path(f'{name}.py') for name in names), key=zoo_families.weight).stem

    assert first('a_r101_x', 'a_r50_x', 'a_r18_fpn_1x_coco', 'a_x101_x') == 'a_r18_fpn_1x_coco'
    assert first('rtmdet_l_300e', 'rtmdet_tiny_300e', 'rtmdet_s_300e') == 'rtmdet_tiny_300e'
    assert first('swin-l-p4', 'swin-t-p4', 'swin-s-p4') == 'swin-t-p4'
    assert first('fcos_r50_caffe_giou', 'fcos_r50') == 'fcos_r50'
    assert first('a_hrnet_w40', 'a_large') == 'a_hrnet_w40'


def test_agreement_is_measured():
    boxes = np.array([[0.0, 0, 100, 50], [10, 10, 20, 20]])
    stock = dict(map=np.array([[1, 2], [3, 4]]), boxes=boxes, labels=np.array([0, 1]), inside=True)
    assert zoo_sweep.same_prediction([stock], [stock]) == 1
    assert zoo_sweep.same_prediction([stock], [dict(stock, boxes=boxes[::-1], labels=np.array([1, 0]))]) == 1
    assert zoo_sweep.same_prediction([stock], [dict(stock, labels=np.array([0, 0]))]) == pytest.approx(5 / 6, abs=1e-4)
    assert zoo_sweep.same_prediction([stock], [dict(stock, boxes=boxes + 2)]) == pytest.approx(4 / 6, abs=1e-4)
    assert zoo_sweep.same_prediction([stock], [dict(stock, boxes=boxes[:0], labels=np.zeros(0))]) == pytest.approx(
        4 / 6, abs=1e-4
    )
    assert zoo_sweep.same_prediction([dict(stock, map=None, boxes=boxes[:0])], [stock]) is None
    assert zoo_sweep.loss_difference(dict(loss=2.0), dict(loss=2.5)) == 0.25
    assert zoo_sweep.loss_difference(dict(loss=2.0), dict(loss=2.0, other=1.0)) is None


def test_the_page_has_what_the_reports_say():
    page = (ROOT / 'study' / 'pages' / 'zoo.md').read_text()
    pinned, forks = (json.loads((ROOT / 'study' / 'results' / f'{name}.json').read_text()) for name in REPORTS)
    assert zoo_table.causes(pinned) in page
    assert zoo_table.markdown(forks, pinned['configs']) in page
    verdicts = {entry['verdict'] for report in (pinned, forks) for entry in report['configs'].values()}
    assert verdicts <= {'works', 'refused', 'fails in both'}


def test_what_does_not_work_is_told_a_cause_a_row(zoo, tmp_path, monkeypatch, capsys):
    folder = zoo(same='model = 1', other='model = 1', more='model = 1', works='model = 1')
    cut = "ImportError: ['gone'], the current sys.pa…"
    entries = dict(
        same=dict(verdict='fails in both', reason=f'same.py cannot be read as a config: {cut}'),
        other=dict(
            verdict='fails in both',
            reason="other.py cannot be read as a config: ImportError: ['gone'], the current sys",
        ),
        more=dict(verdict='refused', reason='no_place'),
        works=dict(verdict='works', reason='boxes are not clipped'),
    )
    monkeypatch.setattr(zoo_sweep, 'try_config', lambda path, *_: entries[path.parent.name])
    sweep(folder, tmp_path / 'report.json')
    capsys.readouterr()
    sweep(folder, tmp_path / 'report.json', '--causes')
    said = capsys.readouterr().out
    assert said.startswith('- zoo: 4 of 4 families tried; 1 of 1 that run here')
    assert said.endswith(
        "| fails without a downsizer too | ImportError: \\['gone'\\] | zoo/other, zoo/same |\n"
        '| refused with a reason | no\\_place | zoo/more |\n'
    )


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--only', 'gone'], 'unknown --only gone, choose from .*mmdet/retinanet'),
        (['--configs', 'nowhere'], '--configs nowhere: no such folder'),
        (['--out', 'README.md'], 'README.md is no report of this tool'),
    ],
)
def test_bad_command_lines(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path('README.md').write_text('{}')
    with pytest.raises(SystemExit, match=message):
        zoo_sweep.main(arguments if '--out' in arguments else [*arguments, '--out', 'report.json'])
    assert not Path('report.json').exists()


@pytest.mark.parametrize('option', ['--seconds', '--memory'])
def test_bounds_are_above_zero(option, capsys):
    with pytest.raises(SystemExit):
        zoo_sweep.main([option, '0'])
    assert f'{option} must be above 0, got 0.0' in capsys.readouterr().err
