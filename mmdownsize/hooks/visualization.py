"""Pictures of what the downsizer does, drawn during training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor

from mmdownsize.drawing import draw
from mmdownsize.preprocessors.find import find_preprocessor
from mmdownsize.refusal import Refusal
from mmdownsize.registry import HOOKS


@HOOKS.register_module()
class DownsizeVisualizationHook(Hook):
    """Write pictures of what the downsizer does to the config's visualization backends, every ``interval`` iterations.

    Each shows a training image as it comes from the pipeline, a fixed resizer's result, the downsizer's and their difference;
    for a DownsizeNet also how many neighbours count at every pixel and where their centre of mass has moved, for an
    ImportanceResizer the importance of every source pixel. See :func:`mmdownsize.drawing.panels`. Images are named
    ``downsizer/0`` and so on.

    Args:
        interval: Iterations between two pictures; the first is drawn after the first iteration.
        images: How many images of the batch to draw; the branches of a batch come one after another.
        kernel: Kernel of the fixed resizer to compare with.
        bgr: Whether the pipeline delivers blue, green, red, as OpenMMLab's loaders do by default.

    Raises:
        ValueError: If ``interval`` or ``images`` is below 1; or, when the training begins, if none of the model's
            preprocessors is one of mmdownsize's, or several are.
    """

    priority = 'LOW'  # after the optimizer's step

    def __init__(self, interval: int = 500, images: int = 1, kernel: str = 'bilinear', bgr: bool = True) -> None:
        if min(interval, images) < 1:
            raise Refusal(f'interval and images must be at least 1, got {interval} and {images}')
        self.interval = interval
        self.images = images
        self.kernel = kernel
        self.bgr = bgr

    def before_train(self, runner: Runner) -> None:
        """Check that there is something to draw."""
        if find_preprocessor(runner.model) is None:
            model = runner.model.module if is_model_wrapper(runner.model) else runner.model
            raise Refusal(
                f'DownsizeVisualizationHook: the model has a {type(model.data_preprocessor).__name__} and no downsizer; '
                "its data_preprocessor must be one of mmdownsize's"
            )

    @master_only
    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict[str, Any] | None = None
    ) -> None:
        """Draw the batch that was just trained on."""
        if runner.iter % self.interval:
            return
        preprocessor = find_preprocessor(runner.model)
        assert preprocessor is not None  # see before_train
        for number, image in enumerate(islice(_images(data_batch['inputs']), self.images)):
            size = preprocessor.target.of(image.shape[-2:])
            picture = draw(preprocessor.downsizer, image, size, self.kernel, self.bgr)
            runner.visualizer.add_image(f'downsizer/{number}', picture, step=runner.iter)


def _images(inputs: Any) -> Iterator[Tensor]:
    """Yield the images (C, H, W) of a batch: of a stack, of a list, or of a dict of branches, where a list may have gaps."""
    if isinstance(inputs, Tensor) and inputs.ndim == 3:
        yield inputs
    elif inputs is not None:
        for part in inputs.values() if isinstance(inputs, Mapping) else inputs:
            yield from _images(part)
