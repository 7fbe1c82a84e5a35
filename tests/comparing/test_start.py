"""The weights that all arms start from: what fits a model is what the model itself can begin with."""

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope

from mmdownsize.checkpoints import CheckpointError
from mmdownsize.comparing.start import write_start
from tests.tools.small_training import write_config

pytest.importorskip('mmseg')


@pytest.fixture
def cfg(tmp_path) -> Config:
    cfg = Config.fromfile(write_config(tmp_path / 'small.py', tmp_path, by_epoch=True, seed=0, workers=0))
    init_default_scope('mmseg')
    return cfg


def test_a_checkpoint_need_not_have_what_a_model_counts_while_it_trains(tmp_path, cfg):
    given = MODELS.build(cfg.model).state_dict()
    torch.save(dict(state_dict=given), tmp_path / 'plain.pth')
    cfg.model.type = 'mmdownsize.SelfDistilledEncoderDecoder'
    cfg.model.class_balance = 1.0
    cfg.model.data_preprocessor.type = 'mmdownsize.SegPairDownsizePreprocessor'
    write_start(cfg, tmp_path / 'start.pth', tmp_path / 'plain.pth')
    written = torch.load(tmp_path / 'start.pth')['state_dict']
    assert written.keys() == {key for key in given if not key.startswith('data_preprocessor.')}
    assert all(torch.equal(value, given[key]) for key, value in written.items())


@pytest.mark.parametrize(
    'change',
    [
        lambda state, key: state.pop(key),
        lambda state, key: state.update({key: state[key][1:]}),
        lambda state, key: state.update({key + '_2': state[key]}),
    ],
)
def test_what_is_missing_unknown_or_of_another_shape_is_named(tmp_path, cfg, change):
    state = MODELS.build(cfg.model).state_dict()
    change(state, 'decode_head.conv_seg.weight')
    torch.save(dict(state_dict=state), tmp_path / 'other.pth')
    with pytest.raises(
        CheckpointError, match=r'1 of \d+ weights are missing, .* such as decode_head\.conv_seg\.weight'
    ):
        write_start(cfg, tmp_path / 'start.pth', tmp_path / 'other.pth')
    assert not (tmp_path / 'start.pth').exists()
