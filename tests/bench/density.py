"""What a session costs that nobody talks to: bytes of memory and of a store, and having it back.

    python tests/bench/density.py [--smoke] [--sessions N] [--stored N] [--rounds N]
                                  [--journal DIR] [--json out.json]

Resident figures are of N idle sessions (100,000 by default) in one process of their own, on the
memory journal, whose own copy of every session is in the number. Stored ones are of a SQLite
journal with as many sessions of ten messages as `--stored` says: a real one and its copies
(`stored.py`). A wake is the first question to a stored session, until it is answered: warm, when
the system has the file in its cache; cold, when it has been told to forget the file before each.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog
from measure import Case, machine, resident_bytes, run_rounds, table, timed, write_json
from stored import HOST, id_of, store

import greenroom
from greenroom.adapters.journals.sqlite import SqliteJournal
from greenroom.adapters.load.histogram import Histogram

SMOKE = 200
BATCH = 1000
"""Sessions under way at once while they are made."""


async def host(sessions: int, messages: int) -> dict[str, float]:
    """Make `sessions`, post `messages` to each, and see what they hold."""
    limits: Any = {"max_sessions": sessions, "max_sessions_per_user": sessions, "idle_s": 86_400.0}
    async with greenroom.Runtime(live_age_s=0.001, **limits) as runtime:
        await runtime.create(user="first")
        before = resident_bytes()
        with timed() as clock:
            for start in range(1, sessions, BATCH):
                await fill(runtime, range(start, min(start + BATCH, sessions)), messages)
        assert runtime.resident == sessions
        held = resident_bytes() - before
    return {"bytes": held / sessions, "us": clock.seconds / sessions * 1e6}


async def fill(runtime: greenroom.Runtime, numbers: range, messages: int) -> None:
    made = [runtime.create(user=f"user-{number}") for number in numbers]
    replies = []
    for number, reply in zip(numbers, made, strict=True):
        session = await reply
        replies += [session.post(f"user-{number}", f"message {n}") for n in range(messages)]
    for posted in replies:
        await posted


class Hosted:
    """The figures of a fresh process, so that nothing of another measurement is in them."""

    def __init__(self, sessions: int, messages: int) -> None:
        self._child = [sys.executable, __file__, "--child", str(sessions), str(messages)]
        self._figures: dict[str, float] = {}

    def bytes(self) -> float:
        printed = subprocess.run(self._child, capture_output=True, text=True, check=True).stdout
        self._figures = json.loads(printed)
        return self._figures["bytes"]

    def us(self) -> float:
        """Of the process whose bytes were asked for last."""
        return self._figures["us"]


# --- stored --------------------------------------------------------------------------------------


class Stored:
    """A journal of many sessions, and how long it takes to have one of them on stage."""

    def __init__(self, folder: Path, sessions: int, wakes: int) -> None:
        self._path, self._sessions, self._wakes = folder / "stored.db", sessions, wakes
        self._random = random.Random(7)
        self._waited = Histogram()
        store(self._path, sessions, messages=10)
        self.bytes = self._path.stat().st_size / sessions

    def wake(self, *, cold: bool) -> float:
        """Milliseconds that half of the wakes take at most."""
        if not cold:
            self._remember()
        self._waited = asyncio.run(self._woken(cold=cold))
        return self._waited.quantile_ms(0.5)

    def p99(self) -> float:
        """Milliseconds that nearly all take at most, of those that were measured last."""
        return self._waited.quantile_ms(0.99)

    async def _woken(self, *, cold: bool) -> Histogram:
        waited, wakes = Histogram(), self._wakes // 10 if cold else self._wakes
        numbers = self._random.sample(range(self._sessions), wakes)
        limits: Any = {"max_sessions": wakes, "max_sessions_per_user": wakes}
        async with greenroom.Runtime(journal=SqliteJournal(self._path), **limits) as runtime:
            await runtime.create(HOST)  # the first commit makes the log, and is not counted
            for number in numbers[:-1]:
                if cold:
                    self._forget()
                session = runtime.session(id_of(number))
                start = time.perf_counter()
                await session.info()
                waited.add(time.perf_counter() - start)
        return waited

    def _remember(self) -> None:
        with self._path.open("rb", buffering=0) as file:
            while file.read(1 << 24):
                pass

    def _forget(self) -> None:
        file = os.open(self._path, os.O_RDONLY)
        os.fdatasync(file)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(file)


def cases(sessions: int, stored: Stored) -> list[Case]:
    """Every row of the table."""
    fresh, talked = Hosted(sessions, 0), Hosted(sessions, 10)
    rows = [
        Case("resident idle session, fresh", "B", {"greenroom": fresh.bytes}),
        Case("create a session", "us", {"greenroom": fresh.us}),
        Case("resident idle session, ten messages", "B", {"greenroom": talked.bytes}),
        Case("stored session, ten messages", "B", {"greenroom": lambda: stored.bytes}),
        Case("wake, warm, p50", "ms", {"greenroom": lambda: stored.wake(cold=False)}),
        Case("wake, warm, p99", "ms", {"greenroom": stored.p99}),
    ]
    if hasattr(os, "posix_fadvise"):
        rows += [
            Case("wake, cold, p50", "ms", {"greenroom": lambda: stored.wake(cold=True)}),
            Case("wake, cold, p99", "ms", {"greenroom": stored.p99}),
        ]
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Benchmark sessions that nobody talks to.")
    parser.add_argument("--smoke", action="store_true", help="tiny counts: does it run at all")
    parser.add_argument("--sessions", type=int, default=100_000, help="resident")
    parser.add_argument("--stored", type=int, default=1_000_000, help="in the journal")
    parser.add_argument("--wakes", type=int, default=2_000, help="of a round, if it is warm")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--journal", type=Path, metavar="DIR", help="where the journal is made")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures there too")
    parser.add_argument("--child", type=int, nargs=2, help=argparse.SUPPRESS)
    options: Any = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    if options.child:
        print(json.dumps(asyncio.run(host(*options.child))))
        return
    sessions, kept, wakes, rounds = (
        (SMOKE, SMOKE, 50, 1)
        if options.smoke
        else (options.sessions, options.stored, options.wakes, options.rounds)
    )
    with tempfile.TemporaryDirectory(dir=options.journal) as folder:
        measured = cases(sessions, Stored(Path(folder), kept, wakes))
        run_rounds(measured, rounds)
    about = "  ".join(f"{name} {value}" for name, value in machine().items())
    print(f"{about}  rounds {rounds}: median (spread)")
    print(f"  {sessions:,} resident sessions, {kept:,} stored; {wakes:,} wakes, a tenth of it cold")
    print(table(measured, ["greenroom"]))
    if options.json:
        write_json(options.json, measured, sessions=sessions, stored=kept)


if __name__ == "__main__":
    main()
