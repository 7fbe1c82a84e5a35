"""Files are written whole or not at all."""

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
