"""Test-time augmentation: whether several sizes of an image are still several after downsizing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmdownsize.geometry import ResizeMap, TargetSize
from mmdownsize.refusal import Refusal

# What tells one image from another: fields of the metainfo.
NAMES = ('img_path', 'img_id', 'ori_shape')


class Views:
    """The views of images that a model of test-time augmentation hands on, one batch after the other.

    Such a model predicts on an image at several sizes and merges the predictions. A target in px makes one size of all: the
    predictions would be the same one, several times over.
    """

    def __init__(self) -> None:
        self._before: dict[str, ResizeMap] = {}

    def check(self, samples: Sequence[Any] | None, maps: Sequence[ResizeMap], target: TargetSize) -> None:
        """Check that the views of an image that differ in size do so after downsizing.

        Args:
            samples: The samples of a batch; None: nothing is known of its images.
            maps: The resize of each image.
            target: The target size.

        Raises:
            ValueError: If the last batch has had the same image at another size, and ``target`` makes one size of both.
        """
        named = {str([sample.get(name) for name in NAMES]): one for sample, one in zip(samples or (), maps)}
        for name, one in named.items():
            before = self._before.get(name, one)
            # A view that is turned by 90 degrees is of the same size.
            if sorted(before.src_hw) != sorted(one.src_hw) and sorted(before.dst_hw) == sorted(one.dst_hw):
                raise Refusal(
                    f'test-time augmentation shows an image at {before.src_hw} and at {one.src_hw} (h, w), and {target} makes '
                    f'{one.dst_hw} of both: give scale_factor, or leave one size in tta_pipeline'
                )
        self._before = named
