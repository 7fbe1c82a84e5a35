"""How many neighbours an axis has where the number follows from its sizes."""

import math
from fractions import Fraction


def auto_count(src, dst):
    """An even number that covers a triangle stretched to the scale, on both sides."""
    return 2 * math.ceil(max(Fraction(1), Fraction(src, dst)))
