"""What resizers with parameters share: they are kept as files, taken up again, frozen, and say where they are out of place."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor

from mmdownsize import arguments
from mmdownsize.ops import is_tracing
from mmdownsize.refusal import Refusal
from mmdownsize.resizers import io as files
from mmdownsize.resizers.base import BaseResizer

# By how much a scale factor may leave those that a downsizer was trained at before that is said. At 0.9 times (CamVid,
# docs/study/one_position.md) one was as good as where it came from, at 1.6 times it was worse than every fixed kernel.
TOLERANCE = 1.25

Resizer = TypeVar('Resizer', bound='TrainableResizer')


class TrainableResizer(BaseResizer):
    """Base of resizers with parameters.

    A subclass's constructor takes ``frozen``, ``pretrained`` and ``init_cfg`` besides its own arguments, all by keyword. It
    returns at once after :meth:`_init_pretrained` if there is a ``pretrained``, and ends with :meth:`_finish`. It writes
    :meth:`_start`.

    Args:
        frozen: Do not train: no parameter requires a gradient, and batch norms keep their statistics.
        init_cfg: See :class:`BaseResizer`.

    Attributes:
        ARGUMENTS: Those of the constructor that decide what the module computes; attributes of the same name hold them.
    """

    ARGUMENTS: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *, frozen: bool, init_cfg: dict[str, Any] | list[dict[str, Any]] | None) -> None:
        super().__init__(init_cfg)
        self.frozen = arguments.flag('frozen', frozen)
        self._pretrained: files.SavedDownsizer | None = None
        self._trained_at: tuple[float, float] | None = None  # of weights from a file, as long as nobody trains them on

    def _finish(self) -> None:
        self.reset_parameters()
        self.requires_grad_(not self.frozen)
        self.train()

    def _init_pretrained(self, name_or_path: str | Path, local: Mapping[str, Any], **others: Any) -> None:
        """Construct the module from a file.

        Args:
            name_or_path: As ``pretrained``.
            local: The constructor's arguments by name, and whatever else.
            **others: Arguments that the file does not decide.

        Raises:
            ValueError: If the file is broken, holds another kind of resizer, or was trained with other arguments.
            FileNotFoundError: If there is none.
        """
        kind = type(self)
        saved = files.load(name_or_path)
        if saved.kind != kind.__name__:
            raise Refusal(f"{name_or_path} holds a {saved.kind}, no {kind.__name__}: say type='{saved.kind}'")
        parameters = inspect.signature(kind).parameters
        for name in self.ARGUMENTS:
            own = saved.arguments.get(name, parameters[name].default)
            own = tuple(own) if isinstance(own, list) else own
            if local[name] not in (parameters[name].default, own):
                raise Refusal(
                    f'pretrained={str(name_or_path)!r} was trained with {name}={own!r}, got {local[name]!r}: leave it out'
                )
        unknown = saved.arguments.keys() - set(self.ARGUMENTS)
        if unknown:
            raise Refusal(f'{name_or_path} was written by another version: unknown arguments {sorted(unknown)}')
        try:
            with torch.device('meta'):  # whatever a file asks for, it takes no memory before it is known to fit
                expected = kind(**saved.arguments).state_dict()
        except ValueError as error:
            raise Refusal(f'{name_or_path} has arguments that are none: {error}') from error
        wrong = files.differences(saved.state, expected)
        if wrong:
            raise Refusal(f'{name_or_path} does not fit its own arguments: {"; ".join(wrong)}')
        self.__init__(**saved.arguments, **others)  # type: ignore[misc]
        self._pretrained = saved
        self.reset_parameters()

    @classmethod
    def from_pretrained(cls: type[Resizer], name_or_path: str | Path, **others: Any) -> Resizer:
        """Return a trained resizer.

        Args:
            name_or_path: As ``pretrained``.
            **others: ``frozen``, ``init_cfg``, or whatever else does not change what is computed.
        """
        return cls(pretrained=name_or_path, **others)  # type: ignore[call-arg]  # a subclass takes it

    def arguments(self) -> dict[str, Any]:
        """Return the constructor's arguments that decide what the module computes."""
        return {name: getattr(self, name) for name in self.ARGUMENTS}

    def save_pretrained(
        self,
        path: str | Path,
        provenance: Mapping[str, str] | None = None,
        scale_factors: tuple[float, float] | None = None,
    ) -> None:
        """Write the module for :meth:`from_pretrained`.

        Args:
            path: Where to, ``.safetensors``.
            provenance: How it was trained, free text by key.
            scale_factors: (lowest, highest) factor from the source's to the target's side that it was trained at. Who takes it up
                far from them is warned. None: not known.

        Raises:
            ValueError: If ``scale_factors`` is no such pair.
        """
        kind = type(self).__name__
        files.save(path, kind, self.arguments(), self.state_dict(), provenance or {}, scale_factors)

    def forward(self, images: Tensor, dst_hw: Sequence[int]) -> Tensor:
        """Resize a batch of images: see :class:`BaseResizer`.

        Warns:
            UserWarning: Once, if weights from a file are used as they are, far from the scale factors they were trained at.
        """
        out = super().forward(images, dst_hw)
        if self._trained_at is not None and not is_tracing():
            self._check_place(images.shape[2:], out.shape[2:])
        return out

    def _check_place(self, src_hw: Sequence[int], dst_hw: Sequence[int]) -> None:
        assert self._trained_at is not None
        low, high = self._trained_at
        if self.training:
            self._trained_at = None
        elif not all(low / TOLERANCE <= dst / src <= high * TOLERANCE for src, dst in zip(src_hw, dst_hw)):
            self._trained_at = None
            trained = f'{low:.3g}' if low == high else f'{low:.3g} to {high:.3g}'
            warnings.warn(
                f'this {type(self).__name__} was trained at a scale factor of {trained} and resizes {tuple(src_hw)} -> '
                f'{tuple(dst_hw)}, by {dst_hw[0] / src_hw[0]:.3g} and {dst_hw[1] / src_hw[1]:.3g}: there it may be worse than a '
                'fixed kernel. Train it on, or compare it with FixedResizer',
                stacklevel=5,  # past the module call, to who made it
            )

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        if not self.frozen:
            self._trained_at = None  # weights of another training

    def train(self: Resizer, mode: bool = True) -> Resizer:
        """Set the mode; a frozen module stays in evaluation mode."""
        return super().train(mode and not self.frozen)

    def reset_parameters(self) -> None:
        """Set all parameters and running statistics to their state before training, or to the pretrained ones."""
        if self._pretrained is not None:
            self.load_state_dict(self._pretrained.state)
            self._trained_at = self._pretrained.scale_factors
        else:
            self._start()

    def _start(self) -> None:
        """Set them to their state before training."""
        raise NotImplementedError
