"""From which checkpoint of a folder a training resumes."""

from pathlib import Path

import pytest
import torch

from mmdownsize.checkpoints import CheckpointError, latest_checkpoint


def folder_of(path: Path, named: str | None, *names: str, broken: tuple[str, ...] = ()) -> Path:
    path.mkdir(exist_ok=True)
    for name in names:
        torch.save(dict(meta=dict(epoch=1, iter=1), state_dict={}), path / name)
    for name in broken:
        torch.save(dict(state_dict=dict(a=torch.zeros(100))), path / name)
        (path / name).write_bytes((path / name).read_bytes()[:300])
    if named is not None:
        (path / 'last_checkpoint').write_text(named)
    return path


def test_the_one_that_is_named(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, str(tmp_path / 'epoch_9.pth'), 'epoch_9.pth', 'epoch_10.pth')
    assert latest_checkpoint(folder) == str(tmp_path / 'epoch_9.pth')
    folder_of(tmp_path, 's3://bucket/epoch_3.pth')
    assert latest_checkpoint(folder) == 's3://bucket/epoch_3.pth'


@pytest.mark.parametrize('named', [None, '', '\n'])
def test_the_last_one_where_none_is_named(named: str | None, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, named, 'iter_9.pth', 'iter_10.pth', 'best_mIoU_iter_99.pth')
    assert latest_checkpoint(folder) == str(tmp_path / 'iter_10.pth')


def test_in_a_folder_that_was_moved(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, '/elsewhere/epoch_1.pth', 'epoch_1.pth', 'epoch_2.pth')
    assert latest_checkpoint(folder) == str(tmp_path / 'epoch_1.pth')


def test_the_last_whole_one_is_said_to_be_another(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, str(tmp_path / 'epoch_3.pth'), 'epoch_1.pth', 'epoch_2.pth', broken=('epoch_3.pth',))
    with pytest.warns(UserWarning, match=r'epoch_3\.pth is empty or cut off: .* resumes from .*epoch_2\.pth'):
        assert latest_checkpoint(folder) == str(tmp_path / 'epoch_2.pth')
    (folder / 'last_checkpoint').write_text('/gone/epoch_7.pth')
    (folder / 'epoch_3.pth').unlink()
    with pytest.warns(UserWarning, match=r'/gone/epoch_7\.pth, which .*last_checkpoint names, is gone: .*epoch_2\.pth'):
        assert latest_checkpoint(folder) == str(tmp_path / 'epoch_2.pth')


def test_none_in_a_new_folder(tmp_path: Path) -> None:
    assert latest_checkpoint(tmp_path) is None
    assert latest_checkpoint(tmp_path / 'none') is None


@pytest.mark.parametrize(
    ('named', 'broken', 'said'),
    [
        ('/gone/epoch_7.pth', (), 'no such checkpoint: /gone/epoch_7.pth, which .* names: give another to --resume'),
        ('', ('iter_4.pth',), r'iter_4\.pth is empty or cut off: give another to --resume, or leave out --resume'),
    ],
)
def test_none_that_can_be_read(named: str, broken: tuple[str, ...], said: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=said):
        latest_checkpoint(folder_of(tmp_path, named, broken=broken))


def test_a_hostile_one_is_not_passed_over(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, None, 'epoch_1.pth')
    torch.save(print, folder / 'epoch_2.pth')
    with pytest.raises(CheckpointError, match=r'epoch_2\.pth is no checkpoint, or holds objects that could run code'):
        latest_checkpoint(folder)
