"""How a load test stands, shown while it runs; on standard error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final, Protocol, TextIO

import msgspec

if TYPE_CHECKING:
    from rich.table import Table

TICK_S: Final = 0.25
LINE_S: Final = 5.0
"""Without a terminal a line is written this often, and for every tenth of the dialogues."""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """One look at a running load test.

    `done` of `total` dialogues have been hosted to their end, or given up; `errors` counts the
    latter. `deepest` is the number of commands that wait for the busiest session.
    """

    done: int
    total: int
    resident: int
    passivated: int
    turns: int
    events: int
    deepest: int
    errors: int


Look = Callable[[], Progress]


class Screen(Protocol):
    """Something to show progress on. Times are the loop's, in seconds."""

    def show(self, progress: Progress, now: float) -> None: ...

    def close(self) -> None: ...


@asynccontextmanager
async def display(look: Look, file: TextIO) -> AsyncIterator[None]:
    """Show progress on `file` until the block is left: live on a terminal, otherwise as lines."""
    now = asyncio.get_running_loop().time()
    screen: Screen = Live(file, now) if file.isatty() else Lines(file, now)
    task = asyncio.create_task(_keep_showing(screen, look))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        screen.show(look(), asyncio.get_running_loop().time())
        screen.close()


async def _keep_showing(screen: Screen, look: Look) -> None:
    loop = asyncio.get_running_loop()
    while True:
        screen.show(look(), loop.time())
        await asyncio.sleep(TICK_S)


class Speed:
    """Events per second since the last look."""

    def __init__(self, now: float) -> None:
        self._events, self._at_s, self._per_s = 0, now, 0.0

    def of(self, progress: Progress, now: float) -> float:
        if now - self._at_s >= TICK_S / 2:
            self._per_s = (progress.events - self._events) / (now - self._at_s)
            self._events, self._at_s = progress.events, now
        return self._per_s


class Lines:
    """For a file or a pipe: a line for every tenth of the dialogues, and every few seconds."""

    def __init__(self, file: TextIO, now: float) -> None:
        self._file, self._speed = file, Speed(now)
        self._tenths, self._line_s = 0, now

    def show(self, progress: Progress, now: float) -> None:
        tenths = 10 * progress.done // progress.total
        if tenths == self._tenths and now - self._line_s < LINE_S:
            return
        self._tenths, self._line_s = tenths, now
        speed = self._speed.of(progress, now)
        self._file.write(f"load: {_line(progress)}, {speed:,.0f} events/s\n")
        self._file.flush()

    def close(self) -> None:
        pass


def _line(progress: Progress) -> str:
    return (
        f"{progress.done} of {progress.total} dialogues, {progress.turns} turns,"
        f" {progress.resident} resident, {progress.passivated} passivated,"
        f" deepest mailbox {progress.deepest}, {progress.errors} errors"
    )


class Live:
    """For a terminal: a bar and the figures, redrawn in place and taken away at the end."""

    def __init__(self, file: TextIO, now: float) -> None:
        from rich.console import Console
        from rich.live import Live

        self._speed = Speed(now)
        self._live = Live(console=Console(file=file), auto_refresh=False, transient=True)
        self._live.start()

    def show(self, progress: Progress, now: float) -> None:
        table = _table(progress, self._speed.of(progress, now))
        self._live.update(table, refresh=True)

    def close(self) -> None:
        self._live.stop()


def _table(progress: Progress, events_per_s: float) -> Table:
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_row("dialogues", ProgressBar(progress.total, progress.done, width=40))
    table.add_row("", f"{progress.done:,} of {progress.total:,}")
    table.add_row("sessions", f"{progress.resident:,} resident, {progress.passivated:,} passivated")
    table.add_row("turns", f"{progress.turns:,}")
    table.add_row("events", f"{events_per_s:,.0f}/s")
    table.add_row("deepest mailbox", f"{progress.deepest:,}")
    table.add_row("errors", f"[red]{progress.errors:,}[/]" if progress.errors else "0")
    return table
