"""The folder of the demo."""

from pathlib import Path

import pytest

pytest.importorskip('mmseg')

from mmdownsize.demo.run import prepare
from mmdownsize.refusal import Refusal


def test_a_folder_that_is_not_a_demo_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / 'data').mkdir()
    with pytest.raises(Refusal, match='--work-dir'):
        prepare(tmp_path)
    assert (tmp_path / 'data').exists()
    (tmp_path / 'file').touch()
    with pytest.raises(Refusal, match='cannot write'):
        prepare(tmp_path / 'file' / 'below')
