"""From options to an edited config, without a command line."""

from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import TRANSFORMS

from mmdownsize.refusal import Refusal
from mmdownsize.swapping.run import Options, swap_resizer, target_of

CONFIG = "model = dict(type='X', data_preprocessor=dict(type='DetDataPreprocessor'))\n"


def test_the_text_is_returned_and_written_where_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / 'base.py').write_text(CONFIG)
    swapped = swap_resizer(Options(str(tmp_path / 'base.py')))
    assert swapped.found == [] and swapped.notes[1].endswith('scale_factor=0.5')
    assert [path.name for path in tmp_path.iterdir()] == ['base.py']
    out = tmp_path / 'out.py'
    assert swap_resizer(Options(str(tmp_path / 'base.py'), out=out)) == swapped and out.read_text() == swapped.text


@pytest.mark.parametrize(
    ('options', 'target'),
    [
        (dict(), dict(scale_factor=0.5)),
        (dict(scale_factor=0.3), dict(scale_factor=0.3)),
        (dict(scale=[80, 60]), dict(scale=(80, 60))),
        (dict(scale=(80, 60), keep_ratio=True), dict(scale=(80, 60), keep_ratio=True)),
        (dict(take_resize=True), None),
    ],
)
def test_the_options_name_one_target_size(options: dict, target: dict | None) -> None:
    assert target_of(Options('x.py', **options)) == target


def test_a_fit_needs_images_to_train_on(tmp_path: Path) -> None:
    (tmp_path / 'base.py').write_text(CONFIG)
    (tmp_path / 'x.pth').touch()
    with pytest.raises(Refusal, match=r'--fit: the config has no train_dataloader\.dataset'):
        swap_resizer(Options(str(tmp_path / 'base.py'), fit=str(tmp_path / 'x.pth')))
    with pytest.raises(Refusal, match='--keep-ratio goes with --scale W H'):
        target_of(Options('x.py', keep_ratio=True))


LAZY = """
from mmengine.config import read_base
from mmengine.runner import Runner
from mmcv.transforms import LoadImageFromFile
from mmdet.datasets.transforms import PackDetInputs, Resize
from mmdet.models import DetDataPreprocessor
model = dict(type='X', data_preprocessor=dict(type=DetDataPreprocessor, mean=[1.0, 2.0, 3.0], std=[1.0, 1.0, 1.0]))
train_pipeline = [dict(type=LoadImageFromFile), dict(type=Resize, scale=(40, 30)), dict(type=PackDetInputs)]
train_dataloader = dict(dataset=dict(type='A', pipeline=train_pipeline))
val_evaluator = dict(type=Runner)
"""


def test_a_pure_python_config_is_written_in_full_and_read_back(tmp_path: Path) -> None:
    pytest.importorskip('mmdet')
    (tmp_path / 'base.py').write_text(LAZY)
    (tmp_path / 'lazy.py').write_text(
        'from mmengine.config import read_base\nwith read_base():\n    from .base import *\n'
    )
    out = tmp_path / 'elsewhere/out.py'
    swapped = swap_resizer(Options(str(tmp_path / 'lazy.py'), take_resize=True, out=out))
    assert 'lazy.py is pure Python' in swapped.notes[0] and '_base_' not in swapped.text
    cfg = Config.fromfile(out)
    preprocessor = cfg.model.data_preprocessor
    assert preprocessor.type == 'mmdownsize.DetDownsizePreprocessor' and preprocessor.std == [1.0, 1.0, 1.0]
    assert preprocessor.scale == (40, 30) and cfg.default_scope == 'mmdet'
    for pipeline in (cfg.train_pipeline, cfg.train_dataloader.dataset.pipeline):
        assert [TRANSFORMS.get(step.type).__name__ for step in pipeline] == ['LoadImageFromFile', 'PackDetInputs']
    assert cfg.val_evaluator.type == 'mmengine.runner.Runner'


def test_a_pure_python_config_of_a_finished_model_can_be_fitted(tmp_path: Path) -> None:
    pytest.importorskip('mmdet')
    (tmp_path / 'lazy.py').write_text(LAZY)
    (tmp_path / 'x.pth').touch()
    swap_resizer(Options(str(tmp_path / 'lazy.py'), fit=str(tmp_path / 'x.pth'), out=tmp_path / 'out.py'))
    cfg = Config.fromfile(tmp_path / 'out.py')
    assert cfg.load_from == str(tmp_path / 'x.pth') and len(cfg.train_dataloader.dataset.pipeline) == 3


def test_what_cannot_be_read_back_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / 'base.py').write_text(CONFIG)
    options = Options(str(tmp_path / 'base.py'), out=tmp_path / 'out.py')
    for text, message in [
        ('model = dict(', r'cannot be read back, nothing is written: SyntaxError'),
        (
            CONFIG,
            r"reads back as another, nothing is written: model\.data_preprocessor\.type='DetDataPreprocessor', not",
        ),
    ]:
        monkeypatch.setattr('mmdownsize.swapping.run.text_of', lambda *_, text=text: text)
        with pytest.raises(Refusal, match=message):
            swap_resizer(options)
        assert [path.name for path in tmp_path.iterdir()] == ['base.py']
