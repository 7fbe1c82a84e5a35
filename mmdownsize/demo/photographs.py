"""Real photographs at a third of their size: what fixed kernels and a trained downsizer keep of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from mmdownsize.demo.data import SIZE, SMALL, load_photograph
from mmdownsize.resizers import DownsizeNet, FixedResizer

# Photograph, top and left of a crop of SIZE px: fur and whiskers; spokes, a fork and an engine.
CROPS = (('chelsea', 60, 80), ('motorcycle', 220, 400))
TRAINED = 'downsizenet_6x6_signed_voc2012'  # for this factor, on photographs; it sees BGR
TITLES = ('source', 'bilinear', 'area', 'learned')


def rows() -> Iterator[list[np.ndarray]]:
    """Yield for each crop the pictures of ``TITLES``, (h, w, 3) uint8 RGB each: the source, then what resizers make of it."""
    resizers = (FixedResizer(kernel='bilinear'), FixedResizer(kernel='area'), DownsizeNet.from_pretrained(TRAINED))
    for name, top, left in CROPS:
        source = load_photograph(name)[top : top + SIZE, left : left + SIZE]
        image = torch.from_numpy(source[..., ::-1].copy()).permute(2, 0, 1)[None].float()  # (1, 3, SIZE, SIZE), BGR
        with torch.inference_mode():
            small = [resizer(image, (SMALL, SMALL)).clamp(0, 255)[0].flip(0) for resizer in resizers]
        yield [source, *(one.permute(1, 2, 0).round().byte().numpy() for one in small)]
