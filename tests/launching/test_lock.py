"""One training at a time in a folder."""

import os
import subprocess
import sys

import pytest

from mmdownsize.launching.lock import only_training_in
from mmdownsize.refusal import Refusal


def test_a_second_training_in_a_folder_is_refused_and_a_later_one_is_not(tmp_path):
    with only_training_in(tmp_path / 'run'):
        message = rf'run is still running \(process {os.getpid()}\).*--work-dir'
        with pytest.raises(Refusal, match=message), only_training_in(tmp_path / 'run'):
            pass
        with only_training_in(tmp_path / 'other'):
            pass
    with only_training_in(tmp_path / 'run'):
        pass


def test_a_killed_process_holds_nothing(tmp_path):
    code = (
        'import os, signal; from mmdownsize.launching.lock import only_training_in\n'
        f'with only_training_in({str(tmp_path)!r}): os.kill(os.getpid(), signal.SIGKILL)'
    )
    assert subprocess.run([sys.executable, '-c', code], check=False).returncode == -9
    assert (tmp_path / '.training').read_text() != ''
    with only_training_in(tmp_path):
        pass


def test_an_error_inside_is_not_hidden(tmp_path):
    with pytest.raises(ZeroDivisionError), only_training_in(tmp_path):
        _ = 1 / 0
    with only_training_in(tmp_path):
        pass
