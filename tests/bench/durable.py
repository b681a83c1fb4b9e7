"""How many commands a second are acknowledged once they are on the disk, and how soon.

    python tests/bench/durable.py [--smoke] [--rounds N] [--commands N] [--journal DIR]
                                  [--json out.json]

`greenroom` acknowledges messages on a SQLite journal that survives a loss of power, a thousand
under way at once. What it has written is then written again, group by group as its writer has
grouped it: `bare sqlite` writes the same rows (the events, and each session's row of the index)
into a copy of the same file, from values made beforehand; `bare file` appends the bytes of the
events, and calls fdatasync after each group. Neither has anything to decide, or anybody to answer.

Latency is from a command to its acknowledgement: at full speed, where it is the time of a thousand
others as well, and at a thousand commands a second that another process times; beside it, what it
takes to append 200 bytes and call fdatasync, one after the other, on the same disk.

All figures of a table come from one run, whose rounds are interleaved. The number in brackets is
the spread of the rounds; the last columns say how many times better greenroom is.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import random
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from measure import Case, Loops, machine, run, table, timed, write_json
from metronome import beats

import greenroom
from greenroom.actors.kernel.reply import Reply
from greenroom.adapters.journals import sqlite_writer
from greenroom.adapters.journals.checksums import checksum, seed_of
from greenroom.adapters.journals.sqlite import SqliteJournal
from greenroom.adapters.journals.sqlite_jobs import Append, columns
from greenroom.adapters.load.histogram import Histogram

HOST = "ann"
IN_FLIGHT = 1000
PACED_SESSIONS = 100
SIZES = {"200 B": 200, "2 KB": 2000}
QUANTILES = {"p50": 0.5, "p99": 0.99}

UPDATE = (
    "UPDATE sessions SET head = ?, owner = ?, name = ?, state = ?, created_ms = ?, updated_ms = ?,"
    " participants = ?, messages = ?, turns = ?, events = ?, members = coalesce(?, members),"
    " title = ?, language = ?, interactions = ?, feedback = ?, wake_ms = ? WHERE key = ?"
)
INSERT = "INSERT INTO events VALUES (?, ?, ?, ?)"


@dataclass(frozen=True)
class Scale:
    """How much is measured at once."""

    sessions: tuple[int, ...]
    commands: int
    rate: float
    paced: int


FULL = Scale(sessions=(1, 100, 10_000), commands=10_000, rate=1000.0, paced=4_000)
SMOKE = Scale(sessions=(1, 10), commands=100, rate=1000.0, paced=100)


# --- what greenroom has written ------------------------------------------------------------------


@dataclass
class Written:
    """The appends of a run, in the groups of the writer."""

    groups: list[list[Append]] = field(default_factory=list)

    @property
    def commands(self) -> int:
        return sum(map(len, self.groups))


@contextmanager
def recorded() -> Iterator[Written]:
    """What the journal's writer writes meanwhile."""
    writer: Any = sqlite_writer
    written, write_group = Written(), writer.write_group

    def record(db: Any, jobs: Any) -> Any:
        appends = [job for job in jobs if type(job) is Append]
        if appends:
            written.groups.append(appends)
        return write_group(db, jobs)

    writer.write_group = record
    try:
        yield written
    finally:
        writer.write_group = write_group


class House:
    """A runtime on a file, its sessions, and a copy of the file for the bare writer."""

    def __init__(self, folder: Path, sessions: int) -> None:
        self._count = sessions
        self.folder = folder
        self.journal = SqliteJournal(folder / "house.db")
        self.runtime = greenroom.Runtime(
            journal=self.journal,
            max_sessions=sessions,
            max_sessions_per_user=sessions,
            idle_s=86_400.0,
            live_age_s=1.0,
        )
        self.sessions: list[greenroom.Session] = []

    async def open(self) -> None:
        await self.runtime.start()
        while len(self.sessions) < self._count:
            batch = min(500, self._count - len(self.sessions))
            made = [self.runtime.create(HOST) for _ in range(batch)]
            self.sessions += [await session for session in made]
        random.Random(7).shuffle(self.sessions)
        await self.journal.backup(self.folder / "bare.db")

    def text(self, size: int, number: int) -> str:
        """Of a message whose event is about `size` bytes; no two follow each other alike."""
        return f"{number} ".ljust(size - 98, "What I wanted to say. "[number % 20])

    async def full_speed(self, sessions: int, size: int, commands: int) -> tuple[float, Histogram]:
        """Acknowledged commands a second with a thousand under way, and how long each waited."""
        waited, room = Histogram(), asyncio.Event()  # a semaphore takes 2 us a command
        errors: list[BaseException] = []
        with timed() as clock:
            for number in range(commands):
                while number - waited.total >= IN_FLIGHT:
                    room.clear()
                    await room.wait()
                start = time.perf_counter()

                def done(reply: Reply[Any], start: float = start) -> None:
                    waited.add(time.perf_counter() - start)
                    room.set()
                    if reply.error is not None:
                        errors.append(reply.error)

                session = self.sessions[number % sessions]
                session.post(HOST, self.text(size, number)).on_done(done)
            while waited.total < commands:
                await asyncio.sleep(0.001)
        if errors:
            raise errors[0]
        return commands / clock.seconds, waited

    async def paced(self, rate: float, commands: int) -> Histogram:
        """How long each waited, of so many a second."""
        waited, errors = Histogram(), list[BaseException]()
        sent = 0

        def send(moment: float) -> None:
            nonlocal sent

            def done(reply: Reply[Any]) -> None:
                waited.add(time.perf_counter() - moment)
                if reply.error is not None:
                    errors.append(reply.error)

            session = self.sessions[sent % min(PACED_SESSIONS, len(self.sessions))]
            session.post(HOST, self.text(200, sent)).on_done(done)
            sent += 1

        await beats(rate, commands, send)
        while waited.total < commands:
            await asyncio.sleep(0.001)
        if errors:
            raise errors[0]
        return waited


# --- the limits ----------------------------------------------------------------------------------


class Bare:
    """Writers that only write."""

    def __init__(self, folder: Path) -> None:
        self._db = sqlite3.connect(folder / "bare.db", isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._keys = dict(self._db.execute("SELECT id, key FROM sessions").fetchall())
        self._file = os.open(folder / "bare.log", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)

    def close(self) -> None:
        self._db.close()
        os.close(self._file)

    def sqlite(self, written: Written) -> float:
        """Commands a second."""
        groups = [self._rows(group) for group in written.groups]
        db = self._db
        with timed() as clock:
            for events, rows in groups:
                db.execute("BEGIN IMMEDIATE")
                db.executemany(UPDATE, rows)
                db.executemany(INSERT, events)
                db.execute("COMMIT")
        return written.commands / clock.seconds

    def _rows(self, group: Sequence[Append]) -> tuple[list[Any], list[Any]]:
        """The events, and the row that each session has after them."""
        events: list[Any] = []
        rows: dict[int, Any] = {}
        for append in group:
            key, seed = self._keys[append.session], seed_of(append.session)
            rows[key] = (append.last, *columns(append.row), key)
            events += [
                (key, number, body, checksum(seed, number, body))
                for number, body in enumerate(append.events, append.after + 1)
            ]
        return events, list(rows.values())

    def file(self, written: Written) -> float:
        """Commands a second."""
        groups = [b"".join(body for job in jobs for body in job.events) for jobs in written.groups]
        with timed() as clock:
            for group in groups:
                os.write(self._file, group)
                os.fdatasync(self._file)
        return written.commands / clock.seconds

    def fsyncs(self, count: int) -> Histogram:
        """How long it takes to append 200 bytes so that they stay."""
        took, body = Histogram(), b"x" * 200
        for _ in range(count):
            start = time.perf_counter()
            os.write(self._file, body)
            os.fdatasync(self._file)
            took.add(time.perf_counter() - start)
        return took


# --- the table -----------------------------------------------------------------------------------

CONTENDERS = ("greenroom", "bare sqlite", "bare file")


class Table:
    """The rows, as their samples come in."""

    def __init__(self) -> None:
        self.cases: dict[str, Case] = {}

    def note(
        self, name: str, unit: str, figures: dict[str, float], *, more_is_better: bool = False
    ) -> None:
        case = self.cases.setdefault(name, Case(name, unit, {}, more_is_better))
        for contender, figure in figures.items():
            case.samples.setdefault(contender, []).append(figure)

    def of(self, contenders: Sequence[str]) -> list[Case]:
        return [case for case in self.cases.values() if list(case.samples) == list(contenders)]


async def measure(folder: Path, scale: Scale, rounds: int) -> Table:
    """Every row, its rounds in turns; first some that is not counted."""
    figures = Table()
    house = House(folder, max(scale.sessions))
    await house.open()
    with closing(Bare(folder)) as bare:
        await house.full_speed(max(scale.sessions), 200, scale.commands // 4)
        await house.paced(scale.rate, scale.paced // 4)
        for _ in range(rounds):
            for sessions in scale.sessions:
                for name, size in SIZES.items():
                    await fast(figures, house, bare, scale, sessions, name, size)
            await slow(figures, house, bare, scale)
    await house.runtime.stop()
    return figures


async def fast(
    figures: Table, house: House, bare: Bare, scale: Scale, sessions: int, name: str, size: int
) -> None:
    gc.collect()
    with recorded() as written:
        speed, waited = await house.full_speed(sessions, size, scale.commands)
    assert written.commands == scale.commands
    title = f"{sessions:,} {'session' if sessions == 1 else 'sessions'}, {name}"
    speeds = {
        "greenroom": speed,
        "bare sqlite": bare.sqlite(written),
        "bare file": bare.file(written),
    }
    figures.note(f"{title}: commands", "/s", speeds, more_is_better=True)
    figures.note(f"{title}: in a group", "", {"greenroom": scale.commands / len(written.groups)})
    for quantile, share in QUANTILES.items():
        took = {"greenroom": waited.quantile_ms(share)}
        figures.note(f"{title}: acknowledged at full speed, {quantile}", "ms", took)


async def slow(figures: Table, house: House, bare: Bare, scale: Scale) -> None:
    before = bare.fsyncs(scale.paced // 8)
    waited = await house.paced(scale.rate, scale.paced)
    for quantile, share in QUANTILES.items():
        figures.note(
            f"acknowledged at {scale.rate:,.0f} commands/s, {quantile}",
            "ms",
            {
                "greenroom": waited.quantile_ms(share),
                "one fdatasync": before.quantile_ms(share),
            },
        )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Benchmark commands that are kept on the disk.")
    parser.add_argument("--smoke", action="store_true", help="tiny counts: does it run at all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--commands", type=int, default=FULL.commands, help="at full speed, each")
    parser.add_argument("--journal", type=Path, metavar="DIR", help="where the files are made")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures there too")
    Loops.offer(parser)
    options = parser.parse_args(arguments)
    Loops.choose(options)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    full = Scale(FULL.sessions, options.commands, FULL.rate, FULL.paced)
    scale, rounds = (SMOKE, 1) if options.smoke else (full, options.rounds)
    with tempfile.TemporaryDirectory(dir=options.journal) as folder:
        figures = run(measure(Path(folder), scale, rounds))
    about = "  ".join(f"{name} {value}" for name, value in machine().items())
    print(f"{about}  rounds {rounds}: median (spread)")
    print(f"  {scale.commands:,} commands at full speed, {scale.paced:,} at {scale.rate:,.0f}/s")
    for contenders in (CONTENDERS, ("greenroom", "one fdatasync"), ("greenroom",)):
        print(table(figures.of(contenders), contenders))
    if options.json:
        write_json(options.json, list(figures.cases.values()), rounds=rounds)


if __name__ == "__main__":
    main()
