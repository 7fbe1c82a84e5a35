"""Downsizing problems for back ends, and the reference that they are compared with: plain operators in float64.

Images and weights are small multiples of a power of two, so that texture features are exact in float32: whether a ReLU is
open does not depend on rounding, and gradients can be compared closely.
"""

import dataclasses
from itertools import pairwise

import torch

from mmdownsize.ops import Neighborhood, Texture, axis_weights, downsize, get_kernel, neighbor_indices, project


def multiples(shape, generator, limit=4):
    return torch.randint(-limit, limit + 1, shape, generator=generator).double() / 8


def neighborhood(src_hw, dst_hw, taps, kernel, dtype, device='cpu'):
    axes = list(zip(src_hw, dst_hw, taps))
    weights = [axis_weights(get_kernel(kernel or 'area'), *axis) for axis in axes]
    if kernel is None:
        weights = [torch.full_like(w, 1 / len(w)) for w in weights]
    top, left = (project(s, d)[0].clamp(0, s - 1) for s, d in zip(src_hw, dst_hw))
    rows, cols = (neighbor_indices(*axis) for axis in axes)
    parts = (top, left, rows, cols, *(w.to(dtype) for w in weights))
    return Neighborhood(*(part.to(device) for part in parts), kernel=kernel is not None)


@dataclasses.dataclass
class Case:
    """A problem in float64, and the same in float32."""

    images: torch.Tensor
    src_hw: tuple
    dst_hw: tuple
    taps: tuple
    kernel: str | None
    leaves: list
    depth: int
    normalize: str
    gain: float = 0.25

    def run(self, call, dtype, images=None, device='cpu'):
        """Return the output and the gradients of static_logits, to_logits, weights and biases, on the CPU wherever it ran."""
        leaves = [leaf.detach().to(device, dtype).requires_grad_() for leaf in self.leaves]
        static_logits, *rest = leaves
        texture = None
        if self.depth:
            to_logits, weights, biases = rest[0], rest[1 : 1 + self.depth], rest[1 + self.depth :]
            texture = Texture(weights, biases, to_logits, shift=0.5, gain=self.gain)
        around = neighborhood(self.src_hw, self.dst_hw, self.taps, self.kernel, dtype, device)
        images = self.images.to(dtype) if images is None else images
        out = call(images.to(device), around, static_logits, texture, self.normalize)
        direction = torch.randn(out.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
        grads = torch.autograd.grad(out, leaves, direction.to(out))
        return out.detach().cpu(), tuple(grad.cpu() for grad in grads)


def case(src_hw, dst_hw, taps=(2, 2), depth=2, n=2, channels=3, kernel='bilinear', normalize='softmax', seed=0):
    generator = torch.Generator().manual_seed(seed)
    count = taps[0] * taps[1]
    leaves = [multiples((count, *dst_hw), generator)]
    if depth:
        widths = [channels] + [16] * depth
        leaves.append(multiples((count, 16), generator, 2))
        # few weights, or deep features would outgrow what float32 holds exactly
        leaves += [
            multiples((16, c, 3, 3), generator) * (torch.rand(16, c, 3, 3, generator=generator) < 0.15)
            for c in widths[:-1]
        ]
        leaves += [multiples((16,), generator) for _ in range(depth)]
    images = torch.randint(0, 32, (n, channels, *src_hw), generator=generator).double() / 4
    return Case(images, src_hw, dst_hw, taps, kernel, leaves, depth, normalize)


def dense(images, around, static_logits, texture, normalize):
    return downsize(images, around, static_logits, texture, normalize=normalize, backend='dense')


def assert_equal(ours, expected, tolerance=2e-5):
    (out, grads), (other, others) = ours, expected
    torch.testing.assert_close(out.double(), other.double(), rtol=tolerance, atol=tolerance * 8)
    for gradient, reference in zip(grads, others, strict=True):
        size = 0.05 + reference.abs().max()  # where all neighbours are equal what remains is rounding
        assert (gradient.double() - reference.double()).abs().max() <= 5 * tolerance * size


def arguments(dtype=torch.float32, channels=16, image_channels=3, depth=1, taps=(2, 2)):
    around = neighborhood((13, 9), (6, 5), taps, 'bilinear', torch.float32)
    widths = [image_channels] + [channels] * depth
    texture = Texture(
        [torch.zeros(o, i, 3, 3) for i, o in pairwise(widths)],
        [torch.zeros(o) for o in widths[1:]],
        torch.zeros(taps[0] * taps[1], channels),
    )
    return torch.rand(1, image_channels, 13, 9).to(dtype), around, torch.zeros(taps[0] * taps[1], 6, 5), texture
