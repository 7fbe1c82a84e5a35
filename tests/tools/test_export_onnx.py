"""tools/export_onnx.py: a config and a checkpoint in, a file that was compared with PyTorch out."""

import json

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

pytest.importorskip('mmseg')
pytest.importorskip('onnx')
pytest.importorskip('onnxruntime')

import onnxruntime as ort

from mmdownsize.deploy import export
from mmdownsize.deploy.onnx_file import record
from mmdownsize.registry import MODELS
from mmdownsize.version import __version__
from tests.tools.small_training import write_config
from tools import export_onnx

EXAMPLE = ['--example', '56', '40']


@pytest.fixture
def trained(tmp_path, data):
    config = write_config(tmp_path / 'small.py', data, by_epoch=True, seed=0, workers=0)
    init_default_scope('mmseg')
    model = MODELS.build(Config.fromfile(config).model)
    model.init_weights()
    torch.nn.init.normal_(model.data_preprocessor.downsizer.fusion.weight, std=0.3)
    torch.nn.init.normal_(model.decode_head.conv_seg.weight)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'model.pth')
    return str(config), str(tmp_path / 'model.pth'), model.eval()


def run(path, images):
    session = ort.InferenceSession(path, providers=['CPUExecutionProvider'])
    return session.run(None, {'images': images.numpy()}), session.get_modelmeta().custom_metadata_map


def test_the_downsizer_of_a_checkpoint(trained, tmp_path, capsys):
    config, checkpoint, model = trained
    out = tmp_path / 'new' / 'net.onnx'
    export_onnx.main([config, checkpoint, '--out', str(out), *EXAMPLE])
    images = torch.rand(3, 3, 31, 47) * 255
    (found,), meta = run(out, images)
    with torch.no_grad():
        wanted = model.data_preprocessor.downsizer(images, (16, 24))
    assert (torch.from_numpy(found) - wanted).abs().max() <= 1e-4
    assert meta['mmdownsize.version'] == __version__
    assert meta['mmdownsize.part'] == 'downsizer'
    assert json.loads(meta['mmdownsize.downsizer']) == dict(type='DownsizeNet', channels=4)
    assert json.loads(meta['mmdownsize.target']) == dict(scale_factor=0.5)
    assert meta['mmdownsize.input'] == 'images: (N, C, H, W) float32, 0..255, BGR'
    assert Config.fromstring(meta['mmdownsize.config'], '.py').model.data_preprocessor.scale_factor == 0.5
    assert (meta['mmdownsize.config_name'], meta['mmdownsize.checkpoint']) == ('small.py', 'model.pth')
    assert str(tmp_path) not in meta['mmdownsize.config_name'] + meta['mmdownsize.checkpoint']
    printed = capsys.readouterr().err
    assert printed.count('equal') == 3
    assert 'opset 17' in printed
    assert 'untrained' not in printed


def test_the_segmentor_with_rgb_bytes(trained, tmp_path, capsys):
    config, checkpoint, model = trained
    out = tmp_path / 'net.onnx'
    arguments = [config, checkpoint, '--out', str(out), '--part', 'segmentor', '--rgb', '--dtype', 'uint8', *EXAMPLE]
    export_onnx.main([*arguments, '--markdown'])
    images = torch.randint(0, 256, (2, 3, 37, 50), dtype=torch.uint8)
    (logits, labels), meta = run(out, images.flip(1))
    for i, sample in enumerate(model.test_step(dict(inputs=list(images)))):
        assert (torch.from_numpy(logits[i]) - sample.seg_logits.data).abs().max() <= 1e-4
        assert (torch.from_numpy(labels[i]) == sample.pred_sem_seg.data[0]).float().mean() > 0.99
    assert meta['mmdownsize.input'] == 'images: (N, C, H, W) uint8, 0..255, RGB'
    lines = capsys.readouterr().out.strip().splitlines()
    assert lines[0] == '| images | output | shape | largest value | difference | limit |  |'
    assert [line.split(' | ')[1] for line in lines[2:]] == ['logits', 'labels'] * 3
    assert all(line.endswith('| equal |') for line in lines[2:])


def test_a_checkpoint_of_the_model_without_a_downsizer_leaves_it_at_its_start(trained, tmp_path, capsys):
    config, checkpoint, _ = trained
    state = torch.load(checkpoint)['state_dict']
    theirs = {key: value for key, value in state.items() if 'downsizer' not in key}
    torch.save(dict(state_dict=dict(theirs, extra=torch.zeros(1))), checkpoint)
    export_onnx.main([config, checkpoint, '--out', str(tmp_path / 'net.onnx'), '--part', 'segmentor', *EXAMPLE])
    printed = ' '.join(capsys.readouterr().err.split())
    assert 'note: the checkpoint has no downsizer: it is exported as it starts' in printed
    assert 'note: not used: extra' in printed
    export_onnx.main([config, '--out', str(tmp_path / 'net.onnx'), *EXAMPLE])
    assert 'note: no checkpoint: the weights are untrained' in ' '.join(capsys.readouterr().err.split())


def test_weights_that_do_not_fit_are_refused(trained, tmp_path):
    config, checkpoint, _ = trained
    out = ['--out', str(tmp_path / 'net.onnx'), *EXAMPLE]
    whole = torch.load(checkpoint)['state_dict']
    for key, part, message in (
        ('decode_head.conv_seg.bias', 'segmentor', 'does not fit the config: .*decode_head.conv_seg.bias missing'),
        ('data_preprocessor.downsizer.fusion.bias', 'downsizer', 'does not fit the downsizer: fusion.bias is missing'),
    ):
        torch.save(dict(state_dict={k: v for k, v in whole.items() if k != key}), checkpoint)
        with pytest.raises(SystemExit, match=message):
            export_onnx.main([config, checkpoint, *out, '--part', part])
    torch.save(dict(state_dict=dict(whole, **{'decode_head.conv_seg.bias': torch.zeros(7)})), checkpoint)
    with pytest.raises(SystemExit, match='does not fit the config'):
        export_onnx.main([config, checkpoint, *out, '--part', 'segmentor'])
    assert not (tmp_path / 'net.onnx').exists()


def test_what_differs_is_not_written(trained, tmp_path, monkeypatch, capsys):
    config, checkpoint, _ = trained
    out = tmp_path / 'net.onnx'
    out.write_bytes(b'an earlier one')
    monkeypatch.setattr(export, 'record', lambda module, *args, **kwargs: record(Off(module), *args, **kwargs))
    with pytest.raises(SystemExit, match='does not give what PyTorch gives, and is not written'):
        export_onnx.main([config, checkpoint, '--out', str(out), *EXAMPLE])
    assert out.read_bytes() == b'an earlier one'
    assert capsys.readouterr().err.count('differs') == 3


class Off(torch.nn.Module):
    """A module that is a little off."""

    def __init__(self, module):
        super().__init__()
        self.module, self.outputs = module, module.outputs

    def forward(self, images):
        return self.module(images) + 0.01


def test_a_full_disk_is_reported_by_name(trained, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, 'No space left on device')

    out = tmp_path / 'net.onnx'
    out.write_bytes(b'an earlier one')
    monkeypatch.setattr('mmdownsize.storage.os.fsync', full)
    with pytest.raises(SystemExit, match=r'cannot write .*net.onnx: No space left on device'):
        export_onnx.main([*trained[:2], '--out', str(out), *EXAMPLE])
    assert out.read_bytes() == b'an earlier one'


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['{config}', '--out', 'net.pth'], r'net.pth: the file is to end in .onnx'),
        (['nowhere.py', '--out', 'net.onnx'], r'no such config: nowhere.py'),
        (['{config}', 'nowhere.pth', '--out', 'net.onnx'], r'no such checkpoint: nowhere.pth'),
        (['{config}', '--out', 'net.onnx', '--opset', '11'], r'opset must be 17 to 20, got 11'),
        (
            ['{config}', '--out', 'net.onnx', '--part', 'segmentor', '--cfg-options', 'model.test_cfg.mode=slide'],
            r"mode='slide' predicts in windows",
        ),
        (
            ['{config}', '--out', 'net.onnx', '--part', 'segmentor', '--cfg-options', 'default_scope=mmdet'],
            r"--part segmentor needs a config of mmsegmentation, got default_scope='mmdet'",
        ),
        (
            ['{config}', '--out', 'net.onnx', '--cfg-options', 'model.data_preprocessor=None'],
            r'has no model.data_preprocessor: mmdownsize swap puts a downsizer into a config',
        ),
    ],
)
def test_bad_input(trained, arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=message):
        export_onnx.main([argument.format(config=trained[0]) for argument in arguments])
    assert not list(tmp_path.glob('*.onnx*'))


def test_a_fixed_resizer_takes_the_channels_of_the_model(trained, tmp_path):
    cfg = Config.fromfile(trained[0])
    cfg.model.data_preprocessor.update(mean=[1.0] * 4, std=[1.0] * 4)
    cfg.model.data_preprocessor.downsizer = dict(type='FixedResizer', kernel='area')
    cfg.dump(tmp_path / 'four.py')
    export_onnx.main([str(tmp_path / 'four.py'), '--out', str(tmp_path / 'net.onnx'), *EXAMPLE])
    (found,), _ = run(tmp_path / 'net.onnx', torch.full((1, 4, 20, 30), 7.0))
    assert found.shape == (1, 4, 10, 15) and (abs(found - 7) < 1e-4).all()
    with pytest.raises(SystemExit, match='--rgb needs images of 3 channels, the downsizer takes 4'):
        export_onnx.main([str(tmp_path / 'four.py'), '--out', str(tmp_path / 'net.onnx'), '--rgb', *EXAMPLE])
