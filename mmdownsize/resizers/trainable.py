"""Base class of resizers with parameters: save, load, freeze, warn outside the trained range of scales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from mmdownsize import arguments, notices
from mmdownsize.ops import is_tracing
from mmdownsize.refusal import Refusal
from mmdownsize.resizers import io
from mmdownsize.resizers.base import BaseResizer
from mmdownsize.resizers.ranges import is_outside
from mmdownsize.resizers.settings import KEY, KeepsSettings, plain

# How far a scale factor may be outside the trained range without a warning. At 0.9 times the trained factor a downsizer was
# as good as at the factor itself, at 1.6 times it was worse than every fixed kernel.
TOLERANCE = 1.25

Resizer = TypeVar('Resizer', bound='TrainableResizer')


class _NothingDrawn(TorchFunctionMode):
    """No random numbers for tensors: for those without memory PyTorch would import its compiler first, which takes seconds."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (Tensor.normal_, Tensor.uniform_):
            return args[0]
        return func(*args, **(kwargs or {}))


class TrainableResizer(KeepsSettings, BaseResizer):
    """Base of resizers with parameters.

    A subclass's constructor takes ``frozen`` and ``init_cfg`` besides its own arguments, all by keyword, and ends with
    :meth:`_finish`. The subclass writes :meth:`_start`. :meth:`from_pretrained` builds a module from a file.

    Args:
        frozen: Do not train: no parameter requires a gradient, and batch norms keep their statistics.
        init_cfg: Initialisation in mmengine's form, applied by the data preprocessor after :meth:`reset_parameters`.

    Attributes:
        ARGUMENTS: Names of the constructor's arguments that decide what the module computes. Attributes of the same name
            hold them.
        START_ONLY: Those of them that decide where the weights start, and nothing once they are trained.
        trained_at: (lowest, highest) factor from the source's to the target's side that the weights were trained at. None:
            not known, or they are trained on.
        color_order: ``'BGR'`` or ``'RGB'``: order of the channels of the images that weights from a file were trained on. None:
            not known.
        CHECKS_RANGE: Whether a batch is compared with ``value_range``, if there is one.
    """

    CHECKS_RANGE: ClassVar[bool] = True
    ARGUMENTS: ClassVar[tuple[str, ...]] = ()
    START_ONLY: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *, frozen: bool, init_cfg: dict[str, Any] | list[dict[str, Any]] | None) -> None:
        super().__init__(init_cfg)
        self.frozen = arguments.flag('frozen', frozen)
        self.trained_at: tuple[float, float] | None = None
        self.color_order: str | None = None
        self._warned_of_scale = False
        self._warned_of_range = False
        self._pretrained: io.SavedDownsizer | None = None

    def _finish(self) -> None:
        self.reset_parameters()
        self.requires_grad_(not self.frozen)
        self.train()

    @classmethod
    def from_pretrained(cls: type[Resizer], name_or_path: str | Path, **settings: Any) -> Resizer:
        """Return a trained resizer. In a config this is ``dict(type='DownsizeNet', pretrained=NAME_OR_PATH, ...)``.

        Args:
            name_or_path: Name of a trained downsizer that comes with the package (:func:`mmdownsize.list_pretrained`), or
                path of a file that ``tools/extract_downsizer.py`` or :meth:`save_pretrained` has written.
            **settings: Keyword arguments of the constructor. The file decides what is computed: an argument named in
                :attr:`ARGUMENTS` must be the file's. Only ``value_range`` may be another: the module then does with images of
                that range what it has learned to do with those of its own.

        Returns:
            The module. Its :meth:`reset_parameters` gives the trained weights again.

        Raises:
            ValueError: If the file is broken, holds another kind of resizer, or was trained with other settings; or if its
                coefficients have any sum and the zero of ``value_range`` is elsewhere.
            FileNotFoundError: If there is no such file.
        """
        saved = io.load(name_or_path)
        if saved.kind != cls.__name__:
            raise Refusal(
                f"{name_or_path} holds a {saved.kind}, not a {cls.__name__}: say type='{saved.kind}', or pretrained=None"
            )
        unknown = saved.arguments.keys() - set(cls.ARGUMENTS)
        if unknown:
            raise Refusal(f'{name_or_path} was written by another version: unknown arguments {sorted(unknown)}')
        trained_with = {name: plain(value) for name, value in saved.arguments.items()}
        try:
            # Whatever a file asks for, it takes no memory before it is known to fit.
            with torch.device('meta'), _NothingDrawn():
                expected = cls(**trained_with)
        except ValueError as error:
            raise Refusal(f'{name_or_path} has wrong arguments: {error}') from error
        trained_with = expected.arguments()
        if 'value_range' in trained_with and 'value_range' in settings:
            own, new = trained_with['value_range'], arguments.value_range(settings['value_range'])
            if not expected._maps_offsets() and new[0] * own[1] != new[1] * own[0]:
                raise Refusal(
                    f'pretrained={str(name_or_path)!r} was trained with value_range={own!r} and coefficients of any sum, '
                    f'which do not go with {new!r}: leave it out, and map the images to its own'
                )
            trained_with['value_range'] = settings['value_range'] = new
        for name, value in settings.items():
            if name in trained_with and plain(value) != trained_with[name]:
                raise Refusal(
                    f'pretrained={str(name_or_path)!r} was trained with {name}={trained_with[name]!r}, got {value!r}: '
                    'leave it out, or say downsizer=dict(_delete_=True, ...) where it is inherited'
                )
        wrong = io.differences(saved.state, expected.state_dict())
        if wrong:
            raise Refusal(f'{name_or_path} does not fit its own arguments: {"; ".join(wrong)}')
        resizer = cls(**{**settings, **trained_with})
        resizer._pretrained = saved
        resizer.reset_parameters()
        return resizer

    def _maps_offsets(self) -> bool:
        """Return whether an offset of all values of an image is one of the result too."""
        return True

    def arguments(self) -> dict[str, Any]:
        """Return the constructor's arguments that decide what the module computes."""
        return {name: getattr(self, name) for name in self.ARGUMENTS}

    def settings(self) -> dict[str, Any]:
        """Return the arguments that decide what trained weights compute; a state dict holds them."""
        return {name: value for name, value in self.arguments().items() if name not in self.START_ONLY}

    def save_pretrained(
        self,
        path: str | Path,
        provenance: Mapping[str, str] | None = None,
        scale_factors: tuple[float, float] | None = None,
        color_order: str | None = None,
    ) -> None:
        """Write the module for :meth:`from_pretrained`.

        Args:
            path: Where to, ``.safetensors``.
            provenance: How it was trained, free text by key.
            scale_factors: (lowest, highest) factor from the source's to the target's side that it was trained at. Using it
                far outside prints a warning. None: not known.
            color_order: ``'BGR'`` or ``'RGB'``. None: that of the file whose weights it has, if any.

        Raises:
            ValueError: If ``scale_factors`` is not such a pair, or ``color_order`` not such an order.
        """
        kind = type(self).__name__
        state = {name: value for name, value in self.state_dict().items() if name != KEY}  # a file has the arguments
        io.save(path, kind, self.arguments(), state, provenance or {}, scale_factors, color_order or self.color_order)

    def forward(self, images: Tensor, dst_hw: int | Sequence[int]) -> Tensor:
        """Resize a batch of images: see :class:`BaseResizer`.

        Warns:
            UserWarning: Once, if weights from a file are used far outside the scale factors they were trained at; and once, if
                the images cannot be in ``value_range``.
        """
        out = super().forward(images, dst_hw)
        if self.CHECKS_RANGE and not self._warned_of_range and not is_tracing():
            self._check_range(images.detach(), out.shape[2:])
        if self.trained_at is not None and not is_tracing():
            self._check_scale(self.trained_at, images.shape[2:], out.shape[2:])
        return out

    def _check_range(self, images: Tensor, dst_hw: Sequence[int]) -> None:
        value_range = getattr(self, 'value_range', None)
        capturing = images.is_cuda and torch.cuda.is_current_stream_capturing()
        if value_range is None or images.is_meta or capturing:
            return
        low, high = value_range
        if images.dtype == torch.uint8 and low <= 0 and high >= 255:
            return  # where bytes are
        # As many pixels as the small image has cost next to nothing to look at. Only if they are suspicious, all are.
        steps = [max(1, src // dst) for src, dst in zip(images.shape[2:], dst_hw)]
        if is_outside(images[:, :, :: steps[0], :: steps[1]], value_range) and is_outside(images, value_range):
            self._warned_of_range = True
            lowest, highest = (float(end) for end in torch.aminmax(images))
            notices.warn(
                f'this {type(self).__name__} is for images of {low:g} to {high:g}, and this batch has {lowest:g} to '
                f'{highest:g}: it does not do with them what it has learned. Map the images to its range, before they are '
                'normalised, or say value_range=(lowest, highest), to which from_pretrained converts'
            )

    def _check_scale(self, trained_at: tuple[float, float], src_hw: Sequence[int], dst_hw: Sequence[int]) -> None:
        if self.training:
            self.trained_at = None  # from now on they are trained at this scale as well
            return
        low, high = trained_at
        fits = all(low / TOLERANCE <= dst / src <= high * TOLERANCE for src, dst in zip(src_hw, dst_hw))
        if fits or self._warned_of_scale:
            return
        self._warned_of_scale = True
        trained = f'{low:.3g}' if low == high else f'{low:.3g} to {high:.3g}'
        notices.warn(
            f'this {type(self).__name__} was trained at a scale factor of {trained} and resizes {tuple(src_hw)} -> '
            f'{tuple(dst_hw)}, by {dst_hw[0] / src_hw[0]:.3g} and {dst_hw[1] / src_hw[1]:.3g}: there it may be worse than a '
            'fixed kernel. Train it on, or compare it with FixedResizer'
        )

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        if not self.frozen:
            self.trained_at = self.color_order = None  # weights of another training

    def train(self: Resizer, mode: bool = True) -> Resizer:
        """Set the mode; a frozen module stays in evaluation mode."""
        return super().train(mode and not self.frozen)

    def reset_parameters(self) -> None:
        """Set all parameters and running statistics to their state before training, or to the file's."""
        if self._pretrained is not None:
            self.load_state_dict({**self._pretrained.state, KEY: self.get_extra_state()})
            self.trained_at = self._pretrained.scale_factors
            self.color_order = self._pretrained.color_order
            self._warned_of_scale = False
        else:
            self._start()

    def _start(self) -> None:
        """Set all parameters and running statistics to their state before training."""
        raise NotImplementedError
