"""A segmentor that keeps its own prediction: the divergence against a slow form, what learns, and what is refused."""

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner.checkpoint import load_state_dict

pytest.importorskip('mmseg')

from mmseg.structures import SegDataSample
from torch.nn.functional import interpolate

from mmdownsize.fitting.self_distillation import SelfDistilledEncoderDecoder
from mmdownsize.fitting.train_only import TrainOnlyHook
from mmdownsize.geometry import TargetSize
from mmdownsize.resizers import FixedResizer
from tests.preprocessors.batches import seg_sample
from tests.tools.small_training import ROOT, write_config

HW = (24, 32)


@pytest.fixture
def model(tmp_path) -> SelfDistilledEncoderDecoder:
    return build(tmp_path)


def build(tmp_path, out_channels=2, **settings) -> SelfDistilledEncoderDecoder:
    cfg = Config.fromfile(write_config(tmp_path / 'small.py', tmp_path, by_epoch=True, seed=0, workers=0))
    init_default_scope('mmseg')
    cfg.model.type = 'mmdownsize.SelfDistilledEncoderDecoder'
    cfg.model.data_preprocessor.type = 'mmdownsize.SegPairDownsizePreprocessor'
    cfg.model.decode_head.update(dropout_ratio=0.0, out_channels=out_channels)
    torch.manual_seed(0)
    model = MODELS.build({**cfg.model, **settings})
    model.init_weights()
    torch.nn.init.normal_(model.decode_head.conv_seg.weight)
    return model.eval()


def batch(count=2, hw=HW):
    rng = np.random.default_rng(0)
    images = [torch.from_numpy(rng.integers(0, 256, (3, *hw), np.uint8)) for _ in range(count)]
    return dict(inputs=images, data_samples=[seg_sample(hw) for _ in images])


def test_training_batches_come_twice_and_others_once(model):
    given = batch()
    before = copy.deepcopy(given['inputs'])
    out = model.data_preprocessor(given, True)
    expected = (torch.stack(before).float() - 127.0) / 128.0
    torch.testing.assert_close(out['full'], expected)
    assert out['inputs'].shape == (2, 3, 12, 16)
    assert all(torch.equal(a, b) for a, b in zip(before, given['inputs']))
    assert 'full' not in model.data_preprocessor(batch(), False)


def test_the_loss_is_the_divergence_pixel_by_pixel(model):
    data = model.data_preprocessor(batch(), True)
    data['full'] = torch.randn(2, 3, 72, 96)  # whose logits are three times as fine as the downsized image
    with torch.no_grad():
        loss = model(**data, mode='loss')['loss_kl'].item()
        small, full = model._forward(data['inputs']).double(), model._forward(data['full']).double()
    small, full = (interpolate(x, (12, 16), mode='bilinear', antialias=True).numpy() for x in (small, full))
    total = 0.0
    for n, i, j in np.ndindex(2, 12, 16):
        p, q = (np.exp(x[n, :, i, j]) / np.exp(x[n, :, i, j]).sum() for x in (full, small))
        total += (p * np.log(p / q)).sum()
    assert loss == pytest.approx(total / (2 * 12 * 16), rel=1e-4)
    assert loss > 0


@pytest.mark.parametrize('balance', [0.5, 1.0])
def test_balanced_classes_weigh_by_a_power_of_their_share_of_all_images_so_far(tmp_path, balance):
    model = build(tmp_path, class_balance=balance)
    pixels = np.zeros(model.out_channels)
    for step, bias in enumerate((1.0, 3.0)):  # the first class is seen more often, and then still more
        model.decode_head.conv_seg.bias.data[0] = bias
        data = model.data_preprocessor(batch(), True)
        with torch.no_grad():
            loss = model(**data, mode='loss')['loss_kl'].item()
            full, small = (model._forward(data[key]).double() for key in ('full', 'inputs'))
        full, small = (
            interpolate(x, (12, 16), mode='bilinear', antialias=True).softmax(1).movedim(1, -1).flatten(0, 2).numpy()
            for x in (full, small)
        )
        either = full.sum(0) + small.sum(0)
        pixels += either
        in_batch, so_far = either / either.sum(), pixels / pixels.sum()
        expected = weighted_divergence(full, small, so_far**-balance)
        assert loss == pytest.approx(expected, rel=1e-4)
        assert loss != pytest.approx(weighted_divergence(full, small, np.ones_like(so_far)), rel=1e-3)
        if step:
            assert loss != pytest.approx(weighted_divergence(full, small, in_batch**-balance), rel=1e-3)


@pytest.mark.parametrize('balance', [0.0, 1.0])
@pytest.mark.parametrize('sizes', [[HW, HW], [HW, (20, 32)]], ids=['one size', 'padded'])
def test_what_fixed_kernels_would_have_is_shown_beside_it(tmp_path, balance, sizes):
    model = frozen(build(tmp_path, class_balance=balance, beside=['bilinear', 'area'], beside_interval=2))
    model.data_preprocessor.target = quarter = TargetSize(scale_factor=0.25)
    given = batch()
    given['inputs'] = [image[:, :h] for image, (h, _) in zip(given['inputs'], sizes)]
    given['data_samples'] = [seg_sample(hw) for hw in sizes]
    data = model.data_preprocessor(given, True)
    shown = model(**data, mode='loss')
    assert shown.keys() == {'loss_kl', 'kl_downsizer', 'kl_bilinear', 'kl_area'}
    loss = shown['loss_kl'].item()
    assert shown['kl_downsizer'].item() == loss
    assert shown['kl_bilinear'].item() == pytest.approx(loss, rel=1e-4)  # as which it starts
    counted = model.class_pixels.clone() if balance else None
    assert model(**data, mode='loss').keys() == {'loss_kl'}

    area = build(tmp_path, class_balance=balance)
    area.data_preprocessor.downsizer, area.data_preprocessor.target = FixedResizer(kernel='area'), quarter
    area.load_state_dict({k: v for k, v in model.state_dict().items() if 'downsizer' not in k})
    if balance:
        area.class_pixels.copy_(counted)
        assert counted.sum() == pytest.approx(2 * sum(h * w / 16 for h, w in sizes))  # of this batch, once
        loss_area = area._divergence(*parts(area, given), count=False).item()
    else:
        loss_area = area(**area.data_preprocessor(given, True), mode='loss')['loss_kl'].item()
    assert shown['kl_area'].item() == pytest.approx(loss_area, rel=1e-4)
    assert shown['kl_area'].item() != pytest.approx(loss, rel=1e-3)
    sums = model.parse_losses(shown)[0].item()
    assert sums == pytest.approx(loss)  # what is beside it is not trained


def frozen(model):
    for name, part in model.named_children():
        part.requires_grad_(name == 'data_preprocessor')
    return model


def parts(model, given):
    """Return what the divergence of a batch is computed from: images, log probabilities, mask."""
    data = model.data_preprocessor(given, True)
    hw = tuple(data['inputs'].shape[-2:])
    sizes = [tuple(sample.img_shape) for sample in data['data_samples']]
    return data['inputs'], *model._wanted_inside(data['full'], sizes, hw)


@pytest.mark.parametrize('settings', [dict(beside=['darkest']), dict(beside='area'), dict(beside_interval=0)])
def test_what_cannot_be_shown_beside_it_is_refused(tmp_path, settings):
    with pytest.raises(ValueError, match='beside'):
        build(tmp_path, **settings)


def test_beside_a_model_that_is_trained_nothing_is_shown(tmp_path):
    model = build(tmp_path, beside=['area'])
    with pytest.raises(
        ValueError, match='beside compares predictions of a frozen model, and backbone, decode_head is being'
    ):
        model(**model.data_preprocessor(batch(), True), mode='loss')


def weighted_divergence(full, small, by_class):
    """Return what pixels diverge, as much of each as the classes weigh that it is said to be of, by either."""
    total = weights = 0.0
    for p, q in zip(full, small):
        weight = ((p + q) * by_class).sum()
        total += weight * (p * np.log(p / q)).sum()
        weights += weight
    return total / weights


@pytest.mark.parametrize('balance', [0.0, 1.0])
@pytest.mark.parametrize(
    'padding', [dict(size=(24, 32)), dict(size=None, size_divisor=16), dict(size=None, size_divisor=1)], ids=str
)
def test_padding_counts_nothing_and_moves_nothing(tmp_path, balance, padding):
    model = build(tmp_path, class_balance=balance)
    given = batch(2, (14, 22))
    if padding.get('size_divisor') != 1:
        for key, values in batch(1, (24, 18)).items():  # another size in the same batch
            given[key].extend(values)
    images = copy.deepcopy(given['inputs'])
    vars(model.data_preprocessor).update({'size_divisor': None, **padding})
    if padding['size']:
        model.data_preprocessor.size = (12, 16)  # as it is, once scaled
    data = model.data_preprocessor(given, True)
    canvas = {1: (7, 11), 16: (16, 16), None: (12, 16)}[padding.get('size_divisor')]
    assert data['inputs'].shape[-2:] == canvas
    full, small = [], []
    with torch.no_grad():
        loss = model(**data, mode='loss')['loss_kl'].item()
        seen = interpolate(model._forward(data['inputs']), canvas, mode='bilinear', antialias=True)
        for image, logits in zip(images, seen):
            own = model._forward(((image.float() - 127.0) / 128.0)[None])
            h, w = (round(side * 0.5) for side in image.shape[1:])
            full.append(interpolate(own, (h, w), mode='bilinear', antialias=True)[0].flatten(1))
            small.append(logits[:, :h, :w].flatten(1))
    full, small = (torch.cat(each, 1).T.double().softmax(1).numpy() for each in (full, small))
    pixels = full.sum(0) + small.sum(0)
    expected = weighted_divergence(full, small, (pixels / pixels.sum()) ** -balance)
    assert loss == pytest.approx(expected, rel=1e-4)
    if balance:
        assert model.class_pixels.numpy() == pytest.approx(pixels, rel=1e-4)


def test_images_of_another_size_than_those_fitted_to_are_warned_of_once(model, recwarn):
    def warned():
        said = [str(one.message) for one in recwarn.list if 'this downsizer is fitted' in str(one.message)]
        recwarn.clear()
        return said

    vars(model.data_preprocessor).update(size=None, size_divisor=1)
    model.val_step(batch(1, (40, 40)))  # nothing is fitted yet
    for hw in ((20, 32), (24, 36)):
        model(**model.data_preprocessor(batch(2, hw), True), mode='loss')
    for hw in ((20, 32), (22, 34), (24, 36)):
        model.val_step(batch(1, hw))
    assert not warned()
    for hw in ((22, 40), (40, 40)):
        model.val_step(batch(1, hw))
    (message,) = warned()
    assert 'images of 10 to 12 x 16 to 18 px (h x w, downsized and padded), and is tested with 11 x 20' in message
    model.data_preprocessor.size_divisor = 16  # the network sees the padded image, and at test time another one
    model(**model.data_preprocessor(batch(2, (20, 32)), True), mode='loss')
    model.val_step(batch(1, (20, 32)))
    (message,) = warned()
    assert 'images of 16 to 16 x 16 to 16 px' in message and 'tested with 10 x 16' in message


def test_what_a_pixel_weighs_is_not_learned(tmp_path):
    model = build(tmp_path, class_balance=1.0)
    model.decode_head.conv_seg.weight.data *= 5
    data = dict(inputs=torch.randn(2, 3, 12, 16), full=3 * torch.randn(2, 3, *HW))  # which have little in common
    model(**data, mode='loss')['loss_kl'].backward()
    found = model.decode_head.conv_seg.bias.grad.clone()
    model.zero_grad()
    with torch.no_grad():
        full = interpolate(model._forward(data['full']), (12, 16), mode='bilinear', antialias=True).softmax(1)
    small = interpolate(model._forward(data['inputs']), (12, 16), mode='bilinear', antialias=True).log_softmax(1)
    either = (full + small.exp()).detach()
    weight = (either / either.sum((0, 2, 3), keepdim=True)).sum(1)
    ((weight * (full * (full.log() - small)).sum(1)).sum() / weight.sum()).backward()
    torch.testing.assert_close(found, model.decode_head.conv_seg.bias.grad, rtol=1e-3, atol=1e-7)


def test_autocast_leaves_the_weights_of_classes_alone(tmp_path, monkeypatch):
    full, small = (torch.tensor([0.0, -15.0])[:, None, None] + torch.randn(2, 2, 12, 16) for _ in range(2))
    losses = []
    for autocast in (False, True):
        model = build(tmp_path, class_balance=1.0)
        said = iter((full, small))
        monkeypatch.setattr(model, '_forward', lambda _, said=said: next(said))
        with torch.autocast('cpu', torch.float16, enabled=autocast):
            losses.append(model(torch.zeros(2, 3, 12, 16), full=torch.zeros(2, 3, *HW), mode='loss')['loss_kl'].item())
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def test_a_class_that_is_never_seen_weighs_nothing(tmp_path):
    model = build(tmp_path, class_balance=1.0)
    model.decode_head.conv_seg.bias.data[0] = -1e4  # its probability is 0, and so is its share
    loss = model(**model.data_preprocessor(batch(), True), mode='loss')['loss_kl']
    loss.backward()
    moved = [p.grad for p in model.data_preprocessor.parameters() if p.grad is not None]
    assert loss.isfinite() and moved and all(grad.isfinite().all() for grad in moved)


@pytest.mark.parametrize('settings', [{}, dict(class_balance=0.5), dict(memory_mb=1)])
def test_a_sigmoid_is_the_softmax_of_two_classes(tmp_path, settings):
    two = build(tmp_path, **settings).requires_grad_(False)
    one = build(tmp_path, out_channels=1, **settings).requires_grad_(False)
    one.load_state_dict({k: v for k, v in two.state_dict().items() if 'conv_seg' not in k}, strict=False)
    of_one, of_two = one.decode_head.conv_seg, two.decode_head.conv_seg
    of_one.weight.copy_(of_two.weight[1:] - of_two.weight[:1])
    of_one.bias.copy_(of_two.bias[1:] - of_two.bias[:1])
    for _ in range(2):
        expected, found = (m(**m.data_preprocessor(batch(), True), mode='loss')['loss_kl'].item() for m in (two, one))
        assert found == pytest.approx(expected, rel=2e-2 if 'memory_mb' in settings else 1e-4)
        assert expected > 1e-4


def test_what_was_counted_is_kept_and_not_asked_of_others(tmp_path):
    model = build(tmp_path, class_balance=0.5)
    plain = build(tmp_path).state_dict()
    assert model.state_dict().keys() - plain.keys() == {'class_pixels'}
    model(**model.data_preprocessor(batch(), True), mode='loss')
    assert model.class_pixels.sum().item() == pytest.approx(2 * (2 * 12 * 16))  # by both predictions
    again = build(tmp_path, class_balance=0.5)
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.class_pixels, model.class_pixels)
    model.load_state_dict(plain)  # strictly
    assert not model.class_pixels.any() and 'class_pixels' not in plain


def test_the_full_image_itself_costs_nothing(model):
    full = model.data_preprocessor(batch(), True)['full']
    assert abs(model(full, full=full, mode='loss')['loss_kl'].item()) < 1e-6


def losses_of(model, steps):
    """Train the downsizer alone on a batch, as it is and mirrored in turns, and count the images of full size seen."""
    model = copy.deepcopy(model)
    runner = SimpleNamespace(model=model)
    hook = TrainOnlyHook()
    hook.before_train(runner)
    wrapper = build_optim_wrapper(model, dict(optimizer=dict(type='Adam', lr=0.01)))
    seen = []
    model.backbone.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape) and None)
    losses = []
    for step in range(steps):
        model.train()
        hook.before_train_iter(runner, step)
        given = batch()
        if step % 2:
            given['inputs'] = [image.flip(2) for image in given['inputs']]
        losses.append(model.train_step(given, wrapper)['loss_kl'].item())
    return losses, sum(shape[0] for shape in seen if shape[2:] == HW)


def test_a_memory_spares_work_and_nothing_else(tmp_path):
    without, images = losses_of(build(tmp_path), 6)
    assert images == 12
    remembered, images = losses_of(build(tmp_path, memory_mb=1), 6)
    assert images == 4  # two of them, and their mirror images
    assert remembered == pytest.approx(without, rel=2e-2)  # float16
    assert losses_of(build(tmp_path, memory_mb=1), 6)[0] == remembered


def test_a_folder_serves_the_next_fit_and_changes_nothing(tmp_path):
    folder = str(tmp_path / 'said')
    remembered, _ = losses_of(build(tmp_path, memory_mb=1), 4)
    first, images = losses_of(build(tmp_path, memory_folder=folder), 4)
    assert first == remembered and images == 4 + 1
    second, images = losses_of(build(tmp_path, memory_folder=folder, memory_mb=1), 4)
    assert second == remembered and images == 1  # to see that it is this model's
    other = build(tmp_path, memory_folder=folder)
    torch.nn.init.normal_(other.decode_head.conv_seg.weight)
    assert losses_of(other, 1)[1] == 1 + 1 + 2  # to see whose it is, to be known from now on, and its own
    with pytest.raises(ValueError, match="memory_folder must be the name of a folder or None, got ''"):
        build(tmp_path, memory_folder='')


def test_one_memory_serves_all_target_sizes(tmp_path):
    model, plain = build(tmp_path, memory_mb=1), build(tmp_path)
    for each in (model, plain):
        each.requires_grad_(False).decode_head.conv_seg.bias += 1000  # of all classes: no other prediction
    for factor in (0.5, 0.25, 0.7):
        for each in (model, plain):
            each.data_preprocessor.train_scale_factor = (factor, factor)
        data = model.data_preprocessor(batch(), True)
        assert data['inputs'].shape[-2:] == tuple(round(side * factor) for side in HW)
        expected = plain(**plain.data_preprocessor(batch(), True), mode='loss')['loss_kl'].item()
        assert model(**data, mode='loss')['loss_kl'].item() == pytest.approx(expected, rel=1e-2)
        assert len(model.memory) == 2


def test_a_memory_is_of_one_frozen_model(tmp_path):
    model = build(tmp_path, memory_mb=1)
    data = model.data_preprocessor(batch(), True)
    with pytest.raises(ValueError, match=r'backbone, decode_head is being trained.*TrainOnlyHook'):
        model(**data, mode='loss')
    model.requires_grad_(False)
    model.decode_head.train()  # its dropout and statistics would say something else every time
    with pytest.raises(ValueError, match=r' decode_head is being trained'):
        model(**data, mode='loss')
    model.eval()
    first = model(**data, mode='loss')['loss_kl'].item()
    assert len(model.memory) == 2
    state = model.state_dict()
    state['decode_head.conv_seg.weight'] = 2 * state['decode_head.conv_seg.weight']
    load_state_dict(model, state)  # as mmengine loads checkpoints
    assert len(model.memory) == 0
    assert model(**data, mode='loss')['loss_kl'].item() > 2 * first
    with pytest.raises(ValueError, match='memory_mb must be an integer of at least 0, got -1'):
        build(tmp_path, memory_mb=-1)


@pytest.mark.parametrize('wrong', [-0.1, 1.5, True, float('nan'), '0.5', None])
def test_a_balance_is_from_0_to_1(tmp_path, wrong):
    with pytest.raises(ValueError, match='class_balance must be a number from 0 to 1, got'):
        build(tmp_path, class_balance=wrong)


def test_labels_are_not_read_and_the_downsizer_learns_alone(model):
    runner = SimpleNamespace(model=model)
    hook = TrainOnlyHook()
    hook.before_train(runner)
    wrapper = build_optim_wrapper(model, dict(optimizer=dict(type='Adam', lr=0.01)))
    before = copy.deepcopy(model.state_dict())
    losses = []
    for step in range(25):
        model.train()
        hook.before_train_iter(runner, step)
        given = batch()
        for sample in given['data_samples']:
            sample.gt_sem_seg.data = torch.randint(0, 2, sample.gt_sem_seg.shape)  # nonsense, another one each time
        losses.append(model.train_step(given, wrapper)['loss_kl'].item())
    assert losses[-1] < 0.9 * losses[0]
    moved = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    assert moved and all(key.startswith('data_preprocessor.downsizer.') for key in moved)


def test_predictions_are_the_ordinary_ones(model):
    cfg = Config.fromfile(ROOT / 'configs/_base_/runtimes/mmseg.py')
    assert cfg.default_scope == 'mmseg'
    found = model.val_step(batch())
    assert [type(sample) for sample in found] == [SegDataSample] * 2
    assert found[0].pred_sem_seg.shape == HW


def test_what_does_not_fit_is_refused(model):
    with pytest.raises(ValueError, match='SegPairDownsizePreprocessor'):
        model(torch.zeros(1, 3, 12, 16), mode='loss')
    with pytest.raises(ValueError, match='does not take test_cfg'):
        MODELS.build(
            dict(
                type='mmdownsize.SegPairDownsizePreprocessor',
                downsizer=dict(type='FixedResizer'),
                scale_factor=0.5,
                size_divisor=1,
                test_cfg=dict(size_divisor=16),
            )
        )
