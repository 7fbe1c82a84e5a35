"""Checks of arguments: they name the argument, its value and the way out."""

import pytest

from mmdownsize import arguments
from mmdownsize.refusal import Refusal


@pytest.mark.parametrize(
    ('call', 'message'),
    [
        (lambda: arguments.integer('n', 2.0, 1), 'n must be a whole number, at least 1, got 2.0'),
        (lambda: arguments.integer('n', True, 1), 'at least 1, got True'),
        (lambda: arguments.integer('n', 5, 1, 4, '; say all=True'), '1 to 4, got 5; say all=True'),
        (lambda: arguments.integers('shift', (1, 2, 3), '(down, right)'), r'shift must be \(down, right\), two whole'),
        (lambda: arguments.positive('x', float('nan')), 'x must be a number above 0, and finite, got nan'),
        (lambda: arguments.flag('frozen', 'False'), "frozen must be True or False, got 'False'"),
        (
            lambda: arguments.choice('kernel', ['area'], ['area', 'cubic']),
            r"unknown kernel \['area'\], choose one of area",
        ),
        (lambda: arguments.value_range((1, 0)), r'value_range must be \(lowest, highest\).*got \(1, 0\)'),
        (lambda: arguments.check_divisor('pad', 0), 'pad must be a whole number of at least 1 px, got 0'),
        (
            lambda: arguments.check_keywords('X', ['sise'], lambda size, kind: None),
            "X has no setting 'sise': did you mean",
        ),
        (lambda: arguments.check_keywords('X', ['zzz'], lambda size: None, also=['more']), 'it takes size, more'),
    ],
)
def test_what_is_wrong_is_refused_by_value(call, message):
    with pytest.raises(Refusal, match=message):
        call()


def test_what_is_right_is_returned():
    assert arguments.integer('n', 4, 1, 4) == 4
    assert arguments.integers('shift', [-1, 2], '(down, right)') == (-1, 2)
    assert arguments.value_range([0, 1]) == (0.0, 1.0)
    assert arguments.is_range((0.5, 0.5)) and not arguments.is_range((0, 1)) and not arguments.is_range((2, 1))
    arguments.check_divisor('pad', 32)
    arguments.check_keywords('X', ['size', 'more'], lambda size: None, also=['more'])
    arguments.check_keywords('X', ['anything'], lambda size, **others: None)
