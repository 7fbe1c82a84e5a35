"""A training that died in its last validation is validated when it is resumed."""

from pathlib import Path

import pytest

pytest.importorskip('mmseg')

from mmdownsize.hooks.last_validation import LastValidationHook
from tests.integration.trainings import logged, train, write
from tests.tools.small_training import write_config, write_data

LAST = {True: 2, False: 6}  # the epoch, or the iteration, at the end


@pytest.mark.parametrize('by_epoch', LAST, ids=['by epoch', 'by iteration'])
def test_the_last_checkpoint_is_validated(by_epoch: bool, tmp_path: Path, single_thread: None) -> None:
    config = write_config(tmp_path / 'small.py', write_data(tmp_path), by_epoch=by_epoch, seed=0, workers=0)
    train(config, tmp_path / 'whole')
    changes = f"train_cfg = dict(val_begin={LAST[by_epoch]})\nval_evaluator = dict(iou_metrics=['none'])"
    with pytest.raises(KeyError, match='none'):
        train(write(tmp_path / 'dying.py', config, changes), tmp_path / 'died')
    assert not logged(tmp_path / 'died', 'mIoU')
    last = (tmp_path / 'died/last_checkpoint').read_text()
    train(config, tmp_path / 'resumed', '--resume', last)
    assert logged(tmp_path / 'resumed', 'mIoU') == logged(tmp_path / 'whole', 'mIoU')[-1:]
    assert logged(tmp_path / 'resumed', 'step') == [LAST[by_epoch]]
    assert not logged(tmp_path / 'resumed', 'loss')
    assert list((tmp_path / 'resumed').glob('best_mIoU_*.pth'))


def test_a_training_that_goes_on_validates_no_more_than_before(tmp_path: Path, single_thread: None) -> None:
    config = write_config(tmp_path / 'small.py', write_data(tmp_path), by_epoch=True, seed=0, workers=0)
    runner = train(config, tmp_path / 'whole')
    assert any(isinstance(hook, LastValidationHook) for hook in runner.hooks)
    assert len(logged(tmp_path / 'whole', 'mIoU')) == 2
    train(config, tmp_path / 'resumed', '--resume', str(tmp_path / 'whole/epoch_1.pth'))
    assert len(logged(tmp_path / 'resumed', 'mIoU')) == 1
