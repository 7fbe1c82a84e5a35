"""Image files: those that a command line names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmdownsize.refusal import Refusal

SUFFIXES = ('.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp')


def find_images(paths: Sequence[Path]) -> list[Path]:
    """Return the images named, and those in the folders named.

    Raises:
        Refusal: If a path does not exist, or there is no image.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise Refusal(f'no such file or folder: {path}')
        found += [p for p in sorted(path.rglob('*')) if p.suffix.lower() in SUFFIXES] if path.is_dir() else [path]
    if not found:
        raise Refusal(f'no image in {", ".join(map(str, paths))}; known: {", ".join(SUFFIXES)}')
    return found
