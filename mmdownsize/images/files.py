"""Image files: which there are, how one is read upright, and how it is written with what was known of it."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from mmdownsize.refusal import Refusal, in_words
from mmdownsize.storage import write_whole

SUFFIXES = ('.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp')
# A resized image should not lose to compression what its resizer has kept.
QUALITY: dict[str, dict[str, Any]] = {'JPEG': dict(quality=95, subsampling=0), 'WEBP': dict(quality=95)}
KEPT = ('icc_profile', 'dpi', 'xmp')  # besides EXIF
# Tags of EXIF that hold the size in px.
WIDTH, HEIGHT = ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight


def find_images(paths: Sequence[Path]) -> list[Path]:
    """Return the images named, and those in the folders named.

    Raises:
        Refusal: If a path does not exist, or there is no image.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise Refusal(f'no such file or folder: {path}')
        found += _inside(path) if path.is_dir() else [path]
    if not found:
        raise Refusal(f'no image in {", ".join(map(str, paths))}; known: {", ".join(SUFFIXES)}')
    return found


def _inside(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob('*')) if path.suffix.lower() in SUFFIXES and path.is_file()]


def read(path: Path) -> Image.Image:
    """Return the image of a file, upright: turned as its EXIF orientation says, without that tag.

    Raises:
        Refusal: If it cannot be read, has several frames, or has 16 bits a colour, of which Pillow reads 8.
    """
    try:
        with Image.open(path) as opened:
            if getattr(opened, 'n_frames', 1) > 1 and opened.format != 'MPO':  # a photograph with a preview
                raise Refusal(f'{path} has {opened.n_frames} frames, and one would be kept: take them apart first')
            if ';16' in str(opened.tile) and not opened.mode.startswith('I'):
                raise Refusal(
                    f'{path} has 16 bits a colour, of which Pillow reads 8: read it with cv2.imread(path, -1), and call '
                    "mmdownsize.resize_image(image, ..., colour='bgr')"
                )
            return ImageOps.exif_transpose(opened)
    except Refusal:
        raise
    except UnidentifiedImageError as error:
        raise Refusal(f'{path} is no image, or of a format that Pillow does not know') from error
    except Exception as error:  # each of Pillow's formats has its own
        raise Refusal(f'{path} cannot be read as an image: {in_words(error)}') from error


def format_of(path: Path) -> str:
    """Return Pillow's name of the format that a file's name asks for.

    Raises:
        Refusal: If it cannot write such files.
    """
    found = Image.registered_extensions().get(path.suffix.lower())
    if found not in Image.SAVE:
        raise Refusal(f'{path}: no image format of this name can be written; known: {", ".join(SUFFIXES)}')
    return str(found)


def write(image: Image.Image, path: Path, source: Image.Image) -> None:
    """Write an image, whole or not at all.

    Args:
        image: The image.
        path: Where to. Its suffix decides the format.
        source: The image that it was made of, whose colour profile, resolution and EXIF are kept. EXIF of a TIFF is not: it says
            how the file is built.

    Raises:
        Refusal: If the format cannot hold the image.
        OSError: If the file cannot be written.
    """
    kept: dict[str, Any] = {key: source.info[key] for key in KEPT if source.info.get(key)}
    exif = source.getexif()
    if exif and 'exif' in source.info:
        inside = exif.get_ifd(ExifTags.IFD.Exif)
        inside.update({tag: side for tag, side in zip((WIDTH, HEIGHT), image.size) if tag in inside})
        kept['exif'] = exif.tobytes()
    content, kind = BytesIO(), format_of(path)
    try:
        image.save(content, kind, **QUALITY.get(kind, {}), **kept)
    except (OSError, ValueError, KeyError) as error:
        raise Refusal(
            f'{path} cannot hold an image of mode {image.mode} ({in_words(error)}): write it as .png'
        ) from error
    write_whole(path, content.getvalue())
