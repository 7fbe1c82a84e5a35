"""The data preprocessor for mmdet's semi-supervised detectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmdet.models.data_preprocessors import MultiBranchDataPreprocessor

from mmdownsize.preprocessors.det import DetDownsizePreprocessor
from mmdownsize.refusal import Refusal
from mmdownsize.registry import MODELS


@MODELS.register_module()
class MultiBranchDownsizePreprocessor(MultiBranchDataPreprocessor):
    """mmdet's ``MultiBranchDataPreprocessor`` around a :class:`DetDownsizePreprocessor`.

    All branches, labelled and not, the student's and the teacher's, are downsized by one and the same module, which learns
    from the student's losses; it is no part of the teacher's moving average.

    Args:
        data_preprocessor: Config of a ``DetDownsizePreprocessor``.

    Raises:
        ValueError: If it is something else.
    """

    holds_downsizers = True  # see mmdownsize.preprocessors.holders

    def __init__(self, data_preprocessor: Mapping[str, Any]) -> None:
        super().__init__(data_preprocessor)
        if not isinstance(self.data_preprocessor, DetDownsizePreprocessor):
            raise Refusal(
                'data_preprocessor must be a mmdownsize.DetDownsizePreprocessor, '
                f'got {type(self.data_preprocessor).__name__}; without a downsizer use mmdet.MultiBranchDataPreprocessor'
            )

    def init_weights(self) -> None:
        """Initialise the downsizer: see :meth:`DownsizeMixin.init_weights`."""
        self.data_preprocessor.init_weights()
