"""The data of the demo: a segmentation set whose classes differ only in fine texture, laid over real photographs.

Every image is a crop of a photograph, cut into smooth random regions. Each region gets a pattern of its class::

    image = 127.5 + CONTRAST * (photograph - 127.5) + pattern,      pattern: mean 0, root mean square RMS, on every region

Two classes are hatched, with vertical or horizontal lines, and the third is grain without a direction. All have the same
mean, the same contrast and the same band of spatial frequencies, close to the highest that the image can hold: they differ
only in direction. Direction, frequency and phase of the hatching are drawn for each region, so that no sampling grid fits
them. Test images and training images come from different photographs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

CLASSES = ('grain', 'vertical', 'horizontal')
# Direction of the wave, in radians from the x axis to the y axis, which points down; None: all directions.
DIRECTIONS = (None, 0.0, np.pi / 2)
SIZE = 192  # px, height and width
SMALL = SIZE // 3  # px, height and width of what the model sees
BAND = (0.36, 0.46)  # cycles a px; 0.5 is the highest, and an image of a third of the size holds up to 0.167
JITTER = np.deg2rad(12)  # of the direction, either way
REGION = 22  # px, the blur that the regions come from
CONTRAST = 0.6
RMS = 26.0  # of 255
# These are in scikit-image's wheel: nothing is downloaded.
TRAIN_PHOTOGRAPHS = ('coffee', 'rocket', 'motorcycle', 'camera', 'gravel', 'brick', 'immunohistochemistry')
TEST_PHOTOGRAPHS = ('astronaut', 'chelsea')


def load_photograph(name: str) -> np.ndarray:
    """Return one of scikit-image's photographs.

    Args:
        name: The name of its function in ``skimage.data``, or ``'motorcycle'``.

    Returns:
        (H, W, 3) uint8, RGB.
    """
    import skimage.data

    image = skimage.data.stereo_motorcycle()[0] if name == 'motorcycle' else getattr(skimage.data, name)()
    return np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image[..., :3]


def hatching(rng: np.random.Generator, direction: float) -> np.ndarray:
    """Return a wave (SIZE, SIZE) of amplitude 1, with a frequency from ``BAND`` and any phase.

    Args:
        rng: Source of all randomness.
        direction: Direction of the wave in radians, up to ``JITTER`` off.
    """
    angle = direction + rng.uniform(-JITTER, JITTER)
    frequency = rng.uniform(*BAND)
    y, x = np.mgrid[:SIZE, :SIZE]
    return np.cos(2 * np.pi * (frequency * (x * np.cos(angle) + y * np.sin(angle)) + rng.uniform()))


def grain(rng: np.random.Generator) -> np.ndarray:
    """Return noise (SIZE, SIZE) with all its energy in ``BAND``, the same in every direction."""
    spectrum = np.fft.rfft2(rng.standard_normal((SIZE, SIZE)))
    radius = np.hypot(np.fft.rfftfreq(SIZE), np.fft.fftfreq(SIZE)[:, None])
    return np.fft.irfft2(spectrum * ((radius >= BAND[0]) & (radius <= BAND[1])), s=(SIZE, SIZE))


def draw_labels(rng: np.random.Generator) -> np.ndarray:
    """Return a label map (SIZE, SIZE), uint8, of smooth regions: the class whose blurred noise is highest there."""
    coarse = SIZE // 4  # the fields are smooth: a quarter of the size is plenty, and 16 times as fast
    fields = [cv2.GaussianBlur(rng.standard_normal((coarse, coarse)), (0, 0), REGION / 4) for _ in CLASSES]
    return np.argmax([cv2.resize(f, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC) for f in fields], axis=0).astype(
        np.uint8
    )


def draw_pattern(rng: np.random.Generator, labels: np.ndarray) -> np.ndarray:
    """Return the pattern (SIZE, SIZE) of a label map: mean 0 and root mean square ``RMS`` on every connected region."""
    pattern = np.zeros(labels.shape)
    for label, direction in enumerate(DIRECTIONS):
        count, regions = cv2.connectedComponents((labels == label).astype(np.uint8), connectivity=4)
        for region in range(1, count):
            inside = regions == region
            values = (grain(rng) if direction is None else hatching(rng, direction))[inside]
            values -= values.mean()
            pattern[inside] = RMS * values / max(np.sqrt(np.mean(values**2)), 1e-6)  # a region may be a single pixel
    return pattern


def draw_sample(rng: np.random.Generator, photograph: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return one image and its label map.

    Args:
        rng: Source of all randomness.
        photograph: (H, W, 3) uint8, at least ``SIZE`` high and wide; shrunk by up to 2 and cropped at random.

    Returns:
        image: (SIZE, SIZE, 3) uint8.
        labels: (SIZE, SIZE) uint8, indices into ``CLASSES``.
    """
    height, width = photograph.shape[:2]
    shrink = rng.uniform(max(0.5, SIZE / min(height, width)), 1)
    size_wh = (max(SIZE, round(width * shrink)), max(SIZE, round(height * shrink)))
    photograph = cv2.resize(photograph, size_wh, interpolation=cv2.INTER_AREA)
    top, left = (rng.integers(extent - SIZE + 1) for extent in photograph.shape[:2])
    crop = photograph[top : top + SIZE, left : left + SIZE].astype(np.float64)
    labels = draw_labels(rng)
    image = 127.5 + CONTRAST * (crop - 127.5) + draw_pattern(rng, labels)[..., None]
    return image.round().clip(0, 255).astype(np.uint8), labels


def write_split(root: Path, split: str, count: int, photographs: Sequence[np.ndarray], seed: int) -> None:
    """Write images and label maps of one split as mmseg's ``BaseSegDataset`` reads them.

    Args:
        root: The folder; ``images/SPLIT/0000.png`` and ``labels/SPLIT/0000.png`` are written, the photographs taking turns.
        split: ``'train'`` or ``'test'``.
        count: Number of images.
        photographs: (H, W, 3) uint8 each, RGB.
        seed: Decides every pixel, together with the split.

    Raises:
        OSError: If a file cannot be written.
    """
    for kind in ('images', 'labels'):
        (root / kind / split).mkdir(parents=True)
    for i in range(count):
        rng = np.random.default_rng([seed, ('train', 'test').index(split), i])
        image, labels = draw_sample(rng, photographs[i % len(photographs)])
        for kind, pixels in (('images', image[..., ::-1]), ('labels', labels)):
            path = root / kind / split / f'{i:04d}.png'
            if not cv2.imwrite(str(path), pixels):
                raise OSError(f'cannot write {path}')


def write_dataset(root: Path, seed: int, train: int, test: int) -> None:
    """Write the whole set, ``train`` and ``test`` images of it, into an empty folder."""
    write_split(root, 'train', train, [load_photograph(name) for name in TRAIN_PHOTOGRAPHS], seed)
    write_split(root, 'test', test, [load_photograph(name) for name in TEST_PHOTOGRAPHS], seed)
