"""A resize as a value: two integer sizes."""

from __future__ import annotations

from dataclasses import dataclass

from mmdownsize.refusal import Refusal


@dataclass(frozen=True)
class ResizeMap:
    """The coordinate map of a resize from one integer size to another.

    A box edge or point at ``(x, y)`` px of the source frame is at ``(x * w / W, y * h / H)`` px of the target frame.
    Scales come from the actual sizes, never from the ratio that was asked for.

    Args:
        src_hw: Source size (H, W) in px.
        dst_hw: Target size (h, w) in px.

    Raises:
        ValueError: If a side is below 1.
    """

    src_hw: tuple[int, int]
    dst_hw: tuple[int, int]

    def __post_init__(self) -> None:
        if min(*self.src_hw, *self.dst_hw) < 1:
            raise Refusal(f'sizes must be at least 1 px, got {self.src_hw} -> {self.dst_hw}')

    @property
    def scale_xy(self) -> tuple[float, float]:
        """Target px per source px, (x, y)."""
        return self.dst_hw[1] / self.src_hw[1], self.dst_hw[0] / self.src_hw[0]

    @property
    def is_identity(self) -> bool:
        """Whether the sizes are equal."""
        return self.src_hw == self.dst_hw

    @property
    def keeps_ratio(self) -> bool:
        """Whether one factor, rounded to whole pixels, gives both target sides."""
        (lowest_h, highest_h), (lowest_w, highest_w) = (
            ((dst - 0.5) / src, (dst + 0.5) / src) for src, dst in zip(self.src_hw, self.dst_hw)
        )
        return lowest_h <= highest_w and lowest_w <= highest_h

    def inverse(self) -> ResizeMap:
        """Return the map back."""
        return ResizeMap(self.dst_hw, self.src_hw)

    def then(self, following: ResizeMap) -> ResizeMap:
        """Return the composition: this map, then ``following``.

        Raises:
            ValueError: If ``following`` does not start at this map's target size.
        """
        if following.src_hw != self.dst_hw:
            raise Refusal(f'cannot follow a resize to {self.dst_hw} by one from {following.src_hw}')
        return ResizeMap(self.src_hw, following.dst_hw)

    def homography(self) -> tuple[tuple[float, float, float], ...]:
        """Return the 3 x 3 matrix of the map on homogeneous (x, y, 1), row by row."""
        sx, sy = self.scale_xy
        return (sx, 0.0, 0.0), (0.0, sy, 0.0), (0.0, 0.0, 1.0)
