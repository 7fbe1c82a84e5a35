"""A segmentor of mmsegmentation with its downsizer, as a module that can be recorded."""

from __future__ import annotations

import torch.nn.functional as F
from mmengine.model.utils import revert_sync_batchnorm
from mmseg.models.segmentors import BaseSegmentor, EncoderDecoder
from torch import Tensor, nn

from mmdownsize.deploy.downsizer import Downsizer, swapped
from mmdownsize.ops.lengths import larger
from mmdownsize.preprocessors.find import find_preprocessor
from mmdownsize.preprocessors.seg import SegDownsizePreprocessor
from mmdownsize.refusal import Refusal, TypeRefusal


class DownsizedSegmentor(nn.Module):
    """Images in, logits and labels at the images' own size out: what ``model.test_step`` gives.

    Args:
        model: mmseg's ``EncoderDecoder`` or a subclass, with :class:`SegDownsizePreprocessor`. It is put into evaluation mode,
            and its synchronised batch norms become plain ones.
        swap_colors: Whether images come in RGB and the config's pipeline delivers BGR, or the other way round.

    Raises:
        TypeRefusal: If the model is no such segmentor, or has no such preprocessor.
        Refusal: If it predicts in sliding windows: a graph has a fixed number of them.
    """

    outputs = ('logits', 'labels')

    def __init__(self, model: nn.Module, *, swap_colors: bool = False) -> None:
        super().__init__()
        plain = isinstance(model, EncoderDecoder) and type(model).postprocess_result is BaseSegmentor.postprocess_result
        if not plain:
            raise TypeRefusal(
                f'the model is a {type(model).__name__}; only EncoderDecoder and subclasses that predict as it does are exported '
                'whole. --part downsizer exports the downsizer; export the rest with the tools of its own project'
            )
        preprocessor = model.data_preprocessor
        if not isinstance(preprocessor, SegDownsizePreprocessor):
            inside = find_preprocessor(preprocessor) is not None
            why = 'has its downsizer inside: export that with --part downsizer' if inside else 'has no downsizer'
            raise TypeRefusal(f'data_preprocessor is a {type(preprocessor).__name__} and {why}')
        if model.test_cfg.get('mode', 'whole') != 'whole':
            raise Refusal(
                f'model.test_cfg.mode={model.test_cfg.mode!r} predicts in windows, whose number depends on the image; '
                'export with --cfg-options model.test_cfg.mode=whole, or --part downsizer, and slide outside the graph'
            )
        self.downsizer = Downsizer(preprocessor.downsizer, preprocessor.target)
        self.model = revert_sync_batchnorm(model).eval()
        self.swap_colors = swap_colors

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Predict.

        Args:
            images: (N, 3, H, W), uint8 or floating point in 0..255.

        Returns:
            Logits (N, classes, H, W), or a binary segmentor's probabilities (N, 1, H, W); and labels (N, H, W), int64.
        """
        images = swapped(images) if self.swap_colors else images
        return self._predict(self.downsizer(images), images)

    def reference(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the result that a recording is compared with: as :meth:`forward`, with :meth:`Downsizer.reference`."""
        images = swapped(images) if self.swap_colors else images
        return self._predict(self.downsizer.reference(images), images)

    def _predict(self, small: Tensor, images: Tensor) -> tuple[Tensor, Tensor]:
        inputs = self._padded(self._normalised(small))
        h, w = small.shape[2], small.shape[3]
        # A plain tuple: mmseg would take a torch.Size for a window.
        meta = dict(img_shape=(h, w), pad_shape=(inputs.shape[2], inputs.shape[3]))
        logits = self.model.encode_decode(inputs, [meta] * inputs.shape[0])[:, :, :h, :w]
        logits = F.interpolate(
            logits, (images.shape[2], images.shape[3]), mode='bilinear', align_corners=self.model.align_corners
        )
        if self.model.out_channels > 1:
            return logits, logits.argmax(1)
        probabilities = logits.sigmoid()
        return probabilities, (probabilities[:, 0] > self.model.decode_head.threshold).long()

    def _normalised(self, small: Tensor) -> Tensor:
        """Return images with the colour order and the normalisation of mmseg's preprocessor."""
        preprocessor = self.model.data_preprocessor
        own = hasattr(preprocessor, 'channel_conversion')  # the fork has the name of mmengine's ImgDataPreprocessor
        converted = preprocessor.channel_conversion if own else preprocessor._channel_conversion
        if converted and small.shape[1] == 3:
            small = swapped(small)
        return (small - preprocessor.mean) / preprocessor.std if preprocessor._enable_normalize else small

    def _padded(self, inputs: Tensor) -> Tensor:
        """Return images padded as mmseg's ``stack_batch`` does at test time: right and bottom."""
        preprocessor = self.model.data_preprocessor
        if not preprocessor.test_cfg:
            return inputs
        h, w = inputs.shape[2], inputs.shape[3]
        size, divisor = (preprocessor.test_cfg.get(key) for key in ('size', 'size_divisor'))
        if size is not None:
            bottom, right = larger(size[0] - h, 0), larger(size[1] - w, 0)
        else:
            bottom, right = ((divisor - side % divisor) % divisor for side in (h, w))
        return F.pad(inputs, (0, right, 0, bottom), value=preprocessor.pad_val)
