"""The recipe of a fit: as many images and updates as in the fragment, whatever the batches are."""

import pytest
from mmengine.config import Config

from mmdownsize.fitting.recipe import BATCH, FRAGMENT, recipe, settings_without_labels

RATES = {'data_preprocessor.downsizer.fusion': dict(lr_mult=2.0)}


def test_with_the_fragments_own_batches_it_is_the_fragment() -> None:
    fragment = Config.fromfile(FRAGMENT)
    found = recipe(with_labels=False, batch_size=BATCH)
    assert found.pop('checkpoint') == dict(by_epoch=False, interval=130, save_begin=0, max_keep_ckpts=1)
    assert found == fragment.fit.to_dict()


def test_steps_that_are_accumulated_make_the_same_updates() -> None:
    fragment = Config.fromfile(FRAGMENT)
    found = recipe(with_labels=False, batch_size=1, accumulate=BATCH, rates=RATES)
    steps = fragment.fit_steps * BATCH
    assert found['train_cfg'] == dict(type='IterBasedTrainLoop', max_iters=steps, val_interval=steps)
    assert [scheduler['end'] for scheduler in found['param_scheduler']] == [50 * BATCH, steps]
    assert found['optim_wrapper']['accumulative_counts'] == BATCH
    assert found['optim_wrapper']['paramwise_cfg'] == dict(custom_keys=RATES, bypass_duplicate=True)
    assert found['checkpoint']['interval'] == 130 * BATCH  # no update is half done when a checkpoint is written
    train_only, average = found['custom_hooks']
    assert average['interval'] == BATCH and 'interval' not in train_only


@pytest.mark.parametrize(('batch_size', 'steps'), [(8, 260), (16, 130), (3, 694), (2, 1040)])
def test_with_labels_the_number_of_images_is_the_same_and_the_warm_up_is_as_many_updates(
    batch_size: int, steps: int
) -> None:
    found = recipe(with_labels=True, batch_size=batch_size)
    assert [scheduler['end'] for scheduler in found['param_scheduler']] == [50, steps]
    assert found['train_cfg']['max_iters'] == steps
    assert steps // found['checkpoint']['interval'] >= 4
    assert 'accumulative_counts' not in found['optim_wrapper'] and 'interval' not in found['custom_hooks'][-1]


def test_without_labels_every_image_is_seen_in_place_and_in_four_other_positions() -> None:
    model, positions = settings_without_labels()
    beside = dict(beside=('bilinear', 'area'), beside_interval=10)
    assert model == dict(type='mmdownsize.SelfDistilledEncoderDecoder', class_balance=1.0, **beside)
    assert positions[0] == (0, 0) and len(set(positions)) == 5
