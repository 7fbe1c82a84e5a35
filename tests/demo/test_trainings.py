"""The trainings of the demo: what is started, and what is said where one fails."""

from pathlib import Path

import pytest

from mmdownsize.demo.trainings import ARMS, TrainingFailed, train, train_command


def test_the_configs_and_the_tool_exist(tmp_path: Path) -> None:
    for arm in ARMS:
        tool, config, *_ = train_command(arm, tmp_path, seed=0, iters=6)
        assert Path(tool).is_file() and Path(config).is_file()
        assert Path(config) == arm.config


def test_failed_training_shows_the_end_of_its_log(tmp_path: Path) -> None:
    broken = tmp_path / 'broken.py'
    broken.write_text('print("before"); raise RuntimeError("no luck")')
    with pytest.raises(TrainingFailed) as raised:
        list(train(ARMS[0], [str(broken)], tmp_path / 'arm' / 'train.log'))
    assert 'no luck' in str(raised.value) and 'train.log' in str(raised.value)
