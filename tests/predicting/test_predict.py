"""Predictions on image files: pictures, label maps and a JSON file, for detectors and segmentors."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from mmengine.structures import InstanceData, PixelData
from PIL import Image
from torch import nn

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')

from mmdet.apis import inference_detector, init_detector
from mmdet.structures import DetDataSample
from pycocotools import mask as coco_mask

from mmdownsize.cli.main import main
from mmdownsize.notices import Notice
from mmdownsize.predicting.results import entry_of, label_map, picture
from mmdownsize.predicting.run import Options, predict
from mmdownsize.refusal import Refusal
from tests.integration.swapped_models import built, config_of
from tests.tools.small_training import write_training

CLASSES = ('cat', 'dog', 'hat')
Finished = tuple[str, str]


@pytest.fixture(scope='module')
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three files: two of the same stem, and one that its file says to turn. One is in a folder inside."""
    folder = tmp_path_factory.mktemp('photos')
    (folder / 'inside').mkdir()
    image = np.random.default_rng(0).integers(0, 90, (60, 96, 3), np.uint8)
    image[10:40, 30:70] += 120
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(image).save(folder / 'a.png')
    Image.fromarray(image[:50]).save(folder / 'inside/a.png')
    Image.fromarray(image).save(folder / 'turned.jpg', exif=turned)
    (folder / 'notes.txt').write_text('no image')
    return folder


@pytest.fixture(scope='module')
def detector(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp('detector')
    config = config_of('mask_rcnn', folder, target='scale_factor=0.5')
    steps = [dict(step) for step in config.test_dataloader.dataset.pipeline]
    for step in steps:
        if step['type'] == 'Resize':
            step['scale'] = (160, 100)
    config.test_dataloader.dataset.pipeline = steps
    config.model.test_cfg.rcnn.update(score_thr=0.0, max_per_img=5)
    torch.manual_seed(0)
    model = built(config)
    model.init_weights()
    nn.init.normal_(model.rpn_head.rpn_cls.weight, std=0.5)
    nn.init.normal_(model.roi_head.bbox_head.fc_cls.weight, std=0.5)
    config.dump(folder / 'config.py')
    meta = dict(dataset_meta=dict(classes=CLASSES, palette=[(200, 0, 0), (0, 200, 0), (0, 0, 200)]))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), folder / 'model.pth')
    return str(folder / 'config.py'), str(folder / 'model.pth')


@pytest.fixture(scope='module')
def segmentor(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    path, _ = write_training(tmp_path_factory.mktemp('segmentor'))
    init_default_scope('mmseg')
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(path).model)
    torch.save(dict(state_dict=model.state_dict(), meta={}), path.parent / 'model.pth')
    return str(path), str(path.parent / 'model.pth')


def test_a_detectors_boxes_are_those_of_mmdet_in_px_of_the_files(
    detector: Finished, photos: Path, tmp_path: Path
) -> None:
    written = predict(Options(*detector, [photos], tmp_path, score=0.0))
    assert written == [f'3 images: {tmp_path}/pictures', f'all that was found: {tmp_path}/predictions.json']
    found = json.loads((tmp_path / 'predictions.json').read_text())
    assert [one['name'] for one in found['classes']] == list(CLASSES) and found['classes'][0]['colour'] == [200, 0, 0]
    entries = {Path(entry['file']).relative_to(photos).as_posix(): entry for entry in found['images']}
    assert {name: (entry['width'], entry['height']) for name, entry in entries.items()} == {
        'a.png': (96, 60),
        'inside/a.png': (96, 50),
        'turned.jpg': (60, 96),  # as it is seen
    }
    model = init_detector(*detector, device='cpu')
    for name, entry in entries.items():
        wanted = inference_detector(model, str(photos / name)).pred_instances
        order = wanted.scores.argsort(descending=True, stable=True)
        assert entry['boxes'] == pytest.approx(wanted.bboxes[order].numpy(), abs=0.01) and len(entry['boxes']) == 5
        assert entry['labels'] == [CLASSES[label] for label in wanted.labels[order]]
        assert entry['scores'] == pytest.approx(wanted.scores[order].tolist(), abs=1e-4)
        masks = np.stack([coco_mask.decode(code) for code in entry['masks']])
        assert np.array_equal(masks, wanted.masks[order].numpy())
        drawn, source = (np.array(Image.open(file)) for file in (tmp_path / entry['picture'], photos / name))
        assert drawn.shape == (entry['height'], entry['width'], 3)
        assert name == 'turned.jpg' or (drawn != source).any()
    pictures = sorted(entry['picture'] for entry in entries.values())
    assert pictures == ['pictures/a.png', 'pictures/a_2.png', 'pictures/turned.png']
    # Again, with the folder of the results among the images: they are not predicted on.
    predict(Options(*detector, [photos / 'a.png', tmp_path], tmp_path))
    (again,) = json.loads((tmp_path / 'predictions.json').read_text())['images']
    assert again == {**entries['a.png'], 'picture': 'pictures/a.png'}


def test_a_segmentors_label_map_and_its_counts(segmentor: Finished, photos: Path, tmp_path: Path) -> None:
    written = predict(Options(*segmentor, [photos / 'a.png', photos / 'turned.jpg'], tmp_path))
    assert written[-1] == f'the class of every pixel: {tmp_path}/labels'
    found = json.loads((tmp_path / 'predictions.json').read_text())
    assert found['classes'] == [
        dict(name='a', colour=[0, 0, 0]),
        dict(name='b', colour=[255, 255, 255]),
    ]  # the config's
    for entry in found['images']:
        labels = np.array(Image.open(tmp_path / entry['label_map']))
        assert labels.shape == (entry['height'], entry['width']) and labels.dtype == np.uint8
        counts = {name: int((labels == number).sum()) for number, name in enumerate('ab')}
        assert entry['pixels'] == {name: count for name, count in counts.items() if count} and 'boxes' not in entry
        drawn = np.array(Image.open(tmp_path / entry['picture'])).astype(int)
        assert (
            drawn[labels == 1].min(initial=255) >= 127 and drawn[labels == 0].max(initial=0) <= 128
        )  # half the colour


def test_a_panoptic_map_gives_classes_and_a_class_without_a_name_is_a_number() -> None:
    sample = DetDataSample(metainfo=dict(ori_shape=(1, 4)))
    sample.pred_panoptic_seg = PixelData(sem_seg=torch.tensor([[[1, 1001, 2001, 3]]]))
    assert label_map(sample).tolist() == [[1, 1, 1, 3]]
    assert entry_of(sample, CLASSES) == dict(width=4, height=1, pixels={'dog': 3, '3': 1})
    sample = DetDataSample(metainfo=dict(ori_shape=(30, 40)))
    boxes, labels = torch.tensor([[5.0, 5, 20, 20]]), torch.tensor([7])
    sample.pred_instances = InstanceData(bboxes=boxes, labels=labels, scores=torch.tensor([0.3]))
    assert entry_of(sample, CLASSES)['labels'] == ['7']
    image = np.zeros((30, 40, 3), np.uint8)
    assert picture(image, sample, CLASSES, [(9, 9, 9)] * 3, 0.3).any()  # a score of just the threshold is drawn
    assert not picture(image, sample, CLASSES, [(9, 9, 9)] * 3, 0.31).any()


def test_what_cannot_be_predicted_is_said_before_anything_is_written(
    segmentor: Finished, detector: Finished, photos: Path, tmp_path: Path
) -> None:
    config, checkpoint = segmentor
    image, out = photos / 'a.png', tmp_path / 'out'
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'file').touch()
    (tmp_path / 'plain.py').write_text('x = 1\n')
    state = torch.load(checkpoint)['state_dict']
    for other in (config, 'mmseg::fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1024.py'):
        with pytest.raises(Refusal, match=r"does not fit the config's model: .* such as \w+\."):
            predict(Options(other, detector[1], [image], out))
    for options, message in [
        (
            Options(config, checkpoint, [photos / 'notes.txt', image], out),
            r'notes\.txt is not an image .* leave it out',
        ),
        (Options(config, checkpoint, [tmp_path / 'empty'], out), r'no image in .*empty; known: \.bmp'),
        (Options(config, checkpoint, [tmp_path / 'gone'], out), 'no such file or folder: .*gone'),
        (Options(config, 'gone.pth', [image], out), r'no such checkpoint: gone\.pth'),
        (Options(config, checkpoint, [image], out, score=2.0), r'--score must be from 0 to 1, got 2\.0'),
        (Options('gone.py', checkpoint, [image], out), r'no such config: gone\.py'),
        (Options('mmdet::gone.py', checkpoint, [image], out), r'no config mmdet::gone\.py'),
        (Options(str(tmp_path / 'plain.py'), checkpoint, [image], out), 'is no config of mmdet or mmsegmentation'),
        (Options(config, checkpoint, [image], image.parent / 'inside/..'), 'the only images there are those in --out'),
    ]:
        with pytest.raises(Refusal, match=message):
            predict(options)
    assert not out.exists()
    with pytest.raises(OSError, match=re.escape(f'cannot write {tmp_path}/file/predictions.json')):
        predict(Options(config, checkpoint, [image], tmp_path / 'file'))
    # A checkpoint with a downsizer that the config does not have, and the other way round.
    fixed = tmp_path / 'fixed.py'
    fixed.write_text(
        f"_base_ = {config!r}\nmodel = dict(data_preprocessor=dict(downsizer=dict(_delete_=True, type='FixedResizer')))\n"
    )
    with pytest.raises(Refusal, match=r'model\.pth has a downsizer, data_preprocessor\.downsizer\.\*, and .*fixed\.py'):
        predict(Options(str(fixed), checkpoint, [image], out))
    rest = {key: value for key, value in state.items() if not key.startswith('data_preprocessor')}
    torch.save(dict(state_dict={**rest, 'other': torch.zeros(1)}), tmp_path / 'rest.pth')
    with pytest.warns(Notice) as warned:
        predict(Options(config, str(tmp_path / 'rest.pth'), [image], out))
    said = ' '.join(str(one.message) for one in warned)
    assert 'rest.pth has no downsizer' in said and 'has 1 weights that the model does not have, such as other' in said


def test_the_subcommand(segmentor: Finished, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(['predict', *segmentor, str(photos / 'a.png'), '--out', str(tmp_path / 'out')])
    assert capsys.readouterr().out.splitlines()[0] == f'1 image: {tmp_path}/out/pictures'
