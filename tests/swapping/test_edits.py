"""Edits as values: which one counts, in which order, and the text that is made of them."""

import dataclasses

import pytest
from mmengine.config import Config

from mmdownsize.swapping.edits import KEPT, Edit, changes_of, edited, notes_of, text_of

FIRST, OTHER = Edit('model.type', 'A', 'the model is A'), Edit('seed', 1, 'the seed is 1')


def test_a_later_edit_of_a_key_replaces_the_earlier_one_and_takes_its_place_among_the_notes() -> None:
    edits = [FIRST, OTHER, Edit('model.type', 'B', 'the model is B')]
    assert changes_of(edits) == {'model': {'type': 'B'}, 'seed': 1}
    assert notes_of(edits) == ['the model is B', 'the seed is 1']


def test_an_edit_without_a_reason_takes_the_earlier_reason_away() -> None:
    edits = [FIRST, Edit('model.type', 'B')]
    assert changes_of(edits) == {'model': {'type': 'B'}} and notes_of(edits) == []


def test_a_setting_that_is_kept_is_explained_and_not_written() -> None:
    remark = Edit('model.size', KEPT, 'the size stays')
    assert changes_of([remark]) == {} and notes_of([remark]) == ['the size stays']
    assert changes_of([remark, Edit('model.size', None)]) == {'model': {'size': None}}
    assert changes_of([FIRST, Edit('model.type', KEPT, 'the model stays')]) == {}


def test_settings_are_nested_and_an_edit_of_a_whole_replaces_earlier_ones_of_its_parts() -> None:
    part, whole = Edit('loader.dataset.pipeline', [1]), Edit('loader.dataset', dict(type='X'))
    assert changes_of([part, Edit('loader.batch_size', 2)]) == {
        'loader': {'dataset': {'pipeline': [1]}, 'batch_size': 2}
    }
    assert changes_of([part, whole]) == {'loader': {'dataset': {'type': 'X'}}}
    assert changes_of([whole, part]) == {'loader': {'dataset': {'type': 'X', 'pipeline': [1]}}}
    # The whole is edited last, although an earlier edit of it comes first.
    assert changes_of([Edit('loader.dataset', KEPT, 'cuts'), part, whole]) == {'loader': {'dataset': {'type': 'X'}}}


def test_dots_inside_a_value_are_names_of_parameters() -> None:
    rates = {'backbone.stem': dict(lr_mult=2.0)}
    assert changes_of([Edit('optim_wrapper.custom_keys', rates)]) == {'optim_wrapper': {'custom_keys': rates}}


def test_an_edit_cannot_change_and_shares_nothing_with_what_is_made_of_it() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        FIRST.value = 'B'
    edit = Edit('model.heads', [dict(type='A')])
    changes_of([edit])['model']['heads'][0]['type'] = 'B'
    assert edit.value == [dict(type='A')]
    cfg = Config(dict(model=dict(type='X', depth=3)))
    assert edited(cfg, [FIRST]).model == dict(type='A', depth=3) and cfg.model.type == 'X'


def test_the_text_is_a_config_over_its_base_that_explains_itself(tmp_path) -> None:
    (tmp_path / 'base.py').write_text("model = dict(type='X', depth=3)\nseed = 0\n")
    path = tmp_path / 'edited.py'
    path.write_text(text_of(str(tmp_path / 'base.py'), [FIRST, OTHER, Edit('model.size', (2, 3))]))
    lines = path.read_text().splitlines()
    assert lines[:2] == ['# the model is A.', '# the seed is 1.'] and lines[2].startswith('_base_ = ')
    cfg = Config.fromfile(path)
    assert cfg.model == dict(type='A', depth=3, size=(2, 3)) and cfg.seed == 1
