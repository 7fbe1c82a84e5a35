"""The learned resizer of Talebi & Milanfar, Learning to Resize Images for Computer Vision Tasks, ICCV 2021."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from mmdownsize import arguments
from mmdownsize.refusal import Refusal
from mmdownsize.resizers.fixed import FixedResizer
from mmdownsize.resizers.trainable import TrainableResizer

SLOPE = 0.2  # of LeakyReLU below 0


class _ResidualBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        inner = F.leaky_relu(self.bn1(self.conv1(x)), SLOPE)
        out: Tensor = x + self.bn2(self.conv2(inner))
        return out


class LearnedResizer(TrainableResizer):
    """Resize features of a CNN instead of the image, turn them into an image, and add the resized image.

    ::

        f   = BN(LeakyReLU(conv1x1(LeakyReLU(conv7x7(image)))))         at full resolution
        g   = bilinear(f)                                               at the target's
        out = bilinear(image) + conv7x7(g + BN(conv3x3(blocks(g))))     blocks: residual, conv-BN-LeakyReLU-conv-BN

    The output may leave the range of the image. In training an image's result depends on its batch (batch norm).

    Args:
        num_blocks: Residual blocks r, 0 to 64; 1 for classification in the paper, 2 for image quality.
        channels: Channels n of all hidden layers.
        start: ``'random'`` as in the paper, or ``'bilinear'``: the last convolution is 0 and the module equals bilinear
            resizing before training.
        in_channels: Channels C of the images.
        value_range: (lowest, highest) value of the images. The CNN works on images mapped to 0..1, as in the paper.
        frozen: Do not train: no parameter requires a gradient, and batch norms keep their statistics.
        init_cfg: Initialisation in mmengine's form, applied by the data preprocessor.

    Raises:
        ValueError: If an argument is out of its range.
    """

    ARGUMENTS = ('num_blocks', 'channels', 'start', 'in_channels', 'value_range')
    START_ONLY = ('start',)

    def __init__(
        self,
        *,
        num_blocks: int = 1,
        channels: int = 16,
        start: str = 'random',
        in_channels: int = 3,
        value_range: tuple[float, float] = (0.0, 255.0),
        frozen: bool = False,
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(frozen=frozen, init_cfg=init_cfg)
        self.num_blocks = num_blocks = arguments.integer('num_blocks', num_blocks, 0, 64)
        self.channels = channels = arguments.integer('channels', channels, 1)
        self.in_channels = in_channels = arguments.integer('in_channels', in_channels, 1)
        self.start = arguments.choice('start', start, ('random', 'bilinear'))
        self.value_range = arguments.value_range(value_range)
        self.bilinear = FixedResizer(kernel='bilinear')
        self.conv1 = nn.Conv2d(in_channels, channels, 7, padding=3)
        self.conv2 = nn.Conv2d(channels, channels, 1)
        self.bn1 = nn.BatchNorm2d(channels)
        self.blocks = nn.Sequential(*(_ResidualBlock(channels) for _ in range(num_blocks)))
        self.conv3 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv4 = nn.Conv2d(channels, in_channels, 7, padding=3)
        self._finish()

    def _start(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.BatchNorm2d):
                module.reset_parameters()
        if self.start == 'bilinear':
            for parameter in self.conv4.parameters():
                nn.init.zeros_(parameter)

    def resize(self, images: Tensor, dst_hw: tuple[int, int]) -> Tensor:
        """Resize checked images: see :meth:`forward`."""
        if images.shape[1] != self.in_channels:
            raise Refusal(
                f'images must have {self.in_channels} channels, got {tuple(images.shape)}; set in_channels to change it'
            )
        if len(images) == 0:
            return images.new_empty((0, images.shape[1], *dst_hw))
        low, high = self.value_range
        source = (images.to(self.conv1.weight.dtype) - low) / (high - low)

        x = F.leaky_relu(self.conv2(F.leaky_relu(self.conv1(source), SLOPE)), SLOPE)
        x = self.bilinear.resize(self.bn1(x), dst_hw)
        x = x + self.bn2(self.conv3(self.blocks(x)))
        change: Tensor = self.conv4(x)
        # Only what is added is scaled: scaling the image there and back would change it by a rounding.
        plain = self.bilinear.resize(images.float() if images.element_size() < 4 else images, dst_hw)
        return (plain + change * (high - low)).to(images.dtype)

    def extra_repr(self) -> str:
        """Return the settings for ``repr``."""
        return f'num_blocks={self.num_blocks}, channels={self.channels}, start={self.start!r}, frozen={self.frozen}'
