"""Pictures of what a downsizer does to an image."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import hsv_to_rgb
from matplotlib.figure import Figure
from torch import Tensor, nn

from mmdownsize.resizers import DownsizeNet, FixedResizer, ImportanceResizer

PANEL_INCHES, DPI = 3.0, 110


def panels(
    resizer: nn.Module, image: Tensor, dst_hw: tuple[int, int], kernel: str = 'bilinear', bgr: bool = True
) -> dict[str, np.ndarray]:
    """Return the pictures by their captions.

    - The source, the result of a fixed kernel, and the result of the resizer.
    - The difference: learned minus fixed, around grey. The caption has the factor that it is multiplied by.
    - Of a :class:`DownsizeNet` alone: the number of neighbours that count, ``(sum |a|)^2 / sum a^2`` of the coefficients ``a``.
    - Of a :class:`DownsizeNet` alone: the displacement of the coefficients' centre of mass from the output pixel's centre. Its
      direction is the hue (right is red, down is green), its length the brightness.
    - Of an :class:`ImportanceResizer` alone: the importance of every source pixel, dark is low, on a logarithmic scale. With
      ``per_channel`` the mean of the channels' logarithms.
    - Of an :class:`ImportanceResizer` alone: the share of the source pixels below an output pixel that counts, from 0 to 1:
      see :meth:`ImportanceResizer.counting`.

    Of more than three channels the first three are shown as colours. One channel is grey. Two are red and green, and blue is
    their mean: where they are equal they are grey.

    Args:
        resizer: Any resizer.
        image: (C, H, W), 0..255, in the order of channels that the resizer was trained with.
        dst_hw: Target size (h, w) in px.
        kernel: Kernel of the fixed resizer to compare with.
        bgr: Whether the first three channels of ``image`` are blue, green, red, as OpenMMLab's loaders give them; otherwise RGB.

    Returns:
        Arrays (h, w, 3), uint8, RGB; the source and the importance are (H, W, 3).
    """
    device = next(resizer.parameters(), torch.empty(0)).device
    source = image[None].to(device).float()
    with torch.no_grad():
        fixed, learned = FixedResizer(kernel=kernel)(source, dst_hw), resizer(source, dst_hw)
        difference = (learned - fixed)[0]
        largest = float(np.quantile(difference.abs().cpu().numpy(), 0.99))  # a few pixels may be clipped
        gain = 127 / largest if largest > 0.5 else 1.0  # a rounding error stays small
        found = {
            'source': _pixels(source[0], bgr),
            kernel: _pixels(fixed[0], bgr),
            'learned': _pixels(learned[0], bgr),
            f'difference x {gain:.1f}': _pixels(127.5 + gain * difference, bgr),
        }
        if isinstance(resizer, DownsizeNet):
            a = resizer.coefficients(source, dst_hw)[0]
            counting = a.abs().sum(0).square() / a.square().sum(0)
            found[f'neighbours that count, 1 to {len(a)}'] = _mapped((counting - 1) / max(len(a) - 1, 1))
            dy, dx = resizer.displacement(source, dst_hw)[0].cpu().numpy()
            longest = max(float(np.hypot(dy, dx).max()), 1e-6)
            found[f'displacement, up to {longest:.2f} px'] = _directions(dy, dx, max(longest, 0.05))
        if isinstance(resizer, ImportanceResizer):
            weights = resizer.importance(source).log().mean(1, keepdim=True).exp()
            low, high = float(weights.min()), float(weights.max())
            spread = np.log(high / low)
            shades = (weights[0, 0] / low).log() / spread if spread > 1e-3 else torch.full_like(weights[0, 0], 0.5)
            found[f'importance, {low:.2g} to {high:.2g}, log scale'] = _mapped(shades)
            share = resizer.counting(source, dst_hw)[0].mean(0)
            found['share of source pixels that counts, 0 to 1'] = _mapped(share)
    return found


def draw(
    resizer: nn.Module, image: Tensor, dst_hw: tuple[int, int], kernel: str = 'bilinear', bgr: bool = True
) -> np.ndarray:
    """Return all pictures of :func:`panels` in one, in two rows.

    Args:
        resizer: Any resizer.
        image: (C, H, W), 0..255, in the order of channels that the resizer was trained with.
        dst_hw: Target size (h, w) in px.
        kernel: Kernel of the fixed resizer to compare with.
        bgr: Whether the first three channels of ``image`` are blue, green, red; otherwise RGB.

    Returns:
        (height, width, 3), uint8, RGB.
    """
    shown = panels(resizer, image, dst_hw, kernel, bgr)
    columns = (len(shown) + 1) // 2
    height = PANEL_INCHES * dst_hw[0] / dst_hw[1] + 0.3
    figure = Figure(figsize=(columns * PANEL_INCHES, 2 * height), dpi=DPI, layout='constrained')
    canvas = FigureCanvasAgg(figure)
    axes: list[Any] = list(figure.subplots(2, columns, squeeze=False).flat)
    for axis in axes:
        axis.set_axis_off()
    for axis, (caption, pixels) in zip(axes, shown.items()):
        axis.imshow(pixels, interpolation='nearest')
        axis.set_title(caption, fontsize=9)
    if len(image) > 3:
        figure.suptitle(f'colours: channels 1 to 3 of {len(image)}', fontsize=9)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _pixels(image: Tensor, bgr: bool) -> np.ndarray:
    """Return (h, w, 3), RGB, of (C, h, w): see :func:`panels`."""
    image = image[:3]
    if len(image) < 3:
        image = torch.cat([image, image.mean(0, keepdim=True).expand(3 - len(image), -1, -1)])
    elif bgr:
        image = image.flip(0)
    return image.permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8).cpu().numpy()


def _mapped(values: Tensor) -> np.ndarray:
    return (255 * colormaps['viridis'](values.cpu().numpy())[..., :3]).round().astype(np.uint8)


def _directions(dy: np.ndarray, dx: np.ndarray, longest: float) -> np.ndarray:
    hue = np.arctan2(dy, dx) / (2 * np.pi) % 1
    brightness = np.clip(np.hypot(dy, dx) / longest, 0, 1)
    return (255 * hsv_to_rgb(np.stack([hue, np.ones_like(hue), brightness], -1))).round().astype(np.uint8)
