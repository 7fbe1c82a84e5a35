"""Every pipeline of a config is found, whatever is around it, and every step of a pipeline."""

import pytest
from mmengine.config import Config

from mmdownsize.pipelines.walk import chain_of, chains, pipelines, read_by, with_pipeline
from mmdownsize.refusal import Refusal

LOAD, PACK = dict(type='LoadImageFromFile'), dict(type='PackDetInputs')


def leaf(name):
    return dict(type='A', pipeline=[dict(LOAD, name=name), PACK])


NESTED = Config(
    dict(
        default_scope='mmseg',
        train_pipeline=[LOAD],
        test_pipeline=[LOAD],
        tta_pipeline=[LOAD, dict(type='TestTimeAug', transforms=[[dict(type='Resize', scale=1)], [PACK]])],
        train_dataloader=dict(
            dataset=dict(
                type='RepeatDataset',
                dataset=dict(type='ConcatDataset', datasets=[leaf('a'), dict(type='Wrapper', base=leaf('b'))]),
            )
        ),
        val_dataloader=[dict(dataset=leaf('c')), dict(dataset=leaf('d'))],
        test_dataloader=dict(dataset=dict(type='MultiImageMixDataset', dataset=leaf('e'), pipeline=[PACK])),
        custom_hooks=[dict(type='Other'), dict(type='PipelineSwitchHook', switch_epoch=1, switch_pipeline=[LOAD])],
        train_pipeline_stage2=(LOAD, PACK),
        names_of_pipelines=['a', 'b'],
    )
)


def test_every_pipeline_is_found_with_its_reader():
    assert {one.where: one.reader for one in pipelines(NESTED)} == {
        'train_pipeline': '',
        'test_pipeline': 'test',
        'tta_pipeline': 'tta',
        'train_dataloader.dataset.dataset.datasets.0.pipeline': 'train',
        'train_dataloader.dataset.dataset.datasets.1.base.pipeline': 'train',
        'val_dataloader.0.dataset.pipeline': 'val',
        'val_dataloader.1.dataset.pipeline': 'val',
        'test_dataloader.dataset.pipeline': 'test',
        'test_dataloader.dataset.dataset.pipeline': 'test',
        'custom_hooks.1.switch_pipeline': 'train',
        'train_pipeline_stage2': '',
    }
    assert len(read_by(NESTED)) == 9 and len(read_by(NESTED, 'val')) == 2
    # mmdet reads the loader's.
    assert pipelines(Config(dict(default_scope='mmdet', test_pipeline=[LOAD])))[0].reader == ''


def test_the_pipeline_of_a_wrapper_comes_after_the_one_inside():
    found = {chain[0].where: [one.where for one in chain] for chain in chains(pipelines(NESTED))}
    assert found['test_dataloader.dataset.dataset.pipeline'] == [
        'test_dataloader.dataset.dataset.pipeline',
        'test_dataloader.dataset.pipeline',
    ]
    assert found['tta_pipeline'] == ['tta_pipeline'] and len(found) == 10


@pytest.mark.parametrize(
    ('step', 'found'),
    [
        (dict(type='mmcv.Normalize'), [('Normalize', True)]),
        (dict(type='torchvision/Normalize'), [('Normalize', True)]),
        (dict(type=Config), [('Config', True)]),
        (dict(type='Compose', transforms=[PACK]), [('Compose', True), ('PackDetInputs', True)]),
        (dict(type='KeyMapper', transforms=PACK), [('KeyMapper', True), ('PackDetInputs', True)]),
        (dict(type='RandomApply', transforms=[PACK]), [('RandomApply', True), ('PackDetInputs', False)]),
        (
            dict(type='RandomChoice', transforms=[[PACK], [LOAD]]),
            [('PackDetInputs', False), ('LoadImageFromFile', False)],
        ),
        (dict(type='MultiBranch', branch_field=['a'], a=[PACK]), [('PackDetInputs', True)]),
        (dict(type='Albu', transforms=[dict(type='Normalize')]), [('Normalize', False)]),
        (dict(type='AutoAugment', policies=[[PACK]]), [('PackDetInputs', False)]),
        (dict(type='Mosaic', pre_transform=[PACK]), [('PackDetInputs', False)]),
        (dict(type='RandomApply', transforms=[dict(type='Compose', transforms=[PACK])]), [('PackDetInputs', False)]),
    ],
)
def test_every_step_is_found_whatever_it_is_inside_of(step, found):
    (pipeline,) = pipelines(Config(dict(a_pipeline=[step])))
    steps = [(one.name, one.always) for one in pipeline.walk()]
    assert steps[-len(found) :] == found


def test_a_step_that_is_no_dict_is_refused_by_its_place():
    cfg = Config(dict(train_dataloader=dict(dataset=dict(datasets=[dict(pipeline=[LOAD, 'Resize'])]))))
    with pytest.raises(
        Refusal, match=r"train_dataloader\.dataset\.datasets\.0\.pipeline: a step must be dict.* 'Resize'"
    ):
        pipelines(cfg)


def test_the_chain_of_a_loader_is_that_of_its_first_data_set():
    (first,) = chain_of(NESTED, 'train_dataloader')
    assert first.steps == leaf('a')['pipeline']
    assert len(chain_of(NESTED, 'test_dataloader')) == 2 and chain_of(NESTED, 'extra_dataloader') == []


def test_all_data_sets_inside_others_get_a_pipeline():
    dataset = NESTED.train_dataloader.dataset.to_dict()
    new = with_pipeline(dataset, [PACK])
    first, second = new['dataset']['datasets']
    assert first['pipeline'] == second['base']['pipeline'] == [PACK]
    assert dataset['dataset']['datasets'][0]['pipeline'] == leaf('a')['pipeline']  # a copy
    with pytest.raises(Refusal, match='MultiImageMixDataset mixes images'):
        with_pipeline(NESTED.test_dataloader.dataset.to_dict(), [PACK])
