"""From options to an edited config, without a command line."""

from pathlib import Path

import pytest

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
