"""tools/demo.py: what its synthetic set promises, and that it runs to a table, a picture and its numbers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

pytest.importorskip('mmseg')
pytest.importorskip('skimage')

from mmdownsize.demo import data as demo_data

ROOT = Path(__file__).parents[2]
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


def run(*arguments: str, cwd: Path) -> subprocess.CompletedProcess:
    env = {**os.environ, 'OMP_NUM_THREADS': '1', 'COLUMNS': '120'}
    command = [sys.executable, str(ROOT / 'tools' / 'demo.py'), *arguments]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True)


def test_quick_demo_runs_to_the_end_and_again(tmp_path: Path) -> None:
    left_behind = tmp_path / 'work_dirs' / 'demo' / 'bilinear' / 'left_behind'
    left_behind.parent.mkdir(parents=True)
    left_behind.touch()
    (tmp_path / 'work_dirs' / 'demo' / '.mmdownsize-demo').touch()
    result = run('--quick', '--seed', '1', cwd=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    for text in ('synthetic', 'mIoU', 'bilinear', 'antialiased', 'DownsizeNet', 'work_dirs/demo/demo.png'):
        assert text in result.stdout
    assert not left_behind.exists()

    report = json.loads((tmp_path / 'work_dirs' / 'demo' / 'results.json').read_text())
    assert report['command'] == 'python tools/demo.py --quick --seed 1'
    assert (report['seed'], report['data']) == (1, 'synthetic')
    rows = report['resizers']
    assert rows['bilinear']['parameters'] == rows['antialiased']['parameters'] == 0 < rows['downsizenet']['parameters']
    for row in rows.values():
        assert 0 <= row['miou'] <= 1 and 0 <= row['pixel_accuracy'] <= 1
        assert row['ms_per_image'] > 0 and row['training_s'] > 0
    with Image.open(tmp_path / 'work_dirs' / 'demo' / 'demo.png') as picture:
        assert picture.width > 1000 and len(picture.convert('RGB').getcolors(1 << 24)) > 100


def test_failed_training_shows_the_end_of_its_log(tmp_path: Path) -> None:
    from tools import demo

    broken = tmp_path / 'broken.py'
    broken.write_text('print("before"); raise RuntimeError("no luck")')
    with pytest.raises(SystemExit) as exit_info:
        list(demo.train(demo.ARMS[0], [str(broken)], tmp_path / 'arm' / 'train.log'))
    assert 'no luck' in str(exit_info.value) and 'train.log' in str(exit_info.value)


def test_a_folder_that_is_not_a_demo_is_left_alone(tmp_path: Path) -> None:
    from tools import demo

    (tmp_path / 'data').mkdir()
    with pytest.raises(SystemExit, match='--work-dir'):
        demo.prepare(tmp_path)
    assert (tmp_path / 'data').exists()
    (tmp_path / 'file').touch()
    with pytest.raises(SystemExit, match='cannot write'):
        demo.prepare(tmp_path / 'file' / 'below')


@pytest.mark.parametrize('arguments', [['--seed', '-1'], ['--iters', '0']])
def test_bad_arguments(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    from tools import demo

    with pytest.raises(SystemExit):
        demo.main(arguments)
    assert 'must be at least' in capsys.readouterr().err


def test_crops_show_every_class_where_they_can() -> None:
    from tools import demo

    labels = [np.zeros((demo.SIZE, demo.SIZE), np.uint8) for _ in range(4)]
    labels[2][60:180, 84:180] = np.arange(120)[:, None] // 40  # the only image of photograph 0 with all classes
    (index, top, left), (other, *_) = demo.choose_crops(labels)
    assert index == 2 and other in (1, 3)
    assert len(np.unique(labels[2][top : top + demo.CROP, left : left + demo.CROP])) == 3
