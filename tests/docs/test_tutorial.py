"""docs/tutorial.ipynb runs, with a few steps of training, and its kept outputs are those of a whole run."""

import os
import re
import shutil
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / 'docs' / 'tutorial.ipynb'
DATA = ROOT.parent / 'shared' / 'data'


def read() -> nbformat.NotebookNode:
    return nbformat.read(NOTEBOOK, as_version=4)


def text_of(cell: nbformat.NotebookNode) -> str:
    return ''.join(
        output.get('text', '') or str(output.get('data', {}).get('text/plain', '')) for output in cell.outputs
    )


def few_images(data: Path, to: Path) -> None:
    """Eight images for training and two for validation: the whole set is tested for minutes."""
    for split, count in (('train', 8), ('val', 2)):
        for kind in ('images', 'labels'):
            (to / kind / split).mkdir(parents=True)
            for path in sorted((data / kind / split).iterdir())[:count]:
                shutil.copy(path, to / kind / split)


@pytest.mark.skipif('MMDOWNSIZE_NIGHTLY' not in os.environ, reason='make nightly runs it: minutes')
@pytest.mark.skipif(not (DATA / 'crackforest').is_dir(), reason='needs ../shared/data')
def test_it_runs_from_the_first_cell_to_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / 'configs').symlink_to(ROOT / 'configs')
    few_images(DATA / 'crackforest', tmp_path / 'data' / 'crackforest')
    monkeypatch.setenv('MMDOWNSIZE_DATA', str(tmp_path / 'data'))
    monkeypatch.setenv('TUTORIAL_QUICK', '1')
    monkeypatch.setenv('PATH', str(Path(sys.executable).parent), prepend=os.pathsep)
    notebook = read()
    for cell in notebook.cells:  # a command that fails does not end a notebook
        if cell.cell_type == 'code':
            cell.source = re.sub(r'^(!.*)$', r'\1\nassert _exit_code == 0', cell.source, flags=re.MULTILINE)
    NotebookClient(notebook, timeout=900, resources=dict(metadata=dict(path=str(tmp_path)))).execute()
    said = '\n'.join(text_of(cell) for cell in notebook.cells if cell.cell_type == 'code')
    for found in (
        r'741x500 -> 247x167 px',
        r'mIoU',
        r'full resolution',
        r'fitted: downsizenet_6x6_signed',
        r'importance_lanczos',
        r'downsizer\.onnx: ',
    ):
        assert re.search(found, said), found
    assert (tmp_path / 'work_dirs/tutorial/downsizer.onnx').is_file()
    assert len(list((tmp_path / 'work_dirs/tutorial/predicted/pictures').iterdir())) == 1


def test_its_outputs_are_kept_and_name_nothing_of_a_machine() -> None:
    cells = [cell for cell in read().cells if cell.cell_type == 'code']
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert all(output.output_type != 'error' for cell in cells for output in cell.outputs)
    said = '\n'.join(map(text_of, cells))
    assert 'fitted: downsizenet_6x6_signed' in said and 'the best fixed kernel' in said
    assert not re.search(r'(?<![\w.])/(?:root|home|work|tmp|usr)\b', NOTEBOOK.read_text())
    assert sum('image/png' in output.get('data', {}) for cell in cells for output in cell.outputs) == 2
    assert NOTEBOOK.stat().st_size < 2**20
