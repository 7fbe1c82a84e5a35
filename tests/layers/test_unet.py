"""mmseg's U-Net with learned upsampling against the stock one."""

import pytest
import torch

pytest.importorskip('mmseg')

from mmengine.registry import init_default_scope
from mmseg.registry import MODELS


def unet(**kwargs):
    init_default_scope('mmseg')
    model = MODELS.build(
        dict(
            type='UNet',
            base_channels=4,
            num_stages=3,
            strides=(1, 1, 1),
            enc_num_convs=(1, 1, 1),
            dec_num_convs=(1, 1),
            downsamples=(True, True),
            enc_dilations=(1, 1, 1),
            dec_dilations=(1, 1),
            **kwargs,
        )
    )
    model.init_weights()
    return model


@pytest.mark.parametrize('with_cp', [False, True])
@pytest.mark.parametrize('conv_first', [False, True])
def test_the_start_is_mmsegs_own_unet_and_its_checkpoint_loads(conv_first, with_cp):
    theirs = unet(upsample_cfg=dict(type='InterpConv', conv_first=conv_first))
    ours = unet(upsample_cfg=dict(type='mmdownsize.TextureInterpConv', conv_first=conv_first), with_cp=with_cp)
    theirs.eval(), ours.eval()  # which return nothing in mmseg
    missing, unexpected = ours.load_state_dict(theirs.state_dict(), strict=False)
    assert not unexpected and missing and all('interp_upsample' in name for name in missing)
    images = torch.randn(2, 3, 24, 32, requires_grad=True)
    for found, expected in zip(ours(images), theirs(images)):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    layers = [m for m in ours.modules() if type(m).__name__ == 'TextureUpsample']
    assert [layer.in_channels for layer in layers] == ([4, 8] if conv_first else [8, 16])
    assert not any(layer.fusion.weight.any() for layer in layers)  # mmseg's init_cfg has not reached them


def test_all_parameters_learn():
    ours = unet(upsample_cfg=dict(type='mmdownsize.TextureInterpConv', upsample_cfg=dict(neighbors=4)))
    optimizer = torch.optim.SGD(ours.parameters(), lr=1e-3)
    images, weights = torch.randn(2, 3, 24, 32), torch.randn(2, 4, 24, 32)
    for _ in range(2):
        optimizer.zero_grad()
        (ours(images)[-1] * weights).sum().backward()
        optimizer.step()
    assert [name for name, p in ours.named_parameters() if not p.grad.abs().sum() > 0] == []
    assert [layer.slots for layer in ours.modules() if hasattr(layer, 'slots')] == [4, 4]
