"""A config's preprocessor: where it may be, and what is said where there is no downsizer."""

from pathlib import Path

import pytest

pytest.importorskip('mmseg')

from mmdownsize.loading import build_preprocessor, model_config
from mmdownsize.refusal import Refusal

SWAPPED = "dict(type='mmdownsize.SegDownsizePreprocessor', downsizer=dict(type='FixedResizer'), scale_factor=0.5)"


def config(folder: Path, text: str) -> Path:
    path = folder / 'config.py'
    path.write_text(f"default_scope = 'mmseg'\n{text}\n")
    return path


@pytest.mark.parametrize(
    'text', [f'model = dict(data_preprocessor={SWAPPED})', f'model = dict()\ndata_preprocessor = {SWAPPED}']
)
def test_a_preprocessor_in_the_model_or_beside_it(text: str, tmp_path: Path) -> None:
    path = config(tmp_path, text)
    assert build_preprocessor(model_config(path), path).target.of((6, 8)) == (3, 4)
    cfg = model_config(path, {'model.data_preprocessor.scale_factor': 0.25} if '(data' in text else None)
    assert cfg.model.data_preprocessor.scale_factor == (0.25 if '(data' in text else 0.5)


@pytest.mark.parametrize('text', ['', 'model = 3', 'model = dict()', 'model = dict(data_preprocessor=None)'])
def test_a_config_without_a_preprocessor_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r'has no model.data_preprocessor: mmdownsize swap puts a downsizer into'):
        model_config(config(tmp_path, text))


@pytest.mark.parametrize(
    ('preprocessor', 'message'),
    [
        ("dict(type='SegDataPreProcessor')", 'has a SegDataPreProcessor and no downsizer: mmdownsize swap'),
        ("dict(type='NoSuchPreprocessor')", 'NoSuchPreprocessor is not in the'),
    ],
)
def test_what_cannot_be_built_is_refused(preprocessor: str, message: str, tmp_path: Path) -> None:
    path = config(tmp_path, f'model = dict(data_preprocessor={preprocessor})')
    with pytest.raises(Refusal, match=message):
        build_preprocessor(model_config(path), path)
