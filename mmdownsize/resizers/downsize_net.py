"""DownsizeNet: interpolation coefficients from texture and relative distance (Ma et al., Samsung Research)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from mmdownsize import arguments, notices
from mmdownsize.ops import (
    BACKENDS,
    KERNELS,
    NORMALIZATIONS,
    Neighborhood,
    Texture,
    downsize,
    get_kernel,
    is_tracing,
    learned_coefficients,
    project,
)
from mmdownsize.ops.kernels import preferred_name
from mmdownsize.refusal import Refusal
from mmdownsize.resizers.phases import DISTANCES, Phases, PhaseSpec, logits_by_distance, phases_of, slots_to_neighbors
from mmdownsize.resizers.trainable import TrainableResizer

# With neighbors='auto' coefficients are learned on a grid of 4x4 slots and stretched over the neighbours.
AUTO_SLOTS = 4
SIGNED = ('signed', 'none')  # which have coefficients of any sign; 'signed' are raw ones of centred logits


class DownsizeNet(TrainableResizer):
    """Resize with coefficients that a small CNN computes from the image, different ones for every output pixel.

    For output pixel Q let P be the top-left of the source neighbours around its projection::

        f    = ReLU(conv3x3(... ReLU(conv3x3(image)) ...)) at P       texture, selected by floating-point pooling
        d    = distance map of Q                                      from Q's offset to P alone
        l    = conv1x1([f, d])                                        one logit a neighbour
        a    = normalize(l, tilting the kernel `start`)               coefficients, >= 0, sum 1
        Q    = sum_i a_i * neighbour_i                                the same for every colour channel

    Before training the coefficients are exactly those of the fixed kernel ``start``: the 1x1 convolution starts at 0 (see
    :mod:`mmdownsize.ops.coefficients`). A checkpoint of a model trained with that kernel runs unchanged. The paper's literal
    form is ``start='random', normalize='sigmoid'``. The last ReLU and the last convolution commute with the selection, so they
    run at selected pixels only.

    Args:
        num_convs: Number of 3x3 convolutions, 1 to 4; 0 if ``texture=False``.
        channels: Channels of each convolution.
        neighbors: Side K of the neighbourhood of K x K source pixels: 2, 4 or any even number; or ``'auto'``: on each
            axis as many as the triangle kernel and the kernel ``start`` reach at the current scale. Their coefficients are
            learned on a grid of 4 x 4 and stretched over the neighbours.
        distance: Encoding of the relative distance: ``'offset'`` (dx, dy), ``'bilinear'`` (4 coefficients),
            ``'bicubic'`` (16), ``'area'`` or ``'triangle'`` (bilinear with antialiasing). The last two have one
            coefficient a neighbour. None switches the distance off.
        normalize: ``'softmax'`` or ``'sigmoid'`` (and divide by the sum): coefficients are not negative, so every output
            is inside the range of its neighbours. ``'signed'``: any sign, sum 1. This can sharpen an image, as bicubic and
            Lanczos do; a constant image stays constant. ``'none'``: the raw numbers are the coefficients, with any sum.
        start: The kernel that the module equals before training: ``'nearest'``, ``'bilinear'``, ``'triangle'`` or ``'area'``;
            with ``'signed'`` or ``'none'`` also ``'sharp_area'``, ``'bicubic'``, ``'bicubic_antialias'``, ``'lanczos'`` or
            ``'lanczos_antialias'``; or ``'random'``: no kernel. A kernel that reaches beyond the neighbourhood is cut, with a
            warning. ``'antialiased'`` is another name of ``'triangle'``, accepted with a note.
        texture: Whether the coefficients depend on the image. False: on the distance only.
        frozen: Do not train: no parameter requires a gradient.
        in_channels: Channels C of the images.
        value_range: (lowest, highest) value of the images; the texture CNN sees it mapped to -1..1.
        backend: The code that computes it: ``'auto'``, ``'native'``, ``'triton'``, ``'banded'`` or ``'dense'``, see
            :func:`mmdownsize.ops.downsize`. All give the same up to rounding.
        init_cfg: Initialisation in mmengine's form, applied by the data preprocessor.

    Raises:
        ValueError: If an argument is not one of the above, or two contradict each other.

    Source: Ma et al., "DownsizeNet", sections on texture, floating-point pooling and fusion. The exact start is ours.
    """

    ARGUMENTS = (
        'num_convs',
        'channels',
        'neighbors',
        'distance',
        'normalize',
        'start',
        'texture',
        'in_channels',
        'value_range',
    )
    reads_bytes = True  # a float copy of a batch of high-resolution images is four times its size

    def __init__(
        self,
        *,
        num_convs: int = 2,
        channels: int = 16,
        neighbors: int | str = 2,
        distance: str | None = 'bilinear',
        normalize: str = 'softmax',
        start: str = 'bilinear',
        texture: bool = True,
        frozen: bool = False,
        in_channels: int = 3,
        value_range: tuple[float, float] = (0.0, 255.0),
        backend: str = 'auto',
        init_cfg: dict[str, Any] | list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(frozen=frozen, init_cfg=init_cfg)
        if arguments.flag('texture', texture):
            hint = '; to switch the texture off say texture=False'
            num_convs = arguments.integer('num_convs', num_convs, 1, 4, hint)
        channels = arguments.integer('channels', channels, 1)
        in_channels = arguments.integer('in_channels', in_channels, 1)
        if neighbors != 'auto' and (not isinstance(neighbors, int) or neighbors < 2 or neighbors % 2):
            raise Refusal(f"neighbors must be an even number of at least 2, or 'auto', got {neighbors!r}")
        if distance is not None:
            distance = arguments.choice('distance', _one_name(distance), DISTANCES, ' or None')
        if distance is None and not texture:
            raise Refusal('texture=False and distance=None leave nothing to learn from: switch one of them on')
        arguments.choice('normalize', normalize, (*NORMALIZATIONS, 'signed'))
        start = arguments.choice('start', _one_name(start), ('random', *KERNELS))
        if start != 'random':
            kernel = get_kernel(start)
            if distance is None:
                raise Refusal(f"start={start!r} needs the relative distance: with distance=None say start='random'")
            if not kernel.non_negative and normalize not in SIGNED:
                raise Refusal(
                    f"start={start!r} has negative weights, which need normalize='signed' or 'none', got {normalize!r}"
                )
        self.num_convs = num_convs if texture else 0
        self.channels = channels
        self.neighbors = neighbors
        self.distance = distance
        self.normalize = normalize
        self._normalize = 'none' if normalize == 'signed' else normalize  # what mmdownsize.ops calls it
        self.start = start
        self.in_channels = in_channels
        self.value_range = arguments.value_range(value_range)
        self.backend = arguments.choice('backend', backend, BACKENDS)
        self._warned_of_cut = False

        slots = AUTO_SLOTS if isinstance(neighbors, str) else neighbors
        widths = [in_channels] + [channels] * self.num_convs
        self.texture = nn.ModuleList(nn.Conv2d(i, o, 3, padding=1) for i, o in pairwise(widths))
        self._texture_channels = channels if self.num_convs else 0
        distance_channels = DISTANCES[distance](slots) if distance is not None else 0
        self.fusion = nn.Conv2d(self._texture_channels + distance_channels, slots * slots, 1)
        self.slots = slots
        self._finish()

    def _maps_offsets(self) -> bool:
        return self.normalize != 'none'  # the others have coefficients of sum 1

    def arguments(self) -> dict[str, Any]:
        """Return the constructor's arguments that decide what the module computes."""
        found = {name: getattr(self, name) for name in self.ARGUMENTS if name not in ('texture', 'num_convs')}
        # Without a texture the number of convolutions is 0 whatever was asked for.
        return {**found, 'texture': self.num_convs > 0, **({'num_convs': self.num_convs} if self.num_convs else {})}

    def _start(self) -> None:
        for name, parameter in self.texture.named_parameters():
            if name.endswith('weight'):
                nn.init.kaiming_normal_(parameter, nonlinearity='relu')
            else:
                nn.init.zeros_(parameter)
        if self.start == 'random':
            self.fusion.reset_parameters()
        else:
            for parameter in self.fusion.parameters():
                nn.init.zeros_(parameter)

    def resize(self, images: Tensor, dst_hw: tuple[int, int]) -> Tensor:
        """Resize checked images: see :meth:`forward`."""
        around, static_logits, texture = self._parts(images, dst_hw)
        with self._without_autocast(images):
            return downsize(images, around, static_logits, texture, normalize=self._normalize, backend=self.backend)

    def coefficients(self, images: Tensor, dst_hw: tuple[int, int]) -> Tensor:
        """Return the interpolation coefficients of every output pixel.

        Args:
            images: (N, C, H, W), floating point.
            dst_hw: Target size (h, w) in px.

        Returns:
            (N, Ky * Kx, h, w), float32 (float64 for a float64 module), neighbours in row-major order from top-left.
            Differentiable.
        """
        around, static_logits, texture = self._parts(images, dst_hw)
        with self._without_autocast(images):
            return learned_coefficients(images, around, static_logits, texture, normalize=self._normalize)

    def displacement(self, images: Tensor, dst_hw: tuple[int, int]) -> Tensor:
        """Return the distance from every output pixel's centre to the centre of mass of its coefficients.

        Args:
            images: (N, C, H, W), floating point.
            dst_hw: Target size (h, w) in px.

        Returns:
            (N, 2, h, w), (dy, dx) in source px; 0 for bilinear, and inside the image for every symmetric kernel.
        """
        around = self._phases(images, dst_hw).around
        shape = (len(around.rows), len(around.cols))
        coefficients = self.coefficients(images, dst_hw).reshape(len(images), *shape, *dst_hw)
        from_centre = []
        for src, dst, count in zip(images.shape[2:], dst_hw, shape):
            offset = project(src, dst)[1].to(coefficients)
            taps = torch.arange(count).to(coefficients) - (count // 2 - 1)
            from_centre.append(taps[:, None] - offset)
        dy = torch.einsum('nklhw,kh->nhw', coefficients, from_centre[0])
        dx = torch.einsum('nklhw,lw->nhw', coefficients, from_centre[1])
        return torch.stack([dy, dx], 1)

    def _phases(self, images: Tensor, dst_hw: tuple[int, int]) -> Phases:
        if images.shape[1] != self.in_channels:
            raise Refusal(
                f'images must have {self.in_channels} channels, got {tuple(images.shape)}; set in_channels to change it'
            )
        src_hw = (images.shape[2], images.shape[3])
        spec = PhaseSpec(self.start, self.distance, self.neighbors, self.slots, src_hw, dst_hw)
        if not is_tracing():
            self._warn_of_cut(spec)
        return phases_of(spec, images.device, torch.promote_types(self.fusion.weight.dtype, torch.float32))

    def _warn_of_cut(self, spec: PhaseSpec) -> None:
        if self._warned_of_cut or spec.start == 'random' or spec.neighbors == 'auto':
            return
        needed = max(get_kernel(spec.start).neighbors(*axis) for axis in zip(spec.src_hw, spec.dst_hw))
        if needed > self.slots:
            self._warned_of_cut = True
            notices.warn(
                f'start={self.start!r} at {spec.src_hw} -> {spec.dst_hw} reaches over {needed} neighbours; with '
                f'neighbors={self.neighbors!r} it starts cut (neighbors={needed} keeps it whole)'
            )

    @staticmethod
    def _without_autocast(images: Tensor) -> torch.autocast:
        return torch.autocast(images.device.type, enabled=False)

    def _parts(self, images: Tensor, dst_hw: tuple[int, int]) -> tuple[Neighborhood, Tensor, Texture | None]:
        """Return the neighbourhoods, the part of the logits that does not depend on the image, and the texture."""
        device = images.device.type
        autocast = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None
        with self._without_autocast(images):  # only the convolutions run in half precision
            phases = self._phases(images, dst_hw)
            weight = self.fusion.weight.flatten(1)  # (slots * slots, texture + distance channels)
            bias = self.fusion.bias
            assert bias is not None
            if self.neighbors == 'auto':
                weight = slots_to_neighbors(weight, self.slots, phases.around)
                bias = slots_to_neighbors(bias[:, None], self.slots, phases.around)[:, 0]
            if (
                self.normalize == 'signed'
            ):  # what one neighbour gains, the others lose: the sum stays that of the kernel
                exact = phases.around.weights_y.dtype  # in half precision the sum would change
                weight, bias = weight.to(exact), bias.to(exact)
                weight, bias = weight - weight.mean(0), bias - bias.mean()
            by_texture, by_distance = weight[:, : self._texture_channels], weight[:, self._texture_channels :]
            static_logits = logits_by_distance(self.distance, by_distance, bias, phases)
            if self.normalize == 'signed' and self.start == 'random':
                static_logits = static_logits + 1 / len(static_logits)
        if not self._texture_channels:
            return phases.around, static_logits, None
        low, high = self.value_range
        texture = Texture(
            [p for name, p in self.texture.named_parameters() if name.endswith('weight')],
            [p for name, p in self.texture.named_parameters() if name.endswith('bias')],
            by_texture,
            shift=(low + high) / 2,
            gain=2 / (high - low),
            dtype=autocast or self.fusion.weight.dtype,
        )
        return phases.around, static_logits, texture

    def extra_repr(self) -> str:
        """Return the settings for ``repr``."""
        names = ('num_convs', 'channels', 'neighbors', 'distance', 'normalize', 'start', 'frozen')
        return ', '.join(f'{name}={getattr(self, name)!r}' for name in names)


def _one_name(kernel: Any) -> Any:
    return preferred_name(kernel, note=True) if isinstance(kernel, str) else kernel
