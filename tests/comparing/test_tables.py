"""Tables at 80 columns: every name and every number is whole."""

import io

import pytest
from rich.console import Console

from mmdownsize.comparing.ranking import table_of
from mmdownsize.comparing.report import print_report
from mmdownsize.comparing.tables import WholeTable
from tests.comparing.test_report import run_line

LONG = 'downsizenet_6x6_signed_universal_balanced@0.125'


def printed(show, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    show(console)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    assert '…' not in text
    return text


@pytest.mark.parametrize('ours', ['downsizenet_4x4_area', LONG])
def test_a_report_shows_every_name_and_number_whole(ours: str) -> None:
    runs = [run_line('bilinear', s, v, config='c' * 66) for s, v in enumerate([50.0, 51.0, 52.5])]
    runs += [run_line('sharp_area', s, v, config='c' * 66) for s, v in enumerate([51.0, 52.5, 53.0])]
    runs += [run_line(ours, s, v, 'DownsizeNet', config='c' * 66) for s, v in enumerate([52.0, 53.0, 56.25])]
    for run in runs:
        run.update(training_losses=[1234.5, 0.1235], seconds=12345.0)
    text = printed(lambda console: print_report(console, runs, 'mIoU', 'bilinear'))
    words = text.replace('│', ' ').replace(',', ' ').split()
    for whole in ('bilinear', 'sharp_area', ours, 'c' * 66 + ':', '53.75', '51.17', '12345', '1234', '0.1235'):
        assert whole in words, text
    assert {'+2.58', '+1.58'} <= set(words)  # minus bilinear, minus sharp_area
    assert '-2.06 to +5.22' in ' '.join(words)
    assert 'minus bilinear' in text and 'minus sharp_area' in text


def test_a_row_without_a_difference_is_left_out() -> None:
    runs = [run_line('bilinear', 0, 50.0), run_line('ours', 0, 52.0, 'DownsizeNet')]
    text = printed(lambda console: print_report(console, runs, 'mIoU', 'bilinear'))
    assert text.count('bilinear') == 2  # its values, and the title of the differences to it
    assert 'one seed' in text
    alone = printed(lambda console: print_report(console, runs[:1], 'mIoU', 'bilinear'))
    assert 'minus' not in alone


def test_a_table_that_is_too_wide_becomes_lines() -> None:
    table = WholeTable(
        'title', ['arm', 'loss, first\nto last epoch', 'seconds'], [['a' * 20, '1.5 → 0.5', '7'], ['b', '', '8']]
    )
    assert '┃' in printed(lambda console: console.print(table), 50)
    lines = [line.rstrip() for line in printed(lambda console: console.print(table), 41).splitlines()]
    words = ['    loss, first to last epoch 1.5 → 0.5,', '    seconds 7']
    assert lines == ['title', 'a' * 20, *words, 'b', '    seconds 8']


def test_a_ranking_shows_every_name_whole() -> None:
    text = printed(lambda console: console.print(table_of({LONG: [0.5, 0.25], 'area[1]': [0.75, 1.0]}, 'model.pth')))
    assert LONG in text and 'area[1]' in text and '+0.5000' in text
