"""A model that cannot take the images that a downsizer makes says in its error what to do."""

import copy
import pickle

import pytest
import torch
from torch import nn

pytest.importorskip('mmseg')

from mmengine.config import ConfigDict
from mmengine.registry import MODELS, DefaultScope
from mmseg.models import EncoderDecoder

from mmdownsize.preprocessors.misfits import explain_misfits, way_out
from tests.preprocessors.batches import seg_sample

FIXED = dict(type='FixedResizer')
BEIT = dict(
    type='BEiT',
    img_size=(64, 64),
    patch_size=16,
    embed_dims=8,
    num_layers=1,
    num_heads=2,
    out_indices=(0,),
    init_values=1,
)
UNET = dict(
    type='UNet', base_channels=4, num_stages=4, strides=(1,) * 4, enc_num_convs=(1,) * 4, dec_num_convs=(1,) * 3,
    downsamples=(True,) * 3, enc_dilations=(1,) * 4, dec_dilations=(1,) * 3, norm_cfg=dict(type='BN'),
)  # fmt: skip


def segmentor(backbone, channels, **target):
    head = dict(type='FCNHead', in_channels=channels, in_index=-1, channels=channels, num_convs=0, concat_input=False)
    preprocessor = dict(type='mmdownsize.SegDownsizePreprocessor', downsizer=FIXED, size_divisor=1, **target)
    with DefaultScope.overwrite_default_scope('mmseg'):
        return MODELS.build(
            dict(
                type='EncoderDecoder',
                data_preprocessor=preprocessor,
                backbone=backbone,
                decode_head=dict(head, num_classes=20, norm_cfg=None),
                train_cfg=dict(),
                test_cfg=ConfigDict(mode='whole'),
            )
        )


def trained_on(model, hw):
    data = dict(inputs=[torch.randint(0, 256, (3, *hw), dtype=torch.uint8)], data_samples=[seg_sample(hw)])
    return model(**model.data_preprocessor(data, True), mode='loss')


def predicted_of(model, hw):
    return model.eval().test_step(dict(inputs=[torch.randint(0, 256, (3, *hw), dtype=torch.uint8)]))


@pytest.mark.parametrize('use', [trained_on, predicted_of])
def test_strides_that_do_not_divide_the_size(use):
    model = segmentor(UNET, 4, scale_factor=0.5)
    assert use(model, (64, 96))
    with pytest.raises(
        AssertionError,
        match=r'no images of 33x50 px \(h x w\), which the downsizer makes, it takes 40x56: say size=None, size_divisor=8, '
        r'test_cfg=dict\(size_divisor=8\) in data_preprocessor, or choose a target whose sides are multiples of 8$',
    ):
        use(model, (66, 100))


@pytest.mark.parametrize('use', [trained_on, predicted_of])
def test_what_it_advises_works(use):
    padded = segmentor(UNET, 4, scale_factor=0.5)
    padded.data_preprocessor.size_divisor, padded.data_preprocessor.test_cfg = 8, dict(size_divisor=8)
    assert use(padded, (66, 100))
    assert use(segmentor(BEIT, 8, scale=(64, 64)), (128, 96))


def test_a_position_embedding_of_a_fixed_size():
    model = segmentor(BEIT, 8, scale_factor=0.5)
    assert trained_on(model, (128, 128))
    with pytest.raises(
        RuntimeError,
        match=r'no images of 32x32 px .*: BEiT is made for 64x64\. Have the downsizer make that: say scale=\(64, 64\)',
    ):
        trained_on(model, (64, 64))


class Pooled(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 9)

    def forward(self, images):
        return (self.conv(images),)


def test_a_size_at_which_maps_vanish():
    model = segmentor(BEIT, 4, scale_factor=0.5)
    model.backbone = Pooled()
    with pytest.raises(RuntimeError, match=r'no images of 8x8 px .*, it takes 136x136: ask for a larger target'):
        trained_on(model, (16, 16))


def test_an_error_that_has_nothing_to_do_with_the_size_stays_what_it_is(monkeypatch):
    model = segmentor(UNET, 4, scale_factor=0.5)

    def fail(*_, **__):
        raise ValueError('for another reason')

    monkeypatch.setattr(EncoderDecoder, 'loss', fail)
    with pytest.raises(ValueError, match=r'^for another reason$'):
        trained_on(model, (64, 96))


def test_asking_leaves_the_model_as_it_was():
    model = segmentor(UNET, 4, scale_factor=0.5)
    model.train()
    model.backbone.eval()
    before, modes = copy.deepcopy(model.state_dict()), [module.training for module in model.modules()]
    assert way_out(model, torch.zeros(2, 3, 33, 50), lambda divisor: f'pad={divisor}').count('pad=8') == 1
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_the_explanation_is_added_once_and_follows_copies():
    model = segmentor(UNET, 4, scale_factor=0.5)
    explain_misfits(model)
    assert len(model._forward_hooks) == 1
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        with pytest.raises(AssertionError, match='the network takes no images of 33x50 px'):
            trained_on(other, (66, 100))
