"""How far a run is, and how long it and those after it will take."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from mmdownsize.comparing import progress
from mmdownsize.comparing.progress import RunProgress, fraction_done, seconds_of

HEAD = '12/01 11:03:30 - mmengine - INFO - '


@pytest.mark.parametrize(
    ('log', 'epochs', 'train', 'done'),
    [
        (f'{HEAD}Epoch(train)  [2][ 50/100]  lr: 1.0e-02  eta: 0:00:03', 4, True, 1.5 / 4),
        (f'{HEAD}Iter(train) [ 450/900]  lr: 1.0e-02', None, True, 0.5),
        (f'{HEAD}Iter(train) [ 450/900]\n{HEAD}Iter(val) [ 3/30]', None, True, 0.5),  # a validation meanwhile
        (f'{HEAD}Epoch(train)  [1][10/20]\n{HEAD}Epoch(train)  [1][20/20]\nloss: 7', 2, True, 0.5),
        (f'{HEAD}Epoch(test) [25/100]  eta: 0:00:03', 4, False, 0.25),
        (f'{HEAD}Epoch(train)  [1][10/20]', None, True, None),  # a loop of another kind
        (f'{HEAD}Saving checkpoint at 2 epochs', 2, True, None),
        ('', 2, True, None),
    ],
)
def test_what_is_done_is_read_from_the_last_line_that_says_so(log, epochs, train, done) -> None:
    assert fraction_done(log, epochs, train) == done


def test_a_run_takes_as_long_as_those_of_its_kind() -> None:
    runs = [{'seconds': 100.0, 'trained': True}, {'seconds': 200.0}, {'seconds': 4.0, 'trained': False}]
    assert seconds_of(runs, train=True) == 150.0
    assert seconds_of(runs, train=False) == 4.0
    assert seconds_of(runs[:2], train=False) == 150.0
    assert seconds_of([], train=True) is None


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    now = {'now': 1000.0}
    monkeypatch.setattr(progress.time, 'monotonic', lambda: now['now'])
    return now


def text_of(shown: RunProgress, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(shown.render())
    return console.file.getvalue()


def test_the_pace_says_what_is_left(clock: dict[str, float], tmp_path: Path) -> None:
    log = tmp_path / 'train.log'
    log.write_text('Iter(train) [ 900/900]\n')  # of an earlier process
    label = 'downsizenet_6x6_signed_universal_balanced@0.125, seed 0 (3 of 60)'
    shown = RunProgress(Console(file=io.StringIO()), label, log, None, True, others=[None, 30.0])
    shown.update()
    assert shown.done is None and shown.left() is None and '0 s' in text_of(shown)
    clock['now'] += 60
    with log.open('a') as more:
        more.write('Iter(train) [ 300/')
    shown.update()
    assert shown.done is None  # half a line
    with log.open('a') as more:
        more.write('900]\n')
    shown.update()
    assert shown.left() == pytest.approx(120)
    assert shown.left_in_all() == pytest.approx(120 + 180 + 30)
    clock['now'] += 20
    shown.update()
    assert shown.left() == pytest.approx(100)
    said = text_of(shown)
    assert label in said and '33%  0:01:40 left  0:05:10 for all' in said
    assert max(map(len, said.splitlines())) <= 80
    clock['now'] += 1000  # a last validation
    assert shown.left() == 0


def test_a_resumed_run_is_paced_from_where_it_goes_on(clock: dict[str, float], tmp_path: Path) -> None:
    log = tmp_path / 'train.log'
    shown = RunProgress(Console(file=io.StringIO()), 'a', log, 4, True, resumed=True)
    shown.update()  # there is no log yet
    clock['now'] += 50
    log.write_text('Epoch(train)  [3][10/20]\n')
    shown.update()
    assert shown.done == 2.5 / 4 and shown.left() is None
    clock['now'] += 10
    with log.open('a') as more:
        more.write('Epoch(train)  [3][20/20]\n')
    shown.update()
    assert shown.left() == pytest.approx(20)


def test_before_its_first_line_a_run_is_expected_to_take_as_long_as_others(
    clock: dict[str, float], tmp_path: Path
) -> None:
    shown = RunProgress(Console(file=io.StringIO()), 'a', tmp_path / 'none', 4, True, expected=90.0, others=[90.0])
    clock['now'] += 30
    assert shown.left() == 60.0 and shown.left_in_all() == 150.0
