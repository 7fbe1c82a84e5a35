"""The synthetic set of the demo: what its docstring promises."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

pytest.importorskip('skimage')

from mmdownsize.demo import data as demo_data

GREY = np.full((demo_data.SIZE, demo_data.SIZE, 3), 127, np.uint8)


@pytest.fixture(scope='module')
def patterns() -> tuple[np.ndarray, np.ndarray]:
    """Images over plain grey, their mean subtracted: nothing but pattern; (N, H, W) each, with their labels."""
    samples = [demo_data.draw_sample(np.random.default_rng(seed), GREY) for seed in range(30)]
    assert all(image.shape == (*labels.shape, 3) for image, labels in samples)
    return np.stack([image[..., 0] - 127.0 for image, _ in samples]), np.stack([labels for _, labels in samples])


def interiors(labels: np.ndarray, label: int, radius: int) -> np.ndarray:
    """Where a window of 2 * radius + 1 pixels around a pixel holds one class only."""
    window = np.ones((2 * radius + 1, 2 * radius + 1), np.uint8)
    masks = [cv2.erode((image == label).astype(np.uint8), window, borderValue=0) for image in labels]
    return np.stack(masks).astype(bool)


def test_set_is_deterministic(tmp_path: Path) -> None:
    for name, seed in (('a', 3), ('b', 3), ('c', 4)):
        demo_data.write_dataset(tmp_path / name, seed, train=2, test=2)
    names = sorted(path.relative_to(tmp_path / 'a') for path in (tmp_path / 'a').rglob('*.png'))
    assert len(names) == 8
    for name in names:
        assert (tmp_path / 'a' / name).read_bytes() == (tmp_path / 'b' / name).read_bytes()
        assert (tmp_path / 'a' / name).read_bytes() != (tmp_path / 'c' / name).read_bytes()


def test_layout_and_labels(tmp_path: Path) -> None:
    demo_data.write_dataset(tmp_path, 0, train=3, test=2)
    for split, count in (('train', 3), ('test', 2)):
        images = sorted((tmp_path / 'images' / split).iterdir())
        labels = sorted((tmp_path / 'labels' / split).iterdir())
        assert (
            [path.name for path in images] == [path.name for path in labels] == [f'{i:04d}.png' for i in range(count)]
        )
        for image, label in zip(images, labels):
            assert np.asarray(Image.open(image)).shape == (demo_data.SIZE, demo_data.SIZE, 3)
            values = np.asarray(Image.open(label))
            assert values.dtype == np.uint8 and values.shape == (demo_data.SIZE, demo_data.SIZE)
            assert values.max() < len(demo_data.CLASSES)


def test_photographs_keep_their_colours(tmp_path: Path) -> None:
    demo_data.write_dataset(tmp_path, 0, train=1, test=2)
    chelsea = np.asarray(Image.open(tmp_path / 'images' / 'test' / '0001.png')).reshape(-1, 3).mean(0)
    assert chelsea[0] > chelsea[2] + 5  # a ginger cat: more red than blue


def test_test_photographs_are_not_trained_on() -> None:
    assert not set(demo_data.TRAIN_PHOTOGRAPHS) & set(demo_data.TEST_PHOTOGRAPHS)


def test_every_class_takes_its_share(patterns: tuple[np.ndarray, np.ndarray]) -> None:
    share = np.bincount(patterns[1].ravel(), minlength=len(demo_data.CLASSES)) / patterns[1].size
    assert share.min() > 0.2


def test_classes_have_the_same_mean_and_contrast(patterns: tuple[np.ndarray, np.ndarray]) -> None:
    values, labels = patterns
    for label in range(len(demo_data.CLASSES)):
        inside = values[labels == label]
        assert abs(inside.mean()) < 0.7  # of 255; grey is 127 and its mean 127.5 is shrunk by CONTRAST
        assert inside.std() == pytest.approx(demo_data.RMS, rel=0.02)


def test_classes_are_indistinguishable_where_averaged_over_12_px(patterns: tuple[np.ndarray, np.ndarray]) -> None:
    values, labels = patterns
    means = np.stack([cv2.blur(image, (12, 12)) for image in values])
    for label in range(len(demo_data.CLASSES)):
        inside = means[interiors(labels, label, 6)]
        assert abs(inside.mean()) < 0.7
        assert inside.std() < 0.1 * demo_data.RMS


def test_a_third_of_the_size_cannot_hold_the_pattern(patterns: tuple[np.ndarray, np.ndarray]) -> None:
    rng = np.random.default_rng(0)
    y, x = (np.abs(np.fft.fftfreq(demo_data.SIZE))[:, None], np.abs(np.fft.fftfreq(demo_data.SIZE)))
    holds = (y <= 1 / 6) & (x <= 1 / 6)  # cycles a px of the source: half a cycle a px of the small image
    fields = [demo_data.grain(rng)]
    fields += [demo_data.hatching(rng, direction) for direction in demo_data.DIRECTIONS[1:] for _ in range(5)]
    for field in fields:
        energy = np.abs(np.fft.fft2(field * np.hanning(demo_data.SIZE) * np.hanning(demo_data.SIZE)[:, None])) ** 2
        assert energy[holds].sum() < 1e-4 * energy.sum()
