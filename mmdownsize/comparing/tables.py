"""Tables for a terminal in which every name and every number is whole, however narrow it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

ANY = 10_000  # columns: wider than any table


@dataclass(frozen=True)
class WholeTable:
    """A table that rich prints. Where it is wider than the terminal, each row becomes a line with its name and one with the rest.

    Attributes:
        title: A line above.
        head: The columns' names, which may have several lines. The first column holds names, the others numbers.
        rows: As many cells each.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the title, and the rows in the layout that fits."""
        yield Text(self.title, style='bold')
        table = Table()
        for number, name in enumerate(self.head):
            table.add_column(Text(name), justify='right' if number else 'left', no_wrap=True)
        for row in self.rows:
            table.add_row(*map(Text, row))
        if Measurement.get(console, options.update_width(ANY), table).maximum <= options.max_width:
            yield table
            return
        for name, *cells in self.rows:
            yield Text(name)
            yield Padding(Text(self._in_words(cells)), (0, 0, 0, 4))

    def _in_words(self, cells: Sequence[str]) -> str:
        named = zip(self.head[1:], cells)
        return ', '.join(f'{" ".join(head.split())} {cell}' for head, cell in named if cell)
