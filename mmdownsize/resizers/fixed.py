"""Resizing with a fixed kernel, the baseline of every comparison."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from mmdownsize import arguments
from mmdownsize.ops.kernels import preferred_name
from mmdownsize.ops.lengths import are_known
from mmdownsize.ops.rank import extreme, soft_extreme
from mmdownsize.ops.separable import resize
from mmdownsize.ops.shift import read_shifted
from mmdownsize.refusal import Refusal
from mmdownsize.resizers.base import BaseResizer

# (kernel, antialias): its name in mmdownsize.ops.KERNELS.
NAMES = {
    ('nearest', False): 'nearest',
    ('bilinear', False): 'bilinear',
    ('bicubic', False): 'bicubic',
    ('bilinear', True): 'triangle',
    ('bicubic', True): 'bicubic_antialias',
    ('area', False): 'area',
    ('sharp_area', False): 'sharp_area',
    ('lanczos', False): 'lanczos',
    ('lanczos', True): 'lanczos_antialias',
}
EXTREMES = ('darkest', 'brightest')


class FixedResizer(BaseResizer):
    """Resize with a kernel that does not depend on the image.

    Each kernel equals its reference, up to rounding. Nearest, bilinear and bicubic equal
    ``torch.nn.functional.interpolate`` (nearest its ``nearest-exact``, the others with ``align_corners=False``), and with
    antialiasing also PIL. Area equals cv2's ``INTER_AREA`` when downsizing. Lanczos equals cv2's ``INTER_LANCZOS4``, with
    antialiasing PIL's ``LANCZOS``. The kernel sharp_area, area without its blur, is ours (:data:`mmdownsize.ops.KERNELS`).

    Darkest and brightest are rank filters: of the source pixels that an output pixel overlaps, the one whose mean over the
    channels is lowest or highest, all its channels. They keep thin dark or bright things that a mean washes out, and noise too.

    Args:
        kernel: ``'nearest'``, ``'bilinear'``, ``'bicubic'``, ``'area'``, ``'sharp_area'``, ``'lanczos'``, ``'darkest'`` or
            ``'brightest'``.
        antialias: Stretch the kernel by the scale when downsizing. Only for bilinear (this is the kernel ``'triangle'`` of
            :class:`DownsizeNet`), bicubic and lanczos: the others cover the whole output pixel anyway.
        softness: With darkest and brightest: not one pixel, but the mean of all with weights ``exp(-difference / softness)``
            (``difference``: how much brighter, or darker, in values of the images). 0: one pixel.
        shift: (down, right) in source px, integers: every output pixel is read this much further down and right, so the
            content moves up and left. The edge is repeated. Boxes and labels stay where they are. A finished model whose
            strides do not divide its input may see objects some pixels off; a shift makes up for that.
            ``tools/rank_resizers.py`` finds how much without labels.
        init_cfg: Accepted for uniformity; there are no parameters.

    Raises:
        ValueError: If there is no such kernel, or none with antialiasing or softness; ``antialias`` is not True or False;
            ``softness`` is below 0; or ``shift`` is not a pair of integers. When an image is resized: if the shift is as long
            as the image.

    Attributes:
        read_offset_yx: ``shift``; see :func:`mmdownsize.ops.shift.read_shifted`.
    """

    def __init__(
        self,
        kernel: str = 'bilinear',
        *,
        antialias: bool = False,
        softness: float = 0.0,
        shift: Sequence[int] = (0, 0),
        init_cfg: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(init_cfg)
        unstretched = [*(name for name, is_stretched in NAMES if not is_stretched), *EXTREMES]
        meant = preferred_name(kernel) if isinstance(kernel, str) else None
        stretched = [plain for (plain, is_stretched), name in NAMES.items() if is_stretched and name == meant]
        hint = ''.join(f'; {kernel!r} is kernel={plain!r} with antialias=True' for plain in stretched)
        arguments.choice('kernel', kernel, unstretched, hint)
        if (kernel, arguments.flag('antialias', antialias)) not in NAMES and (antialias or kernel not in EXTREMES):
            raise Refusal(
                f'antialias=True has no meaning for kernel={kernel!r}: leave it out, or say False where it is inherited'
            )
        self.kernel = kernel
        self.antialias = antialias
        self.softness = 0.0 if softness == 0 else arguments.positive('softness', softness)
        if self.softness and kernel not in EXTREMES:
            raise Refusal(
                f'softness={softness!r} has no meaning for kernel={kernel!r}: leave it out, or say 0 where it is inherited'
            )
        self.read_offset_yx = arguments.integers('shift', shift, '(down, right)')

    def resize(self, images: Tensor, dst_hw: tuple[int, int]) -> Tensor:
        """Resize checked images: see :meth:`forward`."""
        if any(are_known(side) and abs(by) >= side for by, side in zip(self.read_offset_yx, images.shape[2:])):
            raise Refusal(f'shift={self.read_offset_yx} leaves nothing of images of {tuple(images.shape[2:])}')
        images = read_shifted(images, self.read_offset_yx)
        if self.kernel not in EXTREMES:
            return resize(images, dst_hw, NAMES[self.kernel, self.antialias]).to(images.dtype)
        # Half precision holds 0..255 in steps of 1: sums are made in float32.
        source = images.float() if images.element_size() < 4 else images
        brightest = self.kernel == 'brightest'
        if images.shape[0] == 0:  # not len(), which would fix the batch of a recording
            out = source.new_empty((0, images.shape[1], *dst_hw))
        elif self.softness:
            out = soft_extreme(source, dst_hw, brightest=brightest, softness=self.softness)
        else:
            out = extreme(source, dst_hw, brightest=brightest)
        return out.to(images.dtype)

    def extra_repr(self) -> str:
        """Return the settings for ``repr``."""
        softness = f', softness={self.softness}' if self.softness else ''
        shift = f', shift={self.read_offset_yx}' if any(self.read_offset_yx) else ''
        return f'kernel={self.kernel!r}, antialias={self.antialias}{softness}{shift}'
