"""ImportanceResizer: every source pixel says how much it counts, from the texture around it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from mmdownsize import arguments
from mmdownsize.ops import KERNELS, get_kernel
from mmdownsize.ops.importance import BACKENDS, Score, importance_resize
from mmdownsize.ops.kernels import preferred_name
from mmdownsize.ops.separable import axis_of, resample
from mmdownsize.refusal import Refusal
from mmdownsize.resizers.trainable import TrainableResizer

NON_NEGATIVE = tuple(name for name, kernel in KERNELS.items() if kernel.non_negative)
LARGEST_LIMIT = 40.0  # float32 reaches exp(88), and gradients have squares of importances
STRENGTH = 4.0  # the default
TONES = {None: 0.0, 'darkest': -1.0, 'brightest': 1.0}


class ImportanceResizer(TrainableResizer):
    """Resize with a fixed kernel whose source pixels are weighed by an importance that a small CNN computes.

    For every source pixel::

        f   = ReLU(conv3x3(... ReLU(conv3x3(image)) ...))     texture
        s   = conv1x1(f) + tone * brightness                  its score
        w   = exp(limit * tanh(s / limit))                    its importance, above 0
        out = R(w * image) / R(w)                             R: the fixed kernel, at any scale

    Every output pixel is a weighted mean of source pixels, so it is inside their range for any weights: the output stays an
    image. Before training the 1x1 convolution and the tone are 0 and the module is the kernel R, up to rounding: a checkpoint of
    a model trained with that kernel runs unchanged. The importance belongs to the source pixel, so one trained module serves
    many scales, and the cost does not grow with the scale.

    R has no negative weights, so it cannot be Lanczos or bicubic, which are sharper. ``around`` names such a kernel K::

        out = K(image) + (R(w * image) / R(w) - R(image))     the kernel, and what the importance adds

    This is K before training. A constant image stays constant, and normalising before or after gives the same, but an output
    pixel may leave the range of its source pixels.

    Args:
        num_convs: Number of 3x3 convolutions, 1 to 3.
        channels: Channels of each convolution.
        dilation: Distance in px between the taps of each convolution after the first, at least 1: a longer view at the same cost.
        kernel: The kernel R: ``'area'``, ``'triangle'`` (bilinear with antialiasing), ``'bilinear'`` or ``'nearest'``.
        around: The kernel K: any of :data:`mmdownsize.ops.KERNELS`, such as ``'lanczos_antialias'``, ``'bicubic_antialias'`` or
            ``'sharp_area'``. None: the result is the weighted mean alone.
        limit: Scores end at ±limit, at most 40. So two pixels' importances differ at most by a factor of ``exp(2 * limit)``.
        per_channel: Give each colour channel its own importance, rather than one to the pixel. The output is still inside the
            range of its source pixels (without ``around``), channel by channel, but a grey image does not stay grey.
        start: ``None``: the kernel R. ``'darkest'`` or ``'brightest'``: the tone starts at ∓``strength``, and dark or bright
            pixels count more from the first step on. Brightness is the mean of the channels, mapped to -1..1.
        strength: Where the tone starts, above 0; with ``start`` only. For images of 0..255 a strength of 8 is about the weights
            of ``FixedResizer(kernel='darkest', softness=16)``, where scores are far from the limit.
        frozen: Do not train: no parameter requires a gradient.
        in_channels: Channels C of the images.
        value_range: (lowest, highest) value of the images; the CNN sees it mapped to -1..1.
        backend: The code that computes it: ``'auto'``, ``'native'``, ``'banded'`` or ``'dense'``, see
            :func:`mmdownsize.ops.importance.importance_resize`. All give the same up to rounding.
        init_cfg: Initialisation in mmengine's form, applied by the data preprocessor.

    Raises:
        ValueError: If an argument is not one of the above.

    Source: the relative distance and the texture are those of Ma et al., "DownsizeNet"; a certainty for each sample is Knutsson
    and Westin's normalised convolution, 1993; a learned one inside a network is Gao et al., LIP, 2019.
    """

    ARGUMENTS = (
        'num_convs',
        'channels',
        'dilation',
        'kernel',
        'around',
        'limit',
        'per_channel',
        'start',
        'strength',
        'in_channels',
        'value_range',
    )
    START_ONLY = ('start', 'strength')  # of the tone, which is one of the weights
    reads_bytes = True  # a float copy of a batch of high-resolution images is four times its size

    def __init__(
        self,
        *,
        num_convs: int = 1,
        channels: int = 16,
        dilation: int = 1,
        kernel: str = 'area',
        around: str | None = None,
        limit: float = 4.0,
        per_channel: bool = False,
        start: str | None = None,
        strength: float = STRENGTH,
        frozen: bool = False,
        in_channels: int = 3,
        value_range: tuple[float, float] = (0.0, 255.0),
        backend: str = 'auto',
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(frozen=frozen, init_cfg=init_cfg)
        self.num_convs = arguments.integer('num_convs', num_convs, 1, 3)
        self.channels = arguments.integer('channels', channels, 1)
        self.dilation = arguments.integer('dilation', dilation, 1)
        if self.dilation > 1 and self.num_convs == 1:
            raise Refusal(f'dilation={dilation} is for the convolutions after the first: say num_convs=2 or 3 as well')
        kernel = preferred_name(kernel, note=True) if isinstance(kernel, str) else kernel
        if isinstance(kernel, str) and kernel in KERNELS and not get_kernel(kernel).non_negative:
            raise Refusal(
                f'kernel={kernel!r} has negative weights, and an importance needs one without: '
                f'choose one of {", ".join(NON_NEGATIVE)}, and say around={kernel!r} for a result that starts there'
            )
        self.kernel = arguments.choice('kernel', kernel, NON_NEGATIVE)
        around = preferred_name(around, note=True) if isinstance(around, str) else around
        self.around = around if around is None else arguments.choice('around', around, list(KERNELS))
        if self.around == self.kernel:
            raise Refusal(f'around={around!r} is the kernel: leave it out')
        self.limit = arguments.positive('limit', limit)
        if self.limit > LARGEST_LIMIT:
            raise Refusal(f'limit must be at most {LARGEST_LIMIT:g}, got {limit!r}: larger importances would overflow')
        self.per_channel = arguments.flag('per_channel', per_channel)
        self.start = start if start is None else arguments.choice('start', start, [name for name in TONES if name])
        self.strength = arguments.positive('strength', strength)
        if start is None and strength != STRENGTH:
            raise Refusal(
                f"strength={strength!r} is for start='darkest' or 'brightest': say start as well, or leave it out"
            )
        self.in_channels = arguments.integer('in_channels', in_channels, 1)
        self.value_range = arguments.value_range(value_range)
        self.backend = arguments.choice('backend', backend, BACKENDS)

        self.dilations = tuple(1 if i == 0 else self.dilation for i in range(self.num_convs))
        widths = [self.in_channels] + [self.channels] * self.num_convs
        self.texture = nn.ModuleList(
            nn.Conv2d(i, o, 3, padding=d, dilation=d) for (i, o), d in zip(pairwise(widths), self.dilations)
        )
        scores = self.in_channels if self.per_channel else 1
        self.score = nn.Conv2d(self.channels, scores, 1, bias=False)
        self.tone = nn.Parameter(torch.zeros(scores))
        self._finish()

    def _start(self) -> None:
        for name, parameter in self.texture.named_parameters():
            if name.endswith('weight'):
                nn.init.kaiming_normal_(parameter, nonlinearity='relu')
            else:
                nn.init.zeros_(parameter)
        nn.init.zeros_(self.score.weight)
        nn.init.constant_(self.tone, TONES[self.start] * self.strength)

    def resize(self, images: Tensor, dst_hw: tuple[int, int]) -> Tensor:
        """Resize checked images: see :meth:`forward`."""
        self._check_channels(images)
        if images.shape[0] == 0:  # not len(), which would fix the batch of a recording
            dtype = images.dtype if images.is_floating_point() else torch.float32
            return images.new_empty((0, images.shape[1], *dst_hw), dtype=dtype)
        score = self._score(images)
        with torch.autocast(images.device.type, enabled=False):  # of which only the convolutions take part
            return importance_resize(
                images, score, self._tensors(), dst_hw, kernel=self.kernel, around=self.around, backend=self.backend
            )

    def importance(self, images: Tensor) -> Tensor:
        """Return how much every source pixel counts.

        Args:
            images: (N, C, H, W), floating point, in ``value_range``.

        Returns:
            (N, 1, H, W), or (N, C, H, W) with ``per_channel``; float32 (float64 for float64 images), from exp(-limit) to
            exp(limit). Only ratios count. Differentiable.
        """
        self._check_channels(images)
        score = self._score(images)
        with torch.autocast(images.device.type, enabled=False):
            return score.of(images.to(torch.promote_types(images.dtype, torch.float32)), self._tensors()).exp()

    def counting(self, images: Tensor, dst_hw: tuple[int, int]) -> Tensor:
        """Return the share of its source pixels that counts in every output pixel, ``R(w)^2 / R(w^2)``.

        Args:
            images: (N, C, H, W), floating point, in ``value_range``.
            dst_hw: Target size (h, w) in px.

        Returns:
            (N, 1, h, w), or (N, C, h, w) with ``per_channel``: 1 where all count as the kernel has it, towards 0 where one
            pixel of many decides.
        """
        weights = self.importance(images)
        axes = [axis_of(get_kernel(self.kernel), src, dst, weights) for src, dst in zip(images.shape[2:], dst_hw)]
        return resample(weights, *axes).square() / resample(weights.square(), *axes)

    def _check_channels(self, images: Tensor) -> None:
        if images.shape[1] != self.in_channels:
            raise Refusal(
                f'images must have {self.in_channels} channels, got {tuple(images.shape)}; set in_channels to change it'
            )

    def _tensors(self) -> list[Tensor]:
        return [*self.texture.parameters(), self.score.weight.flatten(1), self.tone]

    def _score(self, images: Tensor) -> Score:
        device = images.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else self.tone.dtype
        low, high = self.value_range
        return Score(self.dilations, self.limit, shift=(low + high) / 2, gain=2 / (high - low), dtype=dtype)

    def extra_repr(self) -> str:
        """Return the settings for ``repr``."""
        names = ['num_convs', 'channels', 'dilation', 'kernel', 'limit', 'per_channel', 'start', 'frozen']
        names += ['around'] * (self.around is not None) + ['strength'] * (self.start is not None)
        return ', '.join(f'{name}={getattr(self, name)!r}' for name in names)
