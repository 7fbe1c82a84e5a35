"""Draws what one resizer saves and another loses: validation images of two runs, where they differ most.

python -m study.saved CONFIG CHECKPOINT OTHER_CONFIG OTHER_CHECKPOINT --names area learned --label 1 --out study/images/saved.png

The configs are those of segmentors on the same data. All labels but the background count as defects with --label 0.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmseg.apis import init_model
from mmseg.registry import DATASETS
from PIL import Image
from rich.progress import track
from torch import nn

from mmdownsize.checkpoints import allow_mmengine_checkpoints

FOUND, MISSED, WRONG = (250, 250, 250), (80, 160, 255), (255, 80, 60)  # white, blue, red
VOID = 255


@dataclass(frozen=True)
class Seen:
    """A validation image as one run sees it.

    Attributes:
        image: (H, W, 3), RGB, of the file.
        small: (h, w, 3), RGB, what the model sees.
        label: (H, W), True where a defect is.
        predicted: (H, W), True where the model finds one.
        counts: (H, W), False where the label is void.
    """

    image: np.ndarray
    small: np.ndarray
    label: np.ndarray
    predicted: np.ndarray
    counts: np.ndarray

    @property
    def iou(self) -> float:
        """IoU of the defects in percent; nan without a defect."""
        both = (self.label & self.predicted & self.counts).sum()
        either = ((self.label | self.predicted) & self.counts).sum()
        return 100 * both / either if self.label.any() else float('nan')

    def verdict(self) -> np.ndarray:
        """Return (H, W, 3): what is found in white, missed in blue and wrong in red, over the darkened image."""
        shown = (self.image * 0.35).astype(np.uint8)
        shown[self.label & self.predicted] = FOUND
        shown[self.label & ~self.predicted] = MISSED
        shown[~self.label & self.predicted & self.counts] = WRONG
        return shown


def seen_by(config: Path, checkpoint: Path, label: int) -> list[Seen]:
    """Return all validation images as a trained model sees them.

    Args:
        config: The run's config.
        checkpoint: Its weights.
        label: The class of the defects; 0 for all but the background.
    """
    cfg = Config.fromfile(config)
    init_default_scope('mmseg')
    allow_mmengine_checkpoints()
    model = init_model(cfg, str(checkpoint), device='cpu')
    dataset = DATASETS.build(cfg.val_dataloader.dataset)
    return [seen_in(model, dataset[index], label) for index in track(range(len(dataset)), description=str(config))]


def seen_in(model: nn.Module, item: dict, label: int) -> Seen:
    """Return an image as a model sees it."""
    image = item['inputs']
    truth = item['data_samples'].gt_sem_seg.data[0].numpy()
    preprocessor = model.data_preprocessor
    with torch.no_grad():
        data = preprocessor(pseudo_collate([item]))
        height, width = data['data_samples'][0].img_shape  # without what is padded for the strides
        small = data['inputs'][0][:, :height, :width] * preprocessor.std + preprocessor.mean
        predicted = model.test_step(pseudo_collate([item]))[0].pred_sem_seg.data[0].numpy()

    def chosen(classes: np.ndarray) -> np.ndarray:
        return classes == label if label else (classes > 0) & (classes != VOID)

    small = small.flip(0) if preprocessor.channel_conversion else small  # to BGR, as the file was read
    return Seen(_pixels(image), _pixels(small), chosen(truth), chosen(predicted), truth != VOID)


def _pixels(image: torch.Tensor) -> np.ndarray:
    return image.float().clamp(0, 255).round().byte().permute(1, 2, 0).numpy()[..., ::-1]


def most_different(first: Sequence[Seen], second: Sequence[Seen], gained: int, lost: int) -> list[int]:
    """Return the images that gain most from the first to the second, and those that lose most."""
    gain = np.array([b.iou - a.iou for a, b in zip(first, second)])
    order = [index for index in np.argsort(-gain) if np.isfinite(gain[index])]
    return [*order[:gained], *order[len(order) - lost :]]


def draw(first: Sequence[Seen], second: Sequence[Seen], names: Sequence[str], rows: Sequence[int]) -> Figure:
    """Return the picture: a row for each image; what both models see and find."""
    figure = Figure(figsize=(13, 1.9 * len(rows)), dpi=110, facecolor='white', layout='constrained')
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(rows), 6, squeeze=False)
    for line, index in zip(axes, rows):
        a, b = first[index], second[index]
        truth = np.where(a.label[..., None], np.uint8(FOUND), (a.image * 0.35).astype(np.uint8))
        shown = [a.image, truth, a.small, a.verdict(), b.small, b.verdict()]
        captions = [
            'image',
            'label',
            names[0],
            f'{names[0]}: IoU {a.iou:.1f}',
            names[1],
            f'{names[1]}: IoU {b.iou:.1f}',
        ]
        for place, picture, caption in zip(line, shown, captions):
            place.imshow(picture, interpolation='nearest')
            place.set_title(caption, fontsize=9)
            place.set_axis_off()
    return figure


def main(argv: Sequence[str] | None = None) -> None:
    """Test both models on all validation images and draw those where they differ most."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ('config', 'checkpoint', 'other_config', 'other_checkpoint'):
        parser.add_argument(name, type=Path)
    parser.add_argument('--names', nargs=2, default=['first', 'second'])
    parser.add_argument('--label', type=int, default=1, help='class of the defects; 0: all but the background')
    parser.add_argument('--gained', type=int, default=3, help='images that gain most')
    parser.add_argument('--lost', type=int, default=1, help='images that lose most')
    parser.add_argument('--out', type=Path, required=True)
    args = parser.parse_args(argv)
    first = seen_by(args.config, args.checkpoint, args.label)
    second = seen_by(args.other_config, args.other_checkpoint, args.label)
    gain = np.array([b.iou - a.iou for a, b in zip(first, second)])
    print(f'{np.sum(gain > 0)} images gain, {np.sum(gain < 0)} lose; mean {np.nanmean(gain):+.2f}')
    figure = draw(first, second, args.names, most_different(first, second, args.gained, args.lost))
    whole = io.BytesIO()
    figure.savefig(whole)
    Image.open(whole).convert('RGB').quantize(256, Image.Quantize.FASTOCTREE).save(
        args.out, optimize=True
    )  # a quarter of the bytes


if __name__ == '__main__':
    main()
