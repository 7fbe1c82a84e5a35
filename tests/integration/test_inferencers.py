"""OpenMMLab's inferencers with swapped configs: several image sizes in one call give what ``test_step`` gives, in original px."""

import cv2
import numpy as np
import pytest
import torch
from mmdet.apis import DetInferencer, inference_detector, init_detector
from mmdet.datasets.transforms import PackDetInputs
from mmengine.dataset import pseudo_collate
from mmseg.apis import MMSegInferencer, inference_model, init_model
from mmseg.datasets.transforms import PackSegInputs
from PIL import Image
from torch import nn

from tests.integration.swapped_models import NUM_CLASSES, built, config_of

SIZES = [(61, 90), (48, 64), (80, 52)]  # (h, w)
CLASSES = ('a', 'b', 'c')[:NUM_CLASSES]
PALETTE = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]


def pictures(folder):
    """Images with rectangles in them, BGR, and the files they are in."""
    rng = np.random.default_rng(0)
    images, paths = [], []
    for i, (h, w) in enumerate(SIZES):
        image = rng.integers(0, 60, (h, w, 3), dtype=np.uint8)
        image[h // 4 : h // 2, w // 3 : w - 5] += 150
        path = folder / f'{i}.png'
        cv2.imwrite(str(path), image)
        images.append(image)
        paths.append(str(path))
    return images, paths


def saved(config, folder, disturb):
    """The model of a config with weights that react to the image, and its config and checkpoint as files."""
    model = built(config)
    model.init_weights()
    torch.manual_seed(0)
    nn.init.normal_(model.data_preprocessor.downsizer.fusion.weight, std=0.3)
    disturb(model)
    model.eval()
    config.dump(folder / 'config.py')
    meta = dict(dataset_meta=dict(classes=CLASSES, palette=PALETTE))
    torch.save(dict(state_dict=model.state_dict(), meta=meta), folder / 'model.pth')
    return model, str(folder / 'config.py'), str(folder / 'model.pth')


def scaled(step, scale_wh):
    """The pipeline's step with a size of its own, where it resizes."""
    return dict(type='Resize', scale=scale_wh, keep_ratio=True) if step['type'] == 'Resize' else step


@pytest.fixture(scope='module', params=['as it is', 'resized by the pipeline'])
def detector(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp('detector')
    config = config_of('faster_rcnn', folder, target='scale_factor=0.5')
    steps = config.test_dataloader.dataset.pipeline
    if request.param == 'as it is':
        steps = [step for step in steps if step['type'] != 'Resize']
    # Annotations are not at hand.
    steps = [scaled(dict(step), (160, 100)) for step in steps if step['type'] != 'LoadAnnotations']
    config.test_dataloader.dataset.pipeline = steps
    config.model.test_cfg.rcnn.score_thr = 0.0
    config.model.test_cfg.rcnn.max_per_img = 5

    def disturb(model):
        nn.init.normal_(model.rpn_head.rpn_cls.weight, std=0.5)
        nn.init.normal_(model.roi_head.bbox_head.fc_cls.weight, std=0.5)

    return (*saved(config, folder, disturb), *pictures(folder), config)


def detected(model, config, images, batch_size=1):
    """What ``test_step`` finds in the images, batch by batch: mixed sizes are padded, which a network sees."""
    packed = [packed_detection(config, image) for image in images]
    batches = [packed[i : i + batch_size] for i in range(0, len(packed), batch_size)]
    return [sample.pred_instances for batch in batches for sample in model.test_step(pseudo_collate(batch))]


def packed_detection(config, image):
    """An image by the steps of the config's pipeline, written out."""
    resize = [step for step in config.test_dataloader.dataset.pipeline if step['type'] == 'Resize']
    h, w = image.shape[:2]
    results = dict(img=image, img_id=0, img_path='', ori_shape=(h, w), img_shape=(h, w), scale_factor=(1.0, 1.0))
    if resize:
        ratio = min(160 / max(h, w), 100 / min(h, w))
        small = cv2.resize(image, (int(w * ratio + 0.5), int(h * ratio + 0.5)), interpolation=cv2.INTER_LINEAR)
        factor = (small.shape[1] / w, small.shape[0] / h)
        results = dict(results, img=small, img_shape=small.shape[:2], scale_factor=factor)
    return PackDetInputs(meta_keys=('img_id', 'ori_shape', 'img_shape', 'scale_factor'))(results)


def assert_same_instances(found, wanted, image):
    assert len(found.bboxes) == len(wanted.bboxes) > 0
    torch.testing.assert_close(torch.as_tensor(found.bboxes), wanted.bboxes, rtol=1e-4, atol=1e-2)
    torch.testing.assert_close(torch.as_tensor(found.scores), wanted.scores, rtol=1e-4, atol=1e-5)
    assert torch.equal(torch.as_tensor(found.labels), wanted.labels)
    h, w = image.shape[:2]
    far = wanted.bboxes.amax(0)
    assert (far <= torch.tensor([w, h, w, h]) + 1e-3).all()
    assert far[2] > w / 2 and far[3] > h / 2  # original px, not the network's, which are half of them


@pytest.mark.parametrize('given', ['paths', 'arrays'])
def test_inference_detector(detector, given):
    model, config_path, checkpoint, images, paths, config = detector
    loaded = init_detector(config_path, checkpoint, device='cpu')
    found = inference_detector(loaded, paths if given == 'paths' else images)
    for image, sample, wanted in zip(images, found, detected(model, config, images), strict=True):
        assert_same_instances(sample.pred_instances, wanted, image)
    single = inference_detector(loaded, paths[1] if given == 'paths' else images[1])
    assert_same_instances(single.pred_instances, detected(model, config, images[1:2])[0], images[1])


def test_a_photograph_that_its_file_says_to_turn_is_predicted_and_drawn_as_it_is_seen(detector, tmp_path):
    model, config_path, checkpoint, _, _, config = detector
    turned = Image.Exif()
    turned[0x0112] = 6  # a quarter to the right
    image = np.random.default_rng(0).integers(0, 256, (60, 96, 3), np.uint8)
    Image.fromarray(image).save(tmp_path / 'photo.jpg', exif=turned)
    seen = cv2.imread(str(tmp_path / 'photo.jpg'))
    assert seen.shape == (96, 60, 3)
    inferencer = DetInferencer(model=config_path, weights=checkpoint, device='cpu', show_progress=False)
    found = inferencer(str(tmp_path / 'photo.jpg'), return_datasamples=True, return_vis=True)
    (sample,), (drawn,) = found['predictions'], found['visualization']
    assert_same_instances(sample.pred_instances, detected(model, config, [seen])[0], seen)
    assert drawn.shape == seen.shape


@pytest.mark.parametrize('given', ['paths', 'arrays'])
def test_det_inferencer(detector, given, tmp_path):
    model, config_path, checkpoint, images, paths, config = detector
    inferencer = DetInferencer(model=config_path, weights=checkpoint, device='cpu', show_progress=False)
    results = inferencer(
        paths if given == 'paths' else images,
        batch_size=2,
        return_datasamples=True,
        return_vis=True,
        pred_score_thr=0.0,
        out_dir=str(tmp_path),
        no_save_pred=True,
    )
    expected = detected(model, config, images, batch_size=2)
    for image, wanted, sample, drawn in zip(
        images, expected, results['predictions'], results['visualization'], strict=True
    ):
        assert_same_instances(sample.pred_instances, wanted, image)
        assert drawn.shape == image.shape
        touched = (drawn != image[..., ::-1]).any(-1)
        _, y1, x2, y2 = wanted.bboxes[wanted.scores.argmax()].round().int().tolist()
        edge = touched[max(y1, 0) : y2, max(min(x2, image.shape[1] - 1), 0)]
        assert edge.mean() > 0.9  # the right edge of the best box is where it is in original px


@pytest.fixture(scope='module', params=['as it is', 'resized by the pipeline'])
def segmentor(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp('segmentor')
    config = config_of('fcn', folder, target='scale_factor=0.5')
    steps = [step for step in config.test_pipeline if step['type'] != 'LoadAnnotations']
    if request.param == 'as it is':
        steps = [step for step in steps if step['type'] != 'Resize']
    config.test_pipeline = config.test_dataloader.dataset.pipeline = [scaled(dict(step), (120, 90)) for step in steps]

    def disturb(model):
        for parameter in model.decode_head.parameters():
            if parameter.ndim == 4:
                nn.init.normal_(parameter, std=(2 / parameter[0].numel()) ** 0.5)
        image = torch.from_numpy(pictures(folder)[0][0]).permute(2, 0, 1)
        logits = model.eval().test_step(dict(inputs=[image]))[0].seg_logits.data
        model.decode_head.conv_seg.bias.data -= logits.mean((1, 2))  # or one class would be everywhere

    return (*saved(config, folder, disturb), *pictures(folder), config)


def segmented(model, config, image):
    """The logits of ``test_step`` of one image, by the steps of the config's pipeline written out."""
    h, w = image.shape[:2]
    results = dict(img=image, img_path='', ori_shape=(h, w), img_shape=(h, w), scale_factor=(1.0, 1.0))
    if any(step['type'] == 'Resize' for step in config.test_pipeline):
        ratio = min(120 / max(h, w), 90 / min(h, w))
        small = cv2.resize(image, (int(w * ratio + 0.5), int(h * ratio + 0.5)), interpolation=cv2.INTER_LINEAR)
        factor = (small.shape[1] / w, small.shape[0] / h)
        results = dict(results, img=small, img_shape=small.shape[:2], scale_factor=factor)
    packed = PackSegInputs(meta_keys=('img_path', 'ori_shape', 'img_shape', 'scale_factor'))(results)
    batch = dict(inputs=[packed['inputs']], data_samples=[packed['data_samples']])
    return model.test_step(batch)[0].seg_logits.data


def assert_same_labels(found, wanted, image):
    """Equal where the decision is clear: batches round differently."""
    labels = torch.as_tensor(np.asarray(found)).reshape(image.shape[:2])
    best = wanted.topk(2, 0).values
    clear = best[0] - best[1] > 1e-4
    assert clear.float().mean() > 0.9
    assert wanted.argmax(0).unique().numel() > 1
    assert torch.equal(labels[clear].long(), wanted.argmax(0)[clear])


@pytest.mark.parametrize('given', ['paths', 'arrays'])
def test_inference_model(segmentor, given):
    model, config_path, checkpoint, images, paths, config = segmentor
    loaded = init_model(config_path, checkpoint, device='cpu')
    for image, path in zip(images, paths):
        sample = inference_model(loaded, path if given == 'paths' else image)
        wanted = segmented(model, config, image)
        torch.testing.assert_close(sample.seg_logits.data, wanted, rtol=0, atol=1e-4)
        assert_same_labels(sample.pred_sem_seg.data, wanted, image)


def test_inference_model_of_several_images(segmentor):
    model, config_path, checkpoint, images, _, config = segmentor
    loaded = init_model(config_path, checkpoint, device='cpu')
    flipped = images[0][:, ::-1].copy()  # mmseg refuses a batch of different sizes
    for image, sample in zip((images[0], flipped), inference_model(loaded, [images[0], flipped]), strict=True):
        torch.testing.assert_close(sample.seg_logits.data, segmented(model, config, image), rtol=0, atol=1e-4)


@pytest.mark.parametrize('given', ['paths', 'arrays'])
def test_mmseg_inferencer(segmentor, given):
    model, config_path, checkpoint, images, paths, config = segmentor
    inferencer = MMSegInferencer(model=config_path, weights=checkpoint, device='cpu', classes=CLASSES, palette=PALETTE)
    results = inferencer(paths if given == 'paths' else images, return_vis=True, with_labels=False, opacity=1.0)
    for image, labels, drawn in zip(images, results['predictions'], results['visualization'], strict=True):
        wanted = segmented(model, config, image)
        assert_same_labels(labels, wanted, image)
        assert drawn.shape == image.shape
        labels = np.asarray(labels).astype(np.uint8)
        inside = cv2.dilate(labels, np.ones((3, 3))) == cv2.erode(labels, np.ones((3, 3)))  # borders are blended
        assert inside.mean() > 0.5
        assert np.array_equal(drawn[inside], np.array(PALETTE, np.uint8)[labels[inside]])


def test_mmseg_inferencer_in_batches(segmentor):
    model, config_path, checkpoint, images, _, config = segmentor
    inferencer = MMSegInferencer(model=config_path, weights=checkpoint, device='cpu', classes=CLASSES, palette=PALETTE)
    given = [images[0], images[0][:, ::-1].copy(), images[0][::-1].copy()]  # mmseg refuses a batch of different sizes
    for image, labels in zip(given, inferencer(given, batch_size=2)['predictions'], strict=True):
        assert_same_labels(labels, segmented(model, config, image), image)
