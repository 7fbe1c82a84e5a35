"""The picture of what a resizer saves: what counts as found, missed and wrong, and which images are drawn."""

from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope

pytest.importorskip('mmseg')

from mmseg.registry import DATASETS

from mmdownsize.registry import MODELS
from study.saved import FOUND, MISSED, WRONG, Seen, draw, most_different, seen_in
from tests.tools.small_training import write_training


def seen(label, predicted, void=()):
    """Return a row of pixels as a run sees it; each of these is a list of positions."""
    masks = [np.zeros((1, 8), bool) for _ in range(3)]
    for mask, places in zip(masks, (label, predicted, void)):
        mask[0, list(places)] = True
    image = np.full((1, 8, 3), 200, np.uint8)
    return Seen(image, image[:, ::4], masks[0], masks[1], ~masks[2])


def test_iou_is_over_pixels_that_are_not_void():
    assert seen([0, 1, 2], [1, 2, 3, 7], void=[7]).iou == pytest.approx(100 * 2 / 4)
    assert np.isnan(seen([], [1]).iou)  # no defect: nothing to save or lose


def test_verdict_colours_found_missed_and_wrong():
    shown = seen([0, 1], [1, 2, 7], void=[7]).verdict()
    assert [tuple(shown[0, place]) for place in (0, 1, 2)] == [MISSED, FOUND, WRONG]
    assert {tuple(shown[0, place]) for place in (3, 7)} == {(70, 70, 70)}  # the darkened image


def test_images_that_gain_and_lose_most_are_drawn():
    first = [seen([0, 1], [0]), seen([0, 1], []), seen([0, 1], [0, 1]), seen([], []), seen([0, 1], [0])]
    second = [seen([0, 1], [0, 1]), seen([0, 1], [0, 1]), seen([0, 1], [0]), seen([], [1]), seen([0, 1], [0])]
    rows = most_different(first, second, gained=2, lost=1)
    assert rows == [1, 0, 2]
    figure = draw(first, second, ['area', 'learned'], rows)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[3::6] == ['area: IoU 0.0', 'area: IoU 50.0', 'area: IoU 100.0']
    assert titles[5::6] == ['learned: IoU 100.0', 'learned: IoU 100.0', 'learned: IoU 50.0']


@pytest.mark.parametrize('swaps', [False, True])
def test_a_model_s_own_view_has_no_padding_and_the_file_s_colours(swaps: bool, tmp_path: Path) -> None:
    cfg = Config.fromfile(write_training(tmp_path)[0])
    init_default_scope('mmseg')
    preprocessor = cfg.model.data_preprocessor
    preprocessor.pop('downsizer')  # an update would merge
    preprocessor.downsizer = dict(type='FixedResizer', kernel='area')
    preprocessor.update(bgr_to_rgb=swaps, test_cfg=dict(size_divisor=16))
    model = MODELS.build(cfg.model).eval()
    item = DATASETS.build(cfg.val_dataloader.dataset)[0]
    item['inputs'][0] //= 4  # so that the first and the last channel differ
    view = seen_in(model, item, 1)
    rgb = item['inputs'].flip(0)
    expected = rgb.float().unfold(1, 2, 2).unfold(2, 2, 2).mean((3, 4))  # 24 x 32 become 12 x 16, padded to 16 x 16
    assert np.array_equal(view.image, rgb.permute(1, 2, 0).numpy())
    np.testing.assert_allclose(view.small, expected.permute(1, 2, 0).numpy(), atol=1)
    assert np.array_equal(view.label, item['data_samples'].gt_sem_seg.data[0].numpy() == 1)
    assert view.predicted.shape == view.label.shape == (24, 32)
