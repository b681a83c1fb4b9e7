"""The way of a command through a session in memory, beside two plain asyncio designs.

    python tests/bench/session_path.py [--smoke] [--rounds N] [--uvloop] [--json out.json]

`greenroom` keeps a journal in memory, from which each session could be had again. `lock` is one
dict of sessions, a lock and callbacks; `queue` is one queue and one task per session; `bare` is the
first without what keeps a slow subscriber from stopping everybody, so no equal of the others: see
`plain_rooms.py`, which says what they do and what they do not. Every session has a subscriber that
sees all of its events, and checks that it gets them in order; no figure ends before it has.

All figures of a table come from one run, whose rounds are interleaved. The number in brackets is
the spread of the rounds; the last columns say how many times better greenroom is.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from measure import Case, Loops, machine, run, run_rounds, table, timed, write_json
from plain_rooms import BareRooms, LockedRooms, QueuedRooms, Rooms

import greenroom

HOST = "ann"
TEXT = "What I wanted to say about this is not long, but it is not short either. "
MAX_PARTICIPANTS, MAX_EVENTS = 200, 1000


@dataclass(frozen=True)
class Scale:
    """How much is measured at once."""

    sessions: int
    messages: int
    joins: int
    senders: int


FULL = Scale(sessions=1_000, messages=20_000, joins=5_000, senders=100)
SMOKE = Scale(sessions=10, messages=100, joins=20, senders=5)


class House(ABC):
    """Sessions with a subscriber each, and what has been delivered to it."""

    def __init__(self) -> None:
        self.delivered = 0
        self._wanted = 0
        self._all = asyncio.Event()

    @abstractmethod
    async def open(self, sessions: int) -> list[Any]: ...

    @abstractmethod
    def join(self, session: Any, user: str) -> Awaitable[Any]: ...

    @abstractmethod
    def leave(self, session: Any, user: str) -> Awaitable[Any]: ...

    @abstractmethod
    def message(self, session: Any, user: str, text: str) -> Awaitable[Any]: ...

    @abstractmethod
    async def close(self) -> None: ...

    def want(self, events: int) -> None:
        """Expect so many more deliveries."""
        self._wanted += events
        self._all.clear()

    async def delivery(self) -> None:
        """Wait until everything that is expected has been delivered."""
        if self.delivered < self._wanted:
            await self._all.wait()

    def count(self) -> None:
        self.delivered += 1
        if self.delivered == self._wanted:
            self._all.set()


class Greenroom(House):
    async def open(self, sessions: int) -> list[Any]:
        self._runtime = greenroom.Runtime(max_sessions=sessions, max_sessions_per_user=sessions)
        await self._runtime.start()
        settings = greenroom.Settings(max_participants=MAX_PARTICIPANTS, max_events=MAX_EVENTS)
        made = [self._runtime.create(HOST, settings=settings) for _ in range(sessions)]
        opened = [await session for session in made]
        for session in opened:
            await session.subscribe(HOST, self._reader())
        return opened

    def _reader(self) -> Callable[[Any], None]:
        last = 0

        def read(item: Any) -> None:
            nonlocal last
            assert item.revision == last + 1
            last = item.revision
            self.count()

        return read

    def join(self, session: Any, user: str) -> Awaitable[Any]:
        joined: Awaitable[Any] = session.join(user)
        return joined

    def leave(self, session: Any, user: str) -> Awaitable[Any]:
        left: Awaitable[Any] = session.leave(user)
        return left

    def message(self, session: Any, user: str, text: str) -> Awaitable[Any]:
        posted: Awaitable[Any] = session.post(user, text)
        return posted

    async def close(self) -> None:
        await self._runtime.stop()


class Plain(House):
    kind: type[Rooms]

    async def open(self, sessions: int) -> list[Any]:
        self._rooms = self.kind()
        opened = [
            await self._rooms.create(HOST, MAX_PARTICIPANTS, MAX_EVENTS) for _ in range(sessions)
        ]
        for session in opened:
            await self._rooms.subscribe(session, HOST, self._reader())
        return opened

    def _reader(self) -> Callable[[Any], None]:
        last = 0

        def read(event: Any) -> None:
            nonlocal last
            assert event.sequence_number == last + 1
            last = event.sequence_number
            self.count()

        return read

    def join(self, session: Any, user: str) -> Awaitable[Any]:
        return self._rooms.join(session, user)

    def leave(self, session: Any, user: str) -> Awaitable[Any]:
        return self._rooms.leave(session, user)

    def message(self, session: Any, user: str, text: str) -> Awaitable[Any]:
        return self._rooms.message(session, user, text)

    async def close(self) -> None:
        await self._rooms.close()


class Locked(Plain):
    kind = LockedRooms


class Queued(Plain):
    kind = QueuedRooms


class Bare(Plain):
    kind = BareRooms


# --- what is measured ----------------------------------------------------------------------------


async def one_by_one(house: House, sessions: Sequence[Any], scale: Scale) -> float:
    """Microseconds from a message to its answer, before the next one is sent."""
    house.want(scale.messages)
    with timed() as clock:
        for number in range(scale.messages):
            await house.message(sessions[number % len(sessions)], HOST, TEXT)
        await house.delivery()
    return clock.seconds / scale.messages * 1e6


async def delivered(house: House, sessions: Sequence[Any], scale: Scale) -> float:
    """Microseconds from a message until its subscriber has it, before the next one is sent."""
    with timed() as clock:
        for number in range(scale.messages):
            house.want(1)
            await house.message(sessions[number % len(sessions)], HOST, TEXT)
            await house.delivery()
    return clock.seconds / scale.messages * 1e6


async def together(house: House, sessions: Sequence[Any], scale: Scale) -> float:
    """Messages a second of many senders, each of whom waits for an answer before going on."""
    senders = max(scale.senders, len(sessions))
    each = max(1, scale.messages // senders)

    async def send(session: Any) -> None:
        for _ in range(each):
            await house.message(session, HOST, TEXT)

    house.want(senders * each)
    with timed() as clock:
        work = (send(sessions[number % len(sessions)]) for number in range(senders))
        await asyncio.gather(*work)
        await house.delivery()
    return senders * each / clock.seconds


async def join_and_leave(house: House, sessions: Sequence[Any], scale: Scale) -> float:
    """Microseconds for somebody to come in and go again, both answered and both delivered."""
    house.want(2 * scale.joins)
    with timed() as clock:
        for number in range(scale.joins):
            session = sessions[number % len(sessions)]
            await house.join(session, "bob")
            await house.leave(session, "bob")
        await house.delivery()
    return clock.seconds / scale.joins * 1e6


Work = Callable[[House, Sequence[Any], Scale], Awaitable[float]]


async def hosted(kind: type[House], work: Work, sessions: int, scale: Scale) -> float:
    """The figure of `work` in a house of its own; what comes first warms up, and is not counted."""
    house = kind()
    opened = await house.open(sessions)
    house.want(len(opened))
    for session in opened:
        await house.message(session, HOST, TEXT)
    await house.delivery()
    figure = await work(house, opened, scale)
    await house.close()
    return figure


# --- the table -----------------------------------------------------------------------------------

CONTENDERS: dict[str, type[House]] = {
    "greenroom": Greenroom,
    "lock": Locked,
    "queue": Queued,
    "bare": Bare,
}


def cases(scale: Scale) -> list[Case]:
    """Every row of the table."""

    def figure(kind: type[House], work: Work, sessions: int) -> float:
        return run(hosted(kind, work, sessions, scale))

    def each(work: Work, sessions: int) -> dict[str, Callable[[], float]]:
        return {
            name: functools.partial(figure, kind, work, sessions)
            for name, kind in CONTENDERS.items()
        }

    rows: list[Case] = []
    for title, sessions in (("one session", 1), ("many sessions", scale.sessions)):
        rows += [
            Case(f"{title}: join and leave", "us", each(join_and_leave, sessions)),
            Case(f"{title}: message, answered", "us", each(one_by_one, sessions)),
            Case(f"{title}: message, delivered", "us", each(delivered, sessions)),
            Case(f"{title}: messages, many senders", "/s", each(together, sessions), True),
        ]
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Benchmark the way through a session in memory.")
    parser.add_argument("--smoke", action="store_true", help="tiny counts: does it run at all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures there too")
    Loops.offer(parser)
    options = parser.parse_args(arguments)
    Loops.choose(options)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    scale, rounds = (SMOKE, 1) if options.smoke else (FULL, options.rounds)
    measured = cases(scale)
    run_rounds(measured, rounds)
    about = "  ".join(f"{name} {value}" for name, value in machine().items())
    print(f"{about}  rounds {rounds}: median (spread)")
    print(
        f"  many: {scale.sessions:,} sessions; {scale.messages:,} messages, {scale.joins:,} joins, "
        f"{scale.senders} senders to one session, and one to each of many"
    )
    print(table(measured, list(CONTENDERS)))
    if options.json:
        write_json(options.json, measured, rounds=rounds)


if __name__ == "__main__":
    main()
