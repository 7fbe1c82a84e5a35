"""What a training wrote goes into OpenMMLab's inferencers, which open a checkpoint before they build the model."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmdet.apis import DetInferencer, init_detector
from mmengine.config import Config
from mmengine.runner import Runner
from mmseg.apis import MMSegInferencer, init_model

from tests.integration.swapped_models import NUM_CLASSES, config_of
from tests.integration.trainings import train
from tests.tools.small_training import ROOT, write_config, write_data

CLASSES = ('a', 'b', 'c')[:NUM_CLASSES]
HW = (60, 80)


def write_objects(folder: Path) -> dict:
    """Write two images of one object each, and return their data set's config."""
    folder.mkdir()
    images, objects = [], []
    for i in range(2):
        image = np.random.default_rng(i).integers(0, 60, (*HW, 3), dtype=np.uint8)
        image[10:40, 20:70] += 150
        cv2.imwrite(str(folder / f'{i}.png'), image)
        images.append(dict(id=i, file_name=f'{i}.png', height=HW[0], width=HW[1]))
        objects.append(dict(id=i, image_id=i, category_id=1, bbox=[20, 10, 50, 30], area=1500, iscrowd=0))
    categories = [dict(id=i + 1, name=name) for i, name in enumerate(CLASSES)]
    content = dict(info={}, images=images, annotations=objects, categories=categories)
    (folder / 'objects.json').write_text(json.dumps(content))
    return dict(
        type='CocoDataset', data_root=str(folder), ann_file='objects.json', data_prefix=dict(img=''),
        metainfo=dict(classes=CLASSES, palette=[(200, 0, 0), (0, 200, 0), (0, 0, 200)]),
    )  # fmt: skip


def detection(folder: Path) -> Path:
    """Write a config that trains a small detector for two steps."""
    config = config_of('faster_rcnn', folder)
    data = write_objects(folder / 'objects')
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        steps = [step for step in loader.dataset.pipeline if step['type'] != 'Resize']
        loader.dataset = dict(data, pipeline=steps)
        loader.num_workers, loader.persistent_workers = 0, False
    for evaluator in (config.val_evaluator, config.test_evaluator):
        evaluator.ann_file = str(folder / 'objects/objects.json')
    config.train_cfg.max_epochs = 1
    config.param_scheduler = [dict(type='OneCycleLR', eta_max=0.01, total_steps=2, by_epoch=False)]
    config.default_hooks.checkpoint.save_best = 'coco/bbox_mAP'
    config.dump(folder / 'config.py')
    return folder / 'config.py'


def segmentation(folder: Path) -> Path:
    """Write a config that trains a small segmentor, whose metainfo has a dict in it."""
    (folder / 'data').mkdir()
    path = write_config(folder / 'config.py', write_data(folder / 'data'), by_epoch=True, seed=0, workers=0)
    config = Config.fromfile(path)
    config.merge_from_dict({f'{loader}_dataloader.dataset.metainfo.note': dict(by='us') for loader in ('train', 'val')})
    load = [step for step in config.test_dataloader.dataset.pipeline if step['type'] != 'LoadAnnotations']
    config.test_pipeline = load
    config.dump(path)
    return path


KINDS = {'det': (detection, DetInferencer, init_detector), 'seg': (segmentation, MMSegInferencer, init_model)}


@pytest.fixture(scope='module', params=KINDS)
def trained(request, tmp_path_factory, single_thread):
    """The kind, the config, and the last checkpoint of a training by tools/train.py."""
    folder = tmp_path_factory.mktemp(request.param)
    config = KINDS[request.param][0](folder)
    train(config, folder / 'work')
    return request.param, config, Path((folder / 'work/last_checkpoint').read_text())


@pytest.fixture
def nothing_allowed():
    """torch as it is in a new process, before anything of this package was imported."""
    before = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    yield
    torch.serialization.clear_safe_globals()
    torch.serialization.add_safe_globals(before)


def said_by(code: str, *arguments: str, cwd: Path) -> list[str]:
    """Run a program in a new process and return the words that it prints."""
    environ = {**os.environ, 'PYTHONPATH': str(ROOT)}
    command = [sys.executable, '-c', code, *arguments]
    done = subprocess.run(command, env=environ, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.split()


@pytest.mark.parametrize('source', ['config', 'checkpoint alone'])
def test_an_inferencer_opens_what_a_training_wrote(trained, source, nothing_allowed) -> None:
    kind, config, checkpoint = trained
    inferencer = KINDS[kind][1](str(config) if source == 'config' else None, str(checkpoint), device='cpu')
    prediction = inferencer(np.zeros((*HW, 3), np.uint8))['predictions']
    assert np.shape(prediction) == HW if kind == 'seg' else prediction[0].keys() >= {'bboxes', 'labels'}
    weights = torch.load(checkpoint)['state_dict']
    assert all(torch.equal(value, weights[name]) for name, value in inferencer.model.state_dict().items())


def test_the_best_checkpoint_is_one_of_them(trained, nothing_allowed) -> None:
    (best,) = trained[2].parent.glob('best_*.pth')
    assert torch.load(best)['message_hub']['runtime_info']['best_score'] >= 0


def test_what_mmengine_wrote_is_opened_once_the_preprocessor_is_imported(trained, tmp_path) -> None:
    kind, config, _ = trained
    cfg = Config.fromfile(config)
    cfg.merge_from_dict(
        dict(work_dir=str(tmp_path), experiment_name=f'raw_{kind}', visualizer=dict(name=f'raw_{kind}'))
    )
    Runner.from_cfg(cfg).train()
    checkpoint = (tmp_path / 'last_checkpoint').read_text()
    function = KINDS[kind][2]
    code = (
        f'import sys, torch\nfrom {function.__module__} import {function.__name__} as init\n'
        "assert 'mmdownsize' not in sys.modules\n"
        'try:\n    torch.load(sys.argv[2])\nexcept Exception as error:\n    print(type(error).__name__)\n'
        "print(type(init(sys.argv[1], sys.argv[2], device='cpu').data_preprocessor).__name__)\n"
    )
    first, *_, last = said_by(code, str(config), checkpoint, cwd=tmp_path)
    assert first == 'UnpicklingError' and last.endswith('DownsizePreprocessor')


def test_a_classifier_is_opened_by_mmpretrain(tmp_path) -> None:
    pytest.importorskip('tests.mmpretrain_here')
    (tmp_path / 'config.py').write_text(
        "model = dict(type='ImageClassifier', backbone=dict(type='ResNet', depth=18, base_channels=4, stem_channels=4),\n"
        "    neck=dict(type='GlobalAveragePooling'), head=dict(type='LinearClsHead', num_classes=3, in_channels=32),\n"
        "    data_preprocessor=dict(type='mmdownsize.ClsDownsizePreprocessor', num_classes=3, mean=[0.0] * 3, std=[1.0] * 3,\n"
        "        downsizer=dict(type='DownsizeNet'), scale=(32, 32)))\n"
        "test_dataloader = dict(dataset=dict(type='CustomDataset', pipeline=[\n"
        "    dict(type='LoadImageFromFile'), dict(type='PackInputs')]))\n"
    )
    code = (
        'import sys, torch\nimport tests.mmpretrain_here\nimport numpy as np\n'
        'from mmengine.logging.history_buffer import HistoryBuffer\n'
        'from mmpretrain import ImageClassificationInferencer\n'
        "assert 'mmdownsize.checkpoints' not in sys.modules\n"
        "meta = dict(dataset_meta=dict(classes=np.array(['a', 'b', 'c'])))\n"
        'history = dict(loss=HistoryBuffer([1.0], [1]))\n'
        "torch.save(dict(state_dict={}, meta=meta, message_hub=history), 'model.pth')\n"
        "inferencer = ImageClassificationInferencer('config.py', pretrained='model.pth', device='cpu')\n"
        "print('\\nfound', inferencer(np.zeros((48, 64, 3), np.uint8))[0]['pred_class'])\n"
    )
    assert said_by(code, cwd=tmp_path)[-2:-1] == ['found']
