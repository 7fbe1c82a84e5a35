"""Where the configs and the tools of the package are."""

from pathlib import Path

import pytest

from mmdownsize import places


def test_the_tools_are_found_in_an_installation_and_in_a_clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert places.tool('train.py').is_file() and places.tool('test.py').is_file()
    monkeypatch.setattr(places, 'PACKAGE', tmp_path / 'mmdownsize')
    assert places.tool('train.py') == tmp_path / 'tools/train.py'
    (tmp_path / 'mmdownsize/.mim/tools').mkdir(parents=True)
    assert places.tool('train.py') == tmp_path / 'mmdownsize/.mim/tools/train.py'
