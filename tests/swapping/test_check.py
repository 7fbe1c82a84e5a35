"""The check of a config with a downsizer on made-up data."""

import pytest
import torch
from mmengine.config import Config

pytest.importorskip('mmseg')

from mmdownsize.swapping.check import check
from tests.tools.small_training import write_config


def test_check_sees_a_downsizer_that_cannot_learn(tmp_path, data, monkeypatch):
    path = write_config(tmp_path / 'small.py', data, by_epoch=True, seed=0, workers=0)
    cfg = Config.fromfile(path)
    assert check(cfg)
    preprocess = torch.no_grad()(lambda self, data, training: self.__class__.__mro__[1].__call__(self, data, training))
    monkeypatch.setattr('mmdownsize.preprocessors.seg.SegDownsizePreprocessor.__call__', preprocess, raising=False)
    with pytest.raises(ValueError, match='the downsizer is trainable but receives no gradient'):
        check(cfg)
