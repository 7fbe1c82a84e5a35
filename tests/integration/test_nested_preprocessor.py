"""A downsizer in a preprocessor inside another one, as semi-supervised detectors have it: every tool finds it."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import load_checkpoint
from torch import nn

from mmdownsize.comparing.arms import Arm, at_scales, check_replaceable, config_of
from mmdownsize.comparing.curves import at_a_scale
from mmdownsize.configs import preprocessor_settings
from mmdownsize.deploy.extract import settings_in
from mmdownsize.drawing import draw
from mmdownsize.hooks.visualization import DownsizeVisualizationHook
from mmdownsize.resizers import DownsizeNet
from mmdownsize.resizers import io as pretrained
from tests.integration.swapped_models import built
from tests.integration.swapped_models import config_of as plain_config_of
from tests.integration.test_semi_supervised import branches, downsizer_of, swapped_config
from tools import export_onnx, extract_downsizer, get_flops, visualize_downsizer

PLACE = 'data_preprocessor.data_preprocessor.downsizer.'


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """The model, the file of its config and its checkpoint, as mmengine writes it."""
    folder = tmp_path_factory.mktemp('trained')
    config = swapped_config(folder)
    model = built(config).eval()
    nn.init.normal_(downsizer_of(model).fusion.weight, std=0.5)
    config.dump(folder / 'config.py')
    torch.save(dict(state_dict=model.state_dict(), meta=dict(cfg=config.pretty_text)), folder / 'model.pth')
    return model, folder / 'config.py', folder / 'model.pth'


def test_the_student_as_a_plain_detector_keeps_the_trained_downsizer(trained, tmp_path):
    model, _, checkpoint = trained
    state = torch.load(checkpoint)['state_dict']
    student = {key.removeprefix('student.'): value for key, value in state.items() if not key.startswith('teacher.')}
    torch.save(dict(state_dict=student, meta={}), tmp_path / 'student.pth')
    deployed = built(plain_config_of('faster_rcnn', tmp_path)).eval()
    load_checkpoint(deployed, str(tmp_path / 'student.pth'), map_location='cpu')
    image = 255 * torch.rand(1, 3, 20, 30)
    found = deployed.data_preprocessor.downsizer(image, (10, 15))
    assert torch.equal(found, downsizer_of(model)(image, (10, 15)))
    assert not torch.allclose(found, DownsizeNet()(image, (10, 15)), atol=1)
    again = built(
        Config.fromfile(trained[1])
    )  # and back: a plain detector's downsizer begins a semi-supervised training
    again.load_state_dict(deployed.state_dict(), strict=False)
    assert torch.equal(downsizer_of(again).fusion.weight, downsizer_of(model).fusion.weight)


def test_init_cfg_with_the_plain_models_prefix_is_told_where_the_downsizer_is(trained, tmp_path):
    for prefix, right in (('data_preprocessor.downsizer', False), (PLACE, True)):
        init_cfg = dict(type='Pretrained', checkpoint=str(trained[2]), prefix=prefix)
        plain = plain_config_of('faster_rcnn', tmp_path)
        plain.model.data_preprocessor.downsizer.init_cfg = init_cfg
        preprocessor = built(plain).data_preprocessor
        if right:
            preprocessor.init_weights()
            assert torch.equal(preprocessor.downsizer.fusion.weight, downsizer_of(trained[0]).fusion.weight)
        else:
            with pytest.raises(ValueError, match=rf"its downsizer is at prefix='{PLACE[:-1]}'"):
                preprocessor.init_weights()


def test_the_trained_downsizer_is_extracted(trained, tmp_path):
    model, path, checkpoint = trained
    for number, arguments in enumerate(([], ['--config', str(path)])):
        out = tmp_path / f'{number}.safetensors'
        extract_downsizer.main([str(checkpoint), str(out), *arguments])
        assert torch.equal(pretrained.load(out).state['fusion.weight'], downsizer_of(model).fusion.weight)


def test_settings_of_a_top_level_preprocessor_are_read(tmp_path):
    (tmp_path / 'config.py').write_text(
        "model = dict(type='A')\ndata_preprocessor = dict(a=dict(downsizer=dict(type='B')))"
    )
    assert settings_in(tmp_path / 'config.py') == dict(type='B')


def test_the_trained_downsizer_is_exported(trained, tmp_path, capsys):
    onnxruntime = pytest.importorskip('onnxruntime')
    model, path, checkpoint = trained
    export_onnx.main([str(path), str(checkpoint), '--out', str(tmp_path / 'net.onnx'), '--example', '50', '40'])
    images = 255 * torch.rand(1, 3, 20, 30)
    (found,) = onnxruntime.InferenceSession(tmp_path / 'net.onnx').run(None, dict(images=images.numpy()))
    with torch.no_grad():
        assert (torch.from_numpy(found) - downsizer_of(model)(images, (10, 15))).abs().max() < 1e-3
    assert 'no downsizer' not in capsys.readouterr().err


def test_the_trained_downsizer_is_drawn(trained, tmp_path):
    model, path, checkpoint = trained
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    cv2.imwrite(str(tmp_path / 'a.png'), image)
    out = tmp_path / 'out'
    visualize_downsizer.main([str(path), str(checkpoint), str(tmp_path / 'a.png'), '--out', str(out)])
    (written,) = out.glob('*.png')
    source = torch.from_numpy(image).permute(2, 0, 1).float()
    assert np.array_equal(cv2.imread(str(written))[..., ::-1], draw(downsizer_of(model), source, (10, 15)))


def test_the_hook_draws_the_images_of_the_branches(trained):
    model, batch, added = trained[0], branches(), {}
    images = [image for branch in batch['inputs'].values() for image in branch]
    batch['inputs'] = {name: [None, *branch] for name, branch in batch['inputs'].items()}  # as mmdet collates them
    visualizer = SimpleNamespace(add_image=lambda name, picture, step: added.update({name: picture}))
    runner = SimpleNamespace(model=model, visualizer=visualizer, iter=0)
    hook = DownsizeVisualizationHook(images=3)
    hook.before_train(runner)
    hook.after_train_iter(runner, 0, batch)
    assert list(added) == ['downsizer/0', 'downsizer/1', 'downsizer/2']
    for picture, image in zip(added.values(), images):
        h, w = image.shape[1:]
        assert np.array_equal(picture, draw(downsizer_of(model), image, ((h + 1) // 2, (w + 1) // 2)))


def test_the_multiply_adds_of_the_downsizer_are_counted(trained, capsys):
    get_flops.main([str(trained[1]), '--shape', '96', '64'])
    printed = capsys.readouterr().out
    assert '64x96 to 32x48 px' in printed
    assert 'DownsizeNet' in printed and 'no downsizer' not in printed


def test_arms_of_a_comparison_replace_it(trained, tmp_path):
    cfg = Config.fromfile(trained[1])
    check_replaceable(cfg, trained[1])
    arm = Arm('area', dict(type='FixedResizer', kernel='area'), {})
    (scaled,) = at_scales([arm], cfg, [0.25])
    key = 'model.data_preprocessor.data_preprocessor.scale_factor'
    assert scaled.options == {key: 0.25}
    path, settings = preprocessor_settings(config_of(cfg, scaled, 0).model)
    assert (path, settings.downsizer, settings.scale_factor) == (key.rpartition('.')[0], arm.downsizer, 0.25)
    run = dict(arm='area', options={})
    assert at_a_scale(run, {key: 0.5}) == dict(arm='area@0.5', options={key: 0.5})
    assert at_a_scale(dict(arm='area@0.25', options=scaled.options), {key: 0.5})['arm'] == 'area@0.25'
