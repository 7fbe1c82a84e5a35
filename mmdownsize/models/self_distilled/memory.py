"""What a frozen model has said of an image, remembered: it says the same every time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import torch
from torch import Tensor


class PredictionMemory:
    """Keep what a function gives for single images, up to a number of bytes.

    An image is known by its values (BLAKE2 of its bytes, dtype and shape), not by its name, so augmented ones are images of
    their own and never mistaken for others. When the memory is full nothing is dropped and nothing added: with shuffled
    epochs that forgets less than dropping the oldest would.

    The function is called with one image at a time, and its results are rounded to float16 whether they come from the
    memory or not. So the result does not depend on what has been seen before, and an interrupted training ends as an
    uninterrupted one.

    Args:
        max_bytes: What the results may take, float16.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.bytes = 0
        self._known: dict[tuple[object, ...], Tensor] = {}

    def __len__(self) -> int:
        return len(self._known)

    def clear(self) -> None:
        """Forget everything, because the function has changed."""
        self._known.clear()
        self.bytes = 0

    def recall(self, images: Tensor, compute: Callable[[Tensor], Tensor]) -> Tensor:
        """Return what ``compute`` gives for each image.

        Args:
            images: (N, C, H, W), at least one.
            compute: Of (1, C, H, W), to a tensor (1, ...) of the same shape for every image of the batch.

        Returns:
            (N, ...), float16, on the images' device, without gradient.
        """
        return torch.stack([self._one(image, compute) for image in images.detach()])

    def _one(self, image: Tensor, compute: Callable[[Tensor], Tensor]) -> Tensor:
        content = image.cpu().contiguous().view(torch.uint8).numpy().data
        key = (hashlib.blake2b(content).digest(), image.dtype, image.shape)
        known = self._known.get(key)
        if known is not None:
            return known.to(image.device)
        with torch.no_grad():
            found = compute(image[None])[0].half()
        size = found.element_size() * found.nelement()
        if self.bytes + size <= self.max_bytes:
            self._known[key] = found.cpu()
            self.bytes += size
        return found
