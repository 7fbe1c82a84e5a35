"""What keeps a back end with kernels of its own from a problem: one place for "it cannot be used here, because ..."."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mmdownsize.ops.neighborhood import Neighborhood, Texture
from mmdownsize.ops.recording import is_tracing

DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.uint8)  # of images that kernels read


@dataclass(frozen=True)
class Limits:
    """What the kernels of a back end are made for.

    Attributes:
        channels: Channels of every feature map, exactly.
        depth: At most so many convolutions.
        image_channels: At most so many channels of an image.
        neighbors: At most so many neighbours of an output pixel, or
        neighbors_an_axis: at most so many along an axis; None: no limit.
    """

    channels: int
    depth: int
    image_channels: int
    neighbors: int | None = None
    neighbors_an_axis: int | None = None


def refusal(
    limits: Limits, images: Tensor, around: Neighborhood, static_logits: Tensor, texture: Texture | None
) -> str | None:
    """Return why kernels with these limits cannot take a problem, or None if they can.

    Args:
        limits: Of the back end.
        images: (N, C, H, W), as :func:`mmdownsize.ops.downsize` is given them.
        around: Every output pixel's neighbours.
        static_logits: (Ky * Kx, h, w), the part of the logits that does not depend on the image.
        texture: The convolutions and the map from their features to logits; None: no texture.
    """
    if is_tracing():
        return 'a graph is being traced'
    parameters = [static_logits, around.weights_y, around.weights_x]
    if texture is not None:
        parameters += [texture.to_logits, *texture.weights, *texture.biases]
    others = (*parameters, around.top, around.left, around.rows, around.cols)
    elsewhere = next((t.device for t in others if t.device != images.device), None)
    if elsewhere is not None:
        return f'the images are on {images.device}, other tensors on {elsewhere}'
    if any(type(t) not in (Tensor, torch.nn.Parameter) for t in (images, *parameters)):
        return f'it takes plain tensors, not {type(images).__name__}'
    if images.dtype not in DTYPES:
        return f'it computes in float32, the images are {images.dtype}'
    other = next((t.dtype for t in parameters if t.dtype != torch.float32), None)
    if other is not None:
        return f'it computes in float32, the weights are {other}'
    if images.requires_grad and torch.is_grad_enabled():
        return 'it has no gradient of the images'
    return _beyond(limits, images.shape[1], around, texture)


def _beyond(limits: Limits, image_channels: int, around: Neighborhood, texture: Texture | None) -> str | None:
    widths = [] if texture is None else [len(weight) for weight in texture.weights]
    if any(width != limits.channels for width in widths):
        return f'it is made for {limits.channels} channels, not {widths[0]}'
    taps = len(around.rows), len(around.cols)
    for found, limit, things in (
        (len(widths), limits.depth, 'up to {} convolutions'),
        (image_channels, limits.image_channels, 'images of up to {} channels'),
        (max(taps), limits.neighbors_an_axis, 'up to {} neighbours an axis'),
        (taps[0] * taps[1], limits.neighbors, 'up to {} neighbours'),
    ):
        if limit is not None and found > limit:
            return f'it is made for {things.format(limit)}, not {found}'
    return None
