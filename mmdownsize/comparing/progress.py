"""How far a run of a comparison is, read from what mmengine logs, and how long it and those after it will take."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

# As mmengine's LogProcessor writes them: 'Epoch(train)  [2][ 50/367]', 'Iter(train) [ 450/900]', 'Epoch(val) [2][10/101]'.
LINE = re.compile(r'(Epoch|Iter)\((train|val|test)\) +(?:\[ *(\d+)\])?\[ *(\d+)/ *(\d+)\]')
BAR = 24  # columns


def fraction_done(log: str, epochs: int | None, train: bool) -> float | None:
    """Return how much of a run is done by the last line of a log that says so; None: no line does.

    Args:
        log: Text of the log, or the end of it.
        epochs: How many the training has; None for one that counts iterations.
        train: Whether the run is a training. What is validated meanwhile does not count.
    """
    for kind, what, epoch, done, count in reversed(LINE.findall(log)):
        if (what == 'train') != train:
            continue
        share = int(done) / max(int(count), 1)
        if not train or kind == 'Iter':
            return min(share, 1.0)
        return min((int(epoch) - 1 + share) / epochs, 1.0) if epoch and epochs else None
    return None


def seconds_of(finished: Sequence[Mapping[str, object]], train: bool) -> float | None:
    """Return what a run takes on average: those of its kind count, or all if there is none; None: nothing has finished.

    Args:
        finished: Lines of the log of runs.
        train: Whether the run is a training.
    """
    alike = [run['seconds'] for run in finished if run.get('trained', True) == train]
    seconds = alike or [run['seconds'] for run in finished]
    return statistics.fmean(seconds) if seconds else None


class RunProgress:
    """Lines at the bottom of a terminal while a run is going on: its name, a bar and the time that is left.

    Args:
        console: Where. Into a file nothing is written.
        label: Name of the run.
        log: File to which the run adds its log.
        epochs: How many a training has; None for one that counts iterations.
        train: Whether the run is a training.
        expected: Seconds that it should take, as those before it did; None: unknown.
        others: The same of each run that follows; one that is unknown counts as this one.
        resumed: Whether it goes on from a checkpoint: its first line then says where.
    """

    def __init__(
        self,
        console: Console,
        label: str,
        log: Path,
        epochs: int | None,
        train: bool,
        expected: float | None = None,
        others: Sequence[float | None] = (),
        resumed: bool = False,
    ) -> None:
        self.label, self.epochs, self.train = label, epochs, train
        self.expected, self.others = expected, others
        self._log, self._read, self._tail = log, log.stat().st_size if log.is_file() else 0, ''
        self._start = time.monotonic()
        # The moment from which the pace is measured, and what was done by then.
        self._since: tuple[float, float] | None = None if resumed else (self._start, 0.0)
        self.done: float | None = None
        self._end: float | None = None if expected is None else self._start + expected
        self._live = Live(console=console, transient=True, get_renderable=self.render, refresh_per_second=2)

    def __enter__(self) -> RunProgress:
        """Show the lines."""
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove them."""
        self._live.stop()

    def update(self) -> None:
        """Read what the log has got since."""
        if not self._log.is_file():
            return
        with self._log.open('rb') as written:
            written.seek(self._read)
            new = written.read()
        self._read += len(new)
        text = self._tail + new.decode(errors='replace')
        self._tail = text.rpartition('\n')[2]
        done, now = fraction_done(text, self.epochs, self.train), time.monotonic()
        if done is None or done == self.done:
            return
        self.done = done
        if self._since is None:
            self._since = now, done
        elif done > self._since[1]:
            moment, before = self._since
            self._end = now + (1 - done) * (now - moment) / (done - before)

    def left(self) -> float | None:
        """Return the seconds until the run's end, by its pace or by the runs before it; None: unknown."""
        return None if self._end is None else max(self._end - time.monotonic(), 0.0)

    def left_in_all(self) -> float | None:
        """Return the seconds until the end of the last run; None: unknown."""
        left = self.left()
        if left is None:
            return None
        whole = self.expected or time.monotonic() - self._start + left
        return left + sum(whole if seconds is None else seconds for seconds in self.others)

    def render(self) -> Group:
        """Return the lines."""
        words = [f'{self.done:.0%}'] if self.done is not None else []
        left, total = self.left(), self.left_in_all()
        words.append(f'{time.monotonic() - self._start:.0f} s' if left is None else f'{clock(left)} left')
        if total is not None and self.others:
            words.append(f'{clock(total)} for all')
        line = Table.grid(padding=(0, 2))
        line.add_row(ProgressBar(total=1.0, completed=self.done or 0.0, width=BAR), Text('  '.join(words)))
        return Group(Text(self.label), line)


def clock(seconds: float) -> str:
    """Return a time as H:MM:SS."""
    return str(timedelta(seconds=round(seconds)))
