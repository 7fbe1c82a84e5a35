"""How many neighbours an axis has where the number follows from its sizes."""

import math
from fractions import Fraction


def auto_count(src, dst, start='triangle'):
    """An even number that covers a triangle stretched to the scale, and the start's kernel, on both sides."""
    scale = max(Fraction(1), Fraction(src, dst))
    reach = {'bicubic': 2, 'lanczos': 4, 'bicubic_antialias': 2 * scale, 'lanczos_antialias': 3 * scale}
    return 2 * math.ceil(max(scale, reach.get(start, 1)))
