"""Predictions of a frozen model, kept: it predicts the same for the same image."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mmdownsize.refusal import Refusal
from mmdownsize.storage import write_whole

FIRST = 'first.npz'


class PredictionMemory:
    """Keep the results of a function for single images, up to a number of bytes.

    The key of an image is its content (BLAKE2 of its bytes, dtype and shape), not its name. So an augmented image is never
    mistaken for another. When the memory is full, it keeps what it has and adds nothing: with shuffled epochs that keeps
    more hits than dropping the oldest.

    The function gets one image at a time, and every result is rounded to float16, whether it comes from the memory or not. So
    results do not depend on earlier calls, and an interrupted training ends as an uninterrupted one.

    With a folder, each result is also written to a NumPy file, and the next training of the same model finds it. Each
    function has its own folder inside. A function is recognised by its exact result for the first image that it got. So
    other weights, other settings and another kind of machine count as another function.

    Args:
        max_bytes: Bytes of memory for the results, which are float16.
        folder: Folder that keeps results for other trainings, of any number of functions and without a limit. None: none.
    """

    def __init__(self, max_bytes: int, folder: str | Path | None = None) -> None:
        self.max_bytes = max_bytes
        self.folder = None if folder is None else Path(folder)
        self.bytes = 0
        self._known: dict[tuple[object, ...], Tensor] = {}
        self._own_folder: Path | None = None

    def __len__(self) -> int:
        return len(self._known)

    def clear(self) -> None:
        """Forget everything; call it when the function has changed."""
        self._known.clear()
        self.bytes = 0
        self._own_folder = None

    def recall(self, images: Tensor, compute: Callable[[Tensor], Tensor]) -> Tensor:
        """Return the result of ``compute`` for each image.

        Args:
            images: (N, C, H, W), N at least 1.
            compute: Maps (1, C, H, W) to a tensor (1, ...), of the same shape for every image of the batch.

        Returns:
            (N, ...), float16, on the images' device, without gradient.

        Raises:
            ValueError: If a file in the folder is damaged.
            OSError: If the folder cannot be read or written.
        """
        return torch.stack([self._one(image, compute) for image in images.detach()])

    def _one(self, image: Tensor, compute: Callable[[Tensor], Tensor]) -> Tensor:
        content = image.cpu().contiguous().view(torch.uint8).numpy().data
        key = (hashlib.blake2b(content).digest(), image.dtype, image.shape)
        known = self._known.get(key)
        if known is not None:
            return known.to(image.device)
        found = self._from_folder(key, image, compute)
        size = found.element_size() * found.nelement()
        if self.bytes + size <= self.max_bytes:
            self._known[key] = found.cpu()
            self.bytes += size
        return found

    def _from_folder(self, key: tuple[object, ...], image: Tensor, compute: Callable[[Tensor], Tensor]) -> Tensor:
        if self.folder is None:
            return _computed(image, compute)
        if self._own_folder is None:
            self._own_folder = _folder_of(compute, image, self.folder)
        path = self._own_folder / f'{_digest(repr(key).encode())}.npz'
        if path.is_file():
            return _read(path)['result'].to(image.device)
        found = _computed(image, compute)
        _write(path, result=found)
        return found


def _folder_of(compute: Callable[[Tensor], Tensor], image: Tensor, folder: Path) -> Path:
    for path in sorted(folder.glob(f'*/{FIRST}')):
        kept = _read(path)
        first = kept['image'].to(image)
        if first.shape == image.shape and torch.equal(kept['result'].to(image.device), _computed(first, compute)):
            return path.parent
    result = _computed(image, compute)
    own = folder / _digest(str((image.tolist(), result.tolist())).encode())
    _write(own / FIRST, image=image.float(), result=result)
    return own


def _computed(image: Tensor, compute: Callable[[Tensor], Tensor]) -> Tensor:
    with torch.no_grad():
        return compute(image[None])[0].half()


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def _write(path: Path, **tensors: Tensor) -> None:
    content = io.BytesIO()
    np.savez(content, **{name: tensor.cpu().numpy() for name, tensor in tensors.items()})
    write_whole(path, content.getvalue())


def _read(path: Path) -> dict[str, Tensor]:
    try:
        with np.load(path, allow_pickle=False) as kept:
            return {name: torch.from_numpy(kept[name]) for name in kept.files}
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise Refusal(f'{path} is not a kept prediction: remove it ({error})') from error
