"""A full house with trouble in it, for half an hour: does it hold more and more, or leak anything?

    python tests/bench/soak.py [--smoke] [--sessions N] [--rate N] [--minutes M] [--journal DIR]
                               [--json out.json]

The load is that of `full_house.py` with its trouble-makers. A session to which forty messages have
been posted is deleted, and another one made, so that what is kept on purpose stays as much; before
the clock starts each is given as many messages as it would have by then. A line is printed every
minute: memory of the process after a full garbage collection, objects the collector knows, asyncio
tasks, threads, slots of the capacity ledger, and how long asking took meanwhile. Then trouble ends,
the runtime is drained, and what is left is counted: of slots, actors, tasks and threads there must
be none. Exits with 1 if anything leaked, or memory has grown by more than a tenth since the first
quarter.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import structlog
from measure import machine, resident_bytes
from troubles import USER, FullHouse

import greenroom
from greenroom.actors.session.actor import SessionActor
from greenroom.adapters.load.histogram import Histogram

LIFE: int = 40
"""Messages to a session before another one takes its place."""

GROWTH = 1.1
"""How much more the last quarter may hold than the first."""


class Soaked(FullHouse):
    """A full house whose healthy sessions are replaced when they have had their time."""

    replaced = 0

    async def fill(self) -> None:
        """Give each session what it would have if this had gone on for ever."""
        self._posted = [LIFE * place // len(self.healthy) for place in range(len(self.healthy))]
        for session, count in zip(self.healthy, self._posted, strict=True):
            for reply in [session.post(USER, "message before") for _ in range(count)]:
                await reply
        self._places = {session.id: place for place, session in enumerate(self.healthy)}
        self._renewing: set[asyncio.Task[None]] = set()

    def _post(self, session: greenroom.Session, due: float, waited: Histogram) -> None:
        super()._post(session, due, waited)
        place = self._places[session.id]
        self._posted[place] += 1
        if self._posted[place] == LIFE:
            task = asyncio.create_task(self._renew(place, session))
            self._renewing.add(task)
            task.add_done_callback(self._renewing.discard)

    async def _renew(self, place: int, old: greenroom.Session) -> None:
        new = await self.runtime.create(USER)
        self.healthy[place], self._posted[place] = new, 0
        self._places[new.id] = self._places.pop(old.id)
        await old.delete(USER)
        self.replaced += 1


async def soak(
    folder: Path, sessions: int, rate: float, seconds: float, samples: int
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """What was held at each sample, and what is left when all is over."""
    before = held()
    lines: list[dict[str, Any]] = []
    async with Soaked(folder, sessions) as house:
        await house.fill()
        start = time.perf_counter()
        for _ in range(samples):
            waited = await house.asked(seconds / samples, rate, trouble=True)
            line = {"minutes": round((time.perf_counter() - start) / 60, 1), **held()}
            line |= {"slots": house.runtime.resident, "replaced": house.replaced}
            line |= {"crashes": house.crashes, "passivated": house.runtime.stats.passivated}
            line |= {f"p{p}": round(waited.quantile_ms(p / 100), 2) for p in (50, 99, 99.9)}
            line |= {"errors": dict(house.errors)}
            lines.append(line)
            print("  ".join(f"{name} {value}" for name, value in line.items()), flush=True)
        while house._renewing:
            await asyncio.sleep(0.01)
        runtime = house.runtime
    await asyncio.get_running_loop().shutdown_default_executor()
    after = held()
    left = {name: after[name] - before[name] for name in ("tasks", "threads")}
    left |= {"slots": runtime.resident}
    del house, runtime
    gc.collect()
    left |= {"actors": sum(isinstance(thing, SessionActor) for thing in gc.get_objects())}
    return lines, left


def held() -> dict[str, int]:
    """What this process has, after a full collection."""
    gc.collect()
    return {
        "rss_mib": resident_bytes() >> 20,
        "objects": len(gc.get_objects()),
        "tasks": len(asyncio.all_tasks()),
        "threads": threading.active_count(),
    }


def leaked(left: dict[str, int], errors: dict[str, int]) -> list[str]:
    """What there should be none of, and is."""
    return [f"{count} {what}" for what, count in (*left.items(), *errors.items()) if count]


def grown(lines: Sequence[dict[str, Any]]) -> list[str]:
    """What there was more of at the end than at the beginning."""
    quarter, wrong = max(len(lines) // 4, 1), []
    for what in ("rss_mib", "objects"):
        first = max(line[what] for line in lines[:quarter])
        last = min(line[what] for line in lines[-quarter:])
        if last > first * GROWTH:
            wrong.append(f"{what} grew from {first:,} to {last:,}")
    return wrong


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Soak greenroom's full house.")
    parser.add_argument("--smoke", action="store_true", help="tiny counts: does it run at all")
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=1000.0)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--journal", type=Path, metavar="DIR", help="where the journal is made")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures there too")
    options = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    sessions, seconds, samples = options.sessions, options.minutes * 60, round(options.minutes)
    if options.smoke:
        sessions, seconds, samples = 100, 1.0, 4
    print("  ".join(f"{name} {value}" for name, value in machine().items()))
    with tempfile.TemporaryDirectory(dir=options.journal) as folder:
        work = soak(Path(folder), sessions, options.rate, seconds, max(samples, 1))
        lines, left = asyncio.run(work)
    wrong = leaked(left, lines[-1]["errors"])
    if not options.smoke:
        wrong += grown(lines)
    print("wrong: " + (", ".join(wrong) or "nothing"))
    if options.json:
        about = {**machine(), "sessions": sessions, "rate": options.rate}
        options.json.write_text(json.dumps({**about, "lines": lines, "left": left}, indent=2))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
