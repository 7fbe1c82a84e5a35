"""Files are written whole or not at all."""

import os

import pytest

from mmdownsize.storage import write_whole


def test_writing_is_all_or_nothing(tmp_path, monkeypatch):
    path = tmp_path / 'new' / 'net.onnx'
    write_whole(path, b'first')
    assert path.read_bytes() == b'first'
    write_whole(path, b'second')

    def full_disk(descriptor):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('mmdownsize.storage.os.fsync', full_disk)
    with pytest.raises(OSError, match='No space left'):
        write_whole(path, b'third')
    assert path.read_bytes() == b'second'
    assert list(path.parent.iterdir()) == [path]


def test_what_a_killed_process_left_of_the_same_file_is_removed(tmp_path):
    dead = tmp_path / 'epoch_1.pth.999999999.partial'
    others = [tmp_path / f'epoch_1.pth.{os.getppid()}.partial', tmp_path / 'epoch_2.pth.999999999.partial']
    for path in (dead, *others):
        path.write_bytes(b'half')
    write_whole(tmp_path / 'epoch_1.pth', b'whole')
    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / 'epoch_1.pth', *others])
