"""tools/rank_resizers.py against losses that are computed one image at a time."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from scipy import stats

pytest.importorskip('mmseg')

from mmdownsize.comparing.arms import load_arms
from mmdownsize.comparing.ranking import losses_by_arm, table_of
from mmdownsize.registry import MODELS
from tests.study.test_held_out_loss import PIPELINE, loss_of
from tests.tools.small_training import IMAGES, write_training
from tools import rank_resizers

ARMS = {
    'bilinear': dict(type='FixedResizer'),
    'moved': dict(type='FixedResizer', kernel='area', shift=(3, 2)),
    'learned': dict(type='DownsizeNet', channels=4, neighbors=4, start='antialiased'),
}


@pytest.fixture
def finished(tmp_path: Path) -> tuple[Config, Path, Path]:
    """A config, a checkpoint of its model behind another downsizer than any arm's, and the folder of the images."""
    path, data = write_training(tmp_path)
    cfg = Config.fromfile(path)
    cfg.train_dataloader.dataset.pipeline = PIPELINE
    cfg.dump(path)
    init_default_scope('mmseg')
    torch.manual_seed(1)
    torch.save(dict(state_dict=MODELS.build(cfg.model).state_dict(), meta={}), tmp_path / 'model.pth')
    arms = {name: dict(downsizer=downsizer, train=False) for name, downsizer in ARMS.items()}
    (tmp_path / 'arms.py').write_text(f'arms = {arms!r}\n')
    return cfg, tmp_path / 'model.pth', data


def test_losses_are_those_of_single_images(finished: tuple[Config, Path, Path]) -> None:
    cfg, checkpoint, data = finished
    found = losses_by_arm(cfg, load_arms([], checkpoint.parent / 'arms.py', None), checkpoint, None)
    state = torch.load(checkpoint, weights_only=True)['state_dict']
    behind = {key: value for key, value in state.items() if not key.startswith('data_preprocessor.')}
    assert list(found) == list(ARMS)
    for name, losses in found.items():
        own = cfg.copy()
        own.model.data_preprocessor.downsizer = ARMS[name]
        expected = [loss_of(own, behind, data, [number]) for number in range(IMAGES)]
        assert losses == pytest.approx(expected, abs=1e-6)
    assert len({tuple(losses) for losses in found.values()}) == len(ARMS)


def test_the_table_ranks_by_the_mean_and_pairs_images() -> None:
    rng = np.random.default_rng(0)
    worst, best = rng.normal(3, 1, 9), rng.normal(1, 1, 9)
    table = table_of(dict(worst=worst.tolist(), best=best.tolist()), 'model.pth')
    names, means, differences = ([*column.cells] for column in table.columns)
    interval = stats.ttest_rel(worst, best).confidence_interval(0.95)
    assert (names, means) == (['best', 'worst'], [f'{best.mean():.4f}', f'{worst.mean():.4f}'])
    assert differences == ['', f'{(worst - best).mean():+.4f} ({interval.low:.4f} to {interval.high:.4f})']
    assert table.title == 'model.pth, 9 images'


def test_from_the_command_line(finished: tuple[Config, Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    cfg, checkpoint, _ = finished
    folder = checkpoint.parent
    command = [str(folder / 'config.py'), str(checkpoint), '--arms', str(folder / 'arms.py')]
    rank_resizers.main([*command, '--only', 'moved', 'bilinear', '--images', '3'])
    printed = capsys.readouterr().out
    arms = [arm for arm in load_arms([], folder / 'arms.py', None) if arm.name != 'learned']
    found = losses_by_arm(cfg, arms, checkpoint, 3)
    first, second = sorted(found, key=lambda name: sum(found[name]))
    assert printed.index(first) < printed.rindex(second) and '3 images' in printed and 'learned' not in printed
    assert all(f'{sum(losses) / 3:.4f}' in printed for losses in found.values())


def test_bad_input(finished: tuple[Config, Path, Path]) -> None:
    cfg, checkpoint, _ = finished
    folder = checkpoint.parent
    config, arms = str(folder / 'config.py'), str(folder / 'arms.py')
    with pytest.raises(SystemExit, match=r'--images must be at least 2.*got 1'):
        rank_resizers.main([config, str(checkpoint), '--arms', arms, '--images', '1'])
    with pytest.raises(SystemExit, match='no arms: give --resizer or --arms'):
        rank_resizers.main([config, str(checkpoint)])
    with pytest.raises(SystemExit, match='--only: no arm nothing among bilinear, moved, learned'):
        rank_resizers.main([config, str(checkpoint), '--arms', arms, '--only', 'nothing'])
    with pytest.raises(SystemExit, match=r'nowhere\.pth'):
        rank_resizers.main([config, 'nowhere.pth', '--arms', arms])
    with pytest.raises(SystemExit, match=r"does not fit the config's model: .* such as decode_head"):
        rank_resizers.main([config, str(checkpoint), '--arms', arms, '--cfg-options', 'model.decode_head.channels=5'])
    with pytest.raises(SystemExit, match=r'plain\.py has no model\.data_preprocessor\.downsizer to replace'):
        cfg.model.data_preprocessor.pop('downsizer')
        cfg.dump(folder / 'plain.py')
        rank_resizers.main([str(folder / 'plain.py'), str(checkpoint), '--arms', arms])
    (folder / 'raised.py').write_text("arms = dict(a=dict(downsizer=dict(type='FixedResizer'), equal_cost_to='a'))\n")
    with pytest.raises(SystemExit, match=r'equal_cost_to has no meaning here.*leave out a'):
        rank_resizers.main([config, str(checkpoint), '--arms', str(folder / 'raised.py')])
