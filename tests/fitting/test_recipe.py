"""The recipe of a fit: as many images and updates as in the fragment, whatever the batches are."""

import pytest
from mmengine.config import Config

from mmdownsize.fitting.recipe import BATCH, FRAGMENT, recipe, settings_without_labels

RATES = {'data_preprocessor.downsizer.fusion': dict(lr_mult=2.0)}


def test_with_the_fragments_own_batches_it_is_the_fragment() -> None:
    fragment = Config.fromfile(FRAGMENT)
    found = recipe(with_labels=False, batch_size=BATCH)
    assert found.pop('checkpoint') == dict(by_epoch=False, interval=163, save_begin=0, max_keep_ckpts=1)
    assert found['train_cfg'].pop('val_interval') == 163  # four times: 163, 326, 489, 650
    wanted = fragment.fit.to_dict()
    del wanted['train_cfg']['val_interval']
    assert found == wanted


def test_steps_that_are_accumulated_make_the_same_updates() -> None:
    fragment = Config.fromfile(FRAGMENT)
    found = recipe(with_labels=False, batch_size=1, accumulate=BATCH, rates=RATES)
    steps = fragment.fit_steps * BATCH
    assert found['train_cfg'] == dict(type='IterBasedTrainLoop', max_iters=steps, val_interval=163 * BATCH)
    assert [scheduler['end'] for scheduler in found['param_scheduler']] == [50 * BATCH, steps]
    assert found['optim_wrapper']['accumulative_counts'] == BATCH
    assert found['optim_wrapper']['paramwise_cfg'] == dict(custom_keys=RATES, bypass_duplicate=True)
    assert found['checkpoint']['interval'] == 163 * BATCH  # no update is half done when a checkpoint is written
    train_only, average = found['custom_hooks']
    assert average['interval'] == BATCH and 'interval' not in train_only


@pytest.mark.parametrize(('batch_size', 'steps'), [(8, 260), (16, 130), (3, 694), (2, 1040)])
def test_with_labels_the_number_of_images_is_the_same_and_the_warm_up_is_as_many_updates(
    batch_size: int, steps: int
) -> None:
    found = recipe(with_labels=True, batch_size=batch_size)
    assert [scheduler['end'] for scheduler in found['param_scheduler']] == [50, steps]
    assert found['train_cfg']['max_iters'] == steps
    assert found['checkpoint']['interval'] == found['train_cfg']['val_interval'] == -(-steps // 4)
    assert 'accumulative_counts' not in found['optim_wrapper'] and 'interval' not in found['custom_hooks'][-1]


def test_another_number_of_steps_ends_the_schedules_and_has_its_own_checkpoints() -> None:
    found = recipe(with_labels=False, batch_size=1, accumulate=BATCH, steps=100)
    assert [scheduler['end'] for scheduler in found['param_scheduler']] == [8, 100]  # 400 of 5200
    assert found['train_cfg'] == dict(type='IterBasedTrainLoop', max_iters=100, val_interval=4 * BATCH)
    assert found['checkpoint']['interval'] == 4 * BATCH


def test_without_labels_every_image_is_seen_in_place_and_in_four_other_positions() -> None:
    model, positions = settings_without_labels()
    beside = dict(beside=('bilinear', 'area'), beside_interval=10)
    assert model == dict(type='mmdownsize.SelfDistilledEncoderDecoder', class_balance=1.0, **beside)
    assert positions[0] == (0, 0) and len(set(positions)) == 5
