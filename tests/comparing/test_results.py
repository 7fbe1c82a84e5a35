"""What a run has left in its folder."""

import json

import pytest

from mmdownsize.comparing.report import rows_of
from mmdownsize.comparing.results import last_metrics, training_losses
from mmdownsize.refusal import Refusal
from tests.comparing.test_report import run_line


def test_fractions_are_reported_in_points(tmp_path):
    folder = tmp_path / '20260101_000000/vis_data'
    folder.mkdir(parents=True)
    found = {
        'pascal_voc/mAP': 0.25,
        'pascal_voc_50_95/mAP': 0.125,
        'coco/bbox_mAP': 0.5,
        'mIoU': 40.0,
        'log_likelihood/pixels': -0.5,
    }
    (folder / 'scalars.json').write_text(json.dumps(dict(found, step=2)))
    expected = dict(found, **{key: 100 * value for key, value in found.items() if key.startswith(('pascal', 'coco'))})
    assert last_metrics(tmp_path) == expected


def test_training_losses_are_means_of_the_first_and_the_last_epoch(tmp_path):
    for part, lines in {
        '20260101_000000': [(1, 1, 4.0), (1, 2, 2.0), (2, 3, 1.5), (2, 4, 99.0)],
        '20260101_000100': [(2, 3, 1.0), (2, 4, 0.5)],  # interrupted in the second epoch, which is then done again
    }.items():
        folder = tmp_path / part / 'vis_data'
        folder.mkdir(parents=True)
        text = [json.dumps(dict(epoch=epoch, step=step, loss=loss)) for epoch, step, loss in lines]
        (folder / 'scalars.json').write_text('\n'.join([*text, json.dumps(dict(mIoU=50.0, step=2))]))
    assert training_losses(tmp_path) == [3.0, 0.75]
    assert last_metrics(tmp_path) == {'mIoU': 50.0}
    assert training_losses(tmp_path / 'none') is None

    runs = [dict(run_line('bilinear', s, 50.0), training_losses=[3.0 + s, 0.75]) for s in range(2)]
    runs.append(dict(run_line('tested', 0, 50.0), training_losses=None))
    head, rows = rows_of(runs, 'mIoU', 'bilinear')
    column = head.index('loss, first to last epoch')
    assert [row[column] for row in rows] == ['3.5 → 0.75', '']
    assert 'loss, first to last epoch' not in rows_of([run_line('a', 0, 1.0)], 'mIoU', 'a')[0]


def test_a_run_without_a_validation_is_refused_with_its_folder(tmp_path):
    folder = tmp_path / '20260101_000000/vis_data'
    folder.mkdir(parents=True)
    (folder / 'scalars.json').write_text(json.dumps(dict(loss=1.0, step=1)))
    with pytest.raises(Refusal, match=f'no validation in {tmp_path}.*set val_dataloader'):
        last_metrics(tmp_path)
