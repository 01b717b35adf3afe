"""What commands print: JSON for programs, words and tables for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

__all__ = ["counted", "print_json", "print_table", "waiting"]

T = TypeVar("T")


def print_json(value: Any) -> None:
    """One JSON document, indented, on standard output."""
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """A table on standard output, or the sentence ``empty``. Cut to the terminal; whole where there is none."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        console.width = 400
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column)
    count = 0
    for row in rows:
        table.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
        count += 1
    console.print(table if count else Text(empty))


def counted(items: Sequence[T], what: str) -> Iterable[T]:
    """The items, with a progress bar on standard error while they are gone through; none in a pipe or for a few."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    if len(items) < 2 or not console.is_terminal:
        return items
    return track(items, description=what, console=console, transient=True)


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Show on standard error that something takes its time; nothing in a pipe."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(what):
        yield
