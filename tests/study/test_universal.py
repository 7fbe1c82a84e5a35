"""One resizer in training with two models: both move it, and what is written is what was trained."""

from pathlib import Path

import pytest
import torch

pytest.importorskip('mmseg')

from mmdownsize.resizers import ImportanceResizer
from study.universal import Task, config_for, main, train
from tests.tools.small_training import write_config, write_data


@pytest.fixture
def configs(tmp_path: Path) -> list[Path]:
    """Two configs that train at half and at a quarter of the size."""
    data = tmp_path / 'data'
    data.mkdir()
    write_data(data)
    paths = [
        write_config(tmp_path / f'{name}.py', data, by_epoch=False, seed=0, workers=0) for name in ('half', 'quarter')
    ]
    paths[1].write_text(paths[1].read_text().replace('scale_factor=0.5', 'scale_factor=0.25'))
    return paths


def test_the_file_has_the_scales_and_the_weights(configs: list[Path], tmp_path: Path, capsys) -> None:
    out = tmp_path / 'new' / 'importance.safetensors'
    main([*map(str, configs), '--steps', '3', '--out', str(out)])
    resizer = ImportanceResizer.from_pretrained(out)
    assert resizer.trained_at == (0.25, 0.5)
    assert resizer.score.weight.abs().max() > 0  # it starts at 0
    assert 'half: loss' in capsys.readouterr().out


def test_every_model_moves_the_resizer(configs: list[Path], tmp_path: Path) -> None:
    tasks = []
    for index, path in enumerate(configs):
        cfg = config_for(path, 'importance', 0, 2, tmp_path)
        if index == 0:
            cfg.optim_wrapper.optimizer.lr = 0.0
        tasks.append(Task(cfg, path.stem))
    torch.manual_seed(0)
    losses = train(tasks, 2)
    assert tasks[0].downsizer is tasks[1].downsizer
    assert tasks[0].downsizer.score.weight.abs().max() > 0  # by the second alone
    assert len(losses) == 2
