"""Images, and how many people gave them which rating."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from mmengine.fileio import join_path, list_from_file
from mmpretrain.datasets import BaseDataset

from mmdownsize.refusal import Refusal
from mmdownsize.registry import DATASETS


@DATASETS.register_module()
class RatingDataset(BaseDataset):
    """Images with counts of ratings from 1 to K, as the AVA data set has them (K = 10).

    A line an image: its path below ``data_prefix``, then the counts, separated by blanks or commas; empty lines and lines
    that begin with # are left out. Items have ``gt_score`` (K,), the counts divided by their sum.

    Args:
        ann_file: The file of the lines.
        num_bins: K.
        kwargs: Others of mmpretrain's ``BaseDataset``.

    Raises:
        ValueError: If a line has other than K counts, or counts that are negative or all 0; names the line.
    """

    def __init__(self, ann_file: str, *, num_bins: int = 10, **kwargs: Any) -> None:
        self.num_bins = num_bins  # before the parent, which loads the lines
        super().__init__(ann_file=ann_file, **kwargs)

    def load_data_list(self) -> list[dict[str, Any]]:
        """Return ``img_path`` and ``gt_score`` of every image."""
        prefix, found = self.data_prefix.get('img_path') or '', []
        for number, line in enumerate(list_from_file(self.ann_file), 1):
            if line.strip() and not line.lstrip().startswith('#'):
                path, counts = self._parse(line.strip(), f'{self.ann_file}:{number}')
                found.append(dict(img_path=join_path(prefix, path) if prefix else path, gt_score=counts / counts.sum()))
        return found

    def _parse(self, line: str, place: str) -> tuple[str, np.ndarray]:
        # The path is what remains on the left: it may have blanks in it.
        match = re.fullmatch(rf'(\S.*?)((?:[\s,]+[^\s,]+){{{self.num_bins}}})', line)
        try:
            if match is None:
                raise ValueError
            counts = np.array(re.split(r'[\s,]+', match[2])[1:], dtype=np.float32)
        except ValueError:
            raise Refusal(f'{place}: a path and {self.num_bins} counts are needed, got {line!r}') from None
        if not np.isfinite(counts).all() or (counts < 0).any() or counts.sum() == 0:
            raise Refusal(f'{place}: counts must be at least 0 and not all 0, got {counts.tolist()}')
        return match[1], counts
