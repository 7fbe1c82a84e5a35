"""Target sizes at equal cost."""

import pytest
from mmengine.config import Config

from mmdownsize.comparing import costs
from mmdownsize.comparing.arms import Arm, config_of
from tests.tools.small_training import write_config


@pytest.mark.parametrize(
    ('preprocessor', 'expected'),
    [
        (dict(scale_factor=0.5), dict(scale_factor=1.0)),
        (dict(scale_factor=(0.25, 0.5)), dict(scale_factor=(0.5, 1.0))),
        (dict(scale=(160, 100)), dict(scale=(320, 200))),
        (dict(scale=101), dict(scale=202)),
    ],
)
def test_a_target_of_four_times_the_pixels(preprocessor, expected):
    assert costs.target_area(preprocessor, 4.0) == expected


def test_equal_cost_is_found_on_the_line_through_two_sizes(tmp_path, data, monkeypatch):
    cfg = Config.fromfile(write_config(tmp_path / 'c.py', data, by_epoch=True, seed=0, workers=0))
    fixed = Arm('fixed', {'type': 'FixedResizer'}, {'optim_wrapper.optimizer.lr': 0.5}, 'net')
    net = Arm('net', {'type': 'DownsizeNet'}, {})

    def seconds(own):  # 1 s and 2 s for the pixels at scale_factor=0.5; 0.48 s for DownsizeNet
        preprocessor = own.model.data_preprocessor
        extra = 0.48 if preprocessor.downsizer['type'] == 'DownsizeNet' else 0
        return 1 + 2 * (preprocessor.scale_factor / 0.5) ** 2 + extra

    monkeypatch.setattr(costs, 'inference_seconds', seconds)
    path = tmp_path / 'equal_cost.json'
    for _ in range(2):  # measured, then read
        resolved, same = costs.resolve_costs(cfg, [fixed, net], 0, path)
        assert same is net
        assert resolved.options['model.data_preprocessor.scale_factor'] == pytest.approx(0.5 * 1.24**0.5)
        assert resolved.options['optim_wrapper.optimizer.lr'] == 0.5
        own = config_of(cfg, resolved, 0)
        assert own.model.data_preprocessor.scale_factor == pytest.approx(0.5 * 1.24**0.5)
        monkeypatch.setattr(costs, 'inference_seconds', None)


def test_inference_is_timed_on_some_of_the_configs_own_images(tmp_path, data, monkeypatch):
    cfg = Config.fromfile(write_config(tmp_path / 'c.py', data, by_epoch=True, seed=0, workers=0))
    cfg.val_dataloader.batch_size = 2
    built, build = [], costs.Runner.build_dataloader
    monkeypatch.setattr(
        costs.Runner, 'build_dataloader', lambda *args, **kwargs: built.append(build(*args, **kwargs)) or built[0]
    )
    from mmseg.models import EncoderDecoder

    predicted, step = [], EncoderDecoder.val_step
    monkeypatch.setattr(
        EncoderDecoder,
        'val_step',
        lambda self, batch: predicted.append(batch['data_samples'][0].img_path) or step(self, batch),
    )
    inference = costs.Inference(cfg, images=2)
    assert built[0].batch_size == 1
    indices = 0, -(-len(built[0].dataset) // 2)
    paths = [built[0].dataset[i]['data_samples'].img_path for i in indices]
    assert predicted == paths and paths[0] != paths[1]
    inference.time()
    assert predicted == 2 * paths
    assert 0 < inference.seconds < 60


def test_the_least_time_of_every_image_counts(tmp_path, data, monkeypatch):
    cfg = Config.fromfile(write_config(tmp_path / 'c.py', data, by_epoch=True, seed=0, workers=0))
    clock = iter([0, 9, 0, 9, 0, 1, 0, 5, 0, 3, 0, 2])  # begin and end of every prediction; the first two do not count
    monkeypatch.setattr(costs.time, 'perf_counter', lambda: next(clock))
    inference = costs.Inference(cfg, images=2)
    inference.time()
    assert inference.seconds == (1 + 5) / 2
    inference.time()
    assert inference.seconds == (1 + 2) / 2
