"""The picture of the demo: what resizers keep of photographs; below, of synthetic textures, and what a model predicts from it."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure
from matplotlib.patches import Patch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate

from mmdownsize.demo import photographs
from mmdownsize.demo.data import CLASSES, SIZE, SMALL, TEST_PHOTOGRAPHS
from mmdownsize.demo.trainings import ARMS
from mmdownsize.storage import write_whole

CROP = 96  # px of the source, the side of what the picture shows
WIDTH = 16.0  # inches, of 100 px each
HEIGHTS = (8.8, 5.6)  # inches, of the photographs and of the textures
STEP = 12  # px from one candidate for a crop to the next


def choose_crops(labels: Sequence[np.ndarray]) -> list[tuple[int, int, int]]:
    """Choose one crop a photograph, by the labels alone: where the class that is rarest in it is most frequent.

    Args:
        labels: The label maps of the test images, (SIZE, SIZE) each, the photographs taking turns.

    Returns:
        For each photograph the index of the image, and the top and left of the crop in px.
    """
    best: dict[int, tuple[int, tuple[int, int, int]]] = {}
    for i, image in enumerate(labels):
        for top in range(0, SIZE - CROP + 1, STEP):
            for left in range(0, SIZE - CROP + 1, STEP):
                counts = np.bincount(image[top : top + CROP, left : left + CROP].ravel(), minlength=len(CLASSES))
                candidate = (int(counts.min()), (i, top, left))
                photograph = i % len(TEST_PHOTOGRAPHS)
                best[photograph] = max(best.get(photograph, candidate), candidate)
    return [best[photograph][1] for photograph in sorted(best)]


def draw(path: Path, models: Mapping[str, Any], accuracy: Mapping[str, float], note: str = '') -> None:
    """Save the picture as a PNG file.

    Args:
        path: The file.
        models: The trained models, by name of their arm.
        accuracy: Pixel accuracy of each, a fraction.
        note: What the reader has to know about the predictions.

    Raises:
        OSError: If the file cannot be written.
    """
    figure = Figure(figsize=(WIDTH, sum(HEIGHTS)), dpi=100)
    FigureCanvasAgg(figure)
    above, below = figure.subfigures(2, height_ratios=HEIGHTS)
    _draw_photographs(above)
    _draw_textures(below, models, accuracy, note)
    content = io.BytesIO()
    figure.savefig(content, format='png')
    write_whole(path, content.getvalue())


def _draw_photographs(figure: SubFigure) -> None:
    rows = list(photographs.rows())
    axes = figure.subplots(len(rows), len(photographs.TITLES))
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.01, top=0.9, wspace=0.03, hspace=0.03)
    for row, panels in zip(axes, rows):
        for axis, panel in zip(row, panels):
            axis.imshow(panel, interpolation='nearest')
            axis.set_axis_off()
    for axis, title in zip(axes[0], photographs.TITLES):
        axis.set_title(title, fontsize=17)
    figure.suptitle(
        f'Photographs at a third of their size, {SIZE} x {SIZE} px to {SMALL} x {SMALL}. Learned: the shipped DownsizeNet, '
        'trained for a segmentor',
        fontsize=15,
    )


def _draw_textures(figure: SubFigure, models: Mapping[str, Any], accuracy: Mapping[str, float], note: str) -> None:
    from mmseg.registry import DATASETS

    dataset = DATASETS.build(Config.fromfile(ARMS[0].config).test_dataloader.dataset)
    samples = [dataset[i] for i in range(len(dataset))]
    crops = choose_crops([sample['data_samples'].gt_sem_seg.data[0].numpy() for sample in samples])
    palette = np.array(dataset.metainfo['palette'], np.uint8)

    titles = [f'source\n({CROP} x {CROP} px of it)', 'ground truth']
    for arm in ARMS:
        titles += [f'{arm.title}:\nwhat it keeps', f'predicted from it\n({accuracy[arm.name]:.0%} right)']
    axes = figure.subplots(len(crops), len(titles), squeeze=False)
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.09, top=0.83, wspace=0.04, hspace=0.04)
    for row, (i, top, left) in zip(axes, crops):
        for axis, panel in zip(row, _panels_of(samples[i], models, palette)):
            step = SIZE // panel.shape[0]  # source px a pixel of the panel
            axis.imshow(
                panel[top // step : (top + CROP) // step, left // step : (left + CROP) // step], interpolation='nearest'
            )
            axis.set_axis_off()
    for axis, title in zip(axes[0], titles):
        axis.set_title(title, fontsize=12)
    patches = [Patch(color=colour / 255, label=name) for name, colour in zip(CLASSES, palette)]
    figure.legend(handles=patches, loc='lower center', ncols=len(CLASSES), fontsize=13, frameon=False)
    figure.suptitle(
        note
        or f'Synthetic: fine textures over photographs, {SIZE} x {SIZE} px to {SMALL} x {SMALL}. '
        f'Percentages: of all pixels of {len(samples)} test images',
        fontsize=15,
    )


def _panels_of(sample: Mapping[str, Any], models: Mapping[str, Any], palette: np.ndarray) -> list[np.ndarray]:
    """Return the pictures of a row, (h, w, 3) uint8 RGB each: source, ground truth, then what each kept and predicted."""
    image = sample['inputs'].flip(0)  # RGB
    panels = [image.permute(1, 2, 0).numpy(), palette[sample['data_samples'].gt_sem_seg.data[0].numpy()]]
    for arm in ARMS:
        with torch.inference_mode():
            # As the preprocessor does it: in the channel order of the file.
            kept = models[arm.name].data_preprocessor.downsizer(image.flip(0)[None].float(), (SMALL, SMALL))[0].flip(0)
            (predicted,) = models[arm.name].test_step(pseudo_collate([sample]))
        panels += [kept.permute(1, 2, 0).round().byte().numpy(), palette[predicted.pred_sem_seg.data[0].numpy()]]
    return panels
