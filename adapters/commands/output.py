"""What a command writes on standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

WIDE: Final = 100_000
"""Columns of a pipe or a file: nothing is folded there."""


def console() -> Console:
    """Standard output, which folds lines only for a terminal, and takes every text as it is."""
    width = None if sys.stdout.isatty() else WIDE
    return Console(width=width, markup=False, highlight=False, emoji=False)


def table(rows: Iterable[Sequence[str]], *, head: Sequence[str] = ()) -> Table:
    """Rows in columns."""
    shown = Table(box=None, show_header=bool(head), pad_edge=False, padding=(0, 2, 0, 0))
    rows = list(rows)
    for title in head or ("",) * len(rows[0]):
        shown.add_column(title, overflow="fold")
    for row in rows:
        shown.add_row(*(Text(printable(cell)) for cell in row))
    return shown


def printable(text: str) -> str:
    """`text` with control characters spelled out: what a user said must not drive a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


def when(at_ms: int) -> str:
    """UTC milliseconds as ISO 8601."""
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
