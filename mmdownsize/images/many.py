"""Files and folders of images, resized into other files: nothing is overwritten that should not be."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmdownsize.images import files, pil
from mmdownsize.images.arrays import Resize
from mmdownsize.progress import track
from mmdownsize.refusal import Refusal
from mmdownsize.storage import check_writable


@dataclass
class Done:
    """What came of some files.

    Attributes:
        written: The files that were written, and (w, h) in px before and after.
        refused: Why the others were not, a line each.
    """

    written: list[tuple[Path, tuple[int, int], tuple[int, int]]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def resize_files(sources: Sequence[Path], out: str, resize: Resize, *, overwrite: bool = False) -> Done:
    """Resize image files. What is wrong with one of them does not keep the others from being resized.

    Args:
        sources: Image files, and folders of them.
        out: A file, of one file; or a folder. Files of a folder keep their places in it.
        resize: How.
        overwrite: Whether files that exist are replaced. The sources never are.

    Raises:
        Refusal: If a source does not exist, or an output is a source, exists, or is one of two files.
        OSError: If an output cannot be written.
    """
    pairs = _pairs(sources, out)
    _check(pairs, overwrite)
    done = Done()
    for source, target in track(pairs, 'resizing'):
        try:
            image = files.read(source)
            small = pil.resized(image, resize)
            files.write(small, target, image)
        except Refusal as refused:
            said = str(refused)
            done.refused.append(said if said.startswith(str(source)) else f'{source}: {said}')
        else:
            done.written.append((target, image.size, small.size))
    return done


def _pairs(sources: Sequence[Path], out: str) -> list[tuple[Path, Path]]:
    """Return the files to read and the files to write."""
    folder = Path(out)
    if len(sources) == 1 and not sources[0].is_dir() and not folder.is_dir() and not out.endswith(os.sep):
        return [(source, folder) for source in files.find_images(sources)]
    if folder.exists() and not folder.is_dir():
        raise Refusal(f'{out} is a file, and several images need a folder: name another one')
    pairs = []
    for source in sources:
        inside = source if source.is_dir() else source.parent
        found = files.find_images([source])
        if source.resolve() in folder.resolve().parents:  # it holds what an earlier call has written
            found = [path for path in found if folder.resolve() not in path.resolve().parents]
        pairs += [(path, folder / path.relative_to(inside)) for path in found]
    if not pairs:
        raise Refusal(f'no image in {", ".join(map(str, sources))} besides those of {out}')
    return pairs


def _check(pairs: Sequence[tuple[Path, Path]], overwrite: bool) -> None:
    """Check what can be known before the first image is read."""
    taken: dict[str, Path] = {}
    read = {os.path.realpath(source) for source, _ in pairs}
    for source, target in pairs:
        files.format_of(target)
        place = os.path.realpath(target)
        if place in read:
            raise Refusal(f'{target} is one of the images to be read, which are never overwritten: name another output')
        if place in taken:
            raise Refusal(f'{taken[place]} and {source} would both be written to {target}: resize them separately')
        taken[place] = source
    there = [target for _, target in pairs if target.exists()]
    if there and not overwrite:
        others = f' and {len(there) - 1} more' if len(there) > 1 else ''
        raise Refusal(f'{there[0]}{others} exists already: name another output, or say --overwrite')
    check_writable(pairs[0][1])
