"""What it costs to tell a thousand subscribers of one session, ten of whom have stalled.

    python tests/bench/fanout.py [--smoke] [--rounds N] [--json out.json]

`greenroom` is one live log with a subscriber and an async iterator for each reader; `none stalled`
is the same without the stalled ones; `queue each` is what is commonly written instead: an
`asyncio.Queue` per reader, unbounded, as a bounded one either loses events unseen or stops the
publisher. A reader is a task that takes events and counts them; one that has stalled never takes
any. Publisher's cost is the time inside the publishing call itself.

All figures of a table come from one run, whose rounds are interleaved. The number in brackets is
the spread of the rounds; the last columns say how many times better greenroom is. Memory is what
the Python heap has grown by over the last publications, after the log is full (tracemalloc), with
fewer readers, as printed.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import gc
import logging
import time
import tracemalloc
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog
from measure import Case, machine, run_rounds, table, timed, write_json

from greenroom.actors.kernel.dispatcher import LoopDispatcher
from greenroom.actors.kernel.reply import Reply
from greenroom.actors.ports import End
from greenroom.actors.session.events import TextStreamed
from greenroom.actors.session.items import Published
from greenroom.actors.session.live import LiveLog
from greenroom.actors.sinks import IteratorSink
from greenroom.actors.subscriber import SubscriberActor
from greenroom.supervisor.subscription import Subscription

BURST = 64
"""Publications between two turns of the loop in the measurement of bursts."""


@dataclass(frozen=True)
class Scale:
    """How much is measured at once."""

    readers: int
    stalled: int
    singles: int
    bursts: int
    heap_readers: int
    heap_publications: int


FULL = Scale(1000, 10, singles=100, bursts=10, heap_readers=30, heap_publications=10_000)
SMOKE = Scale(10, 2, singles=3, bursts=2, heap_readers=4, heap_publications=2_100)


class Fanout(ABC):
    """One publisher and its readers, on the running loop."""

    def __init__(self, readers: int, stalled: int) -> None:
        self.taken = 0
        self._awake = readers - stalled
        self._wanted = 0
        self._all_told = asyncio.Event()
        self.open(readers)
        self._tasks = [asyncio.create_task(self.read(reader)) for reader in range(self._awake)]

    @abstractmethod
    def open(self, readers: int) -> None:
        """Have that many readers."""

    @abstractmethod
    def publish(self, text: str) -> None:
        """Tell every reader."""

    @abstractmethod
    async def read(self, reader: int) -> None:
        """Take what one reader is told, and `count` it."""

    def count(self) -> None:
        self.taken += 1
        if self.taken == self._wanted:
            self._all_told.set()

    async def tell(self, publications: int) -> float:
        """Publish in one go, and wait for everybody who is awake; returns the publisher's time."""
        self._wanted += publications * self._awake
        self._all_told.clear()
        start = time.perf_counter()
        for number in range(publications):
            self.publish(f"word {number} ")
        spent = time.perf_counter() - start
        await self._all_told.wait()
        return spent

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class Greenroom(Fanout):
    """A live log, and a subscription for each reader."""

    def open(self, readers: int) -> None:
        dispatcher = LoopDispatcher(asyncio.get_running_loop())
        self._live = LiveLog("s")
        self._live.open(incarnation="cafe", epoch=1, revision=0, end=End(0, 0))
        self._subscriptions = [self._subscribed(dispatcher) for _ in range(readers)]

    def _subscribed(self, dispatcher: LoopDispatcher) -> Subscription:
        sink, journal = IteratorSink(dispatcher), Any
        actor = SubscriberActor(dispatcher, self._live, journal, "ann", sink)
        actor.begin(None)
        reply: Reply[SubscriberActor] = Reply(dispatcher)
        reply.set(actor)
        return Subscription(reply, sink)

    def publish(self, text: str) -> None:
        self._live.publish(TextStreamed(1, text), at_ms=0, revision=0, now=0.0)

    async def read(self, reader: int) -> None:
        async for _ in self._subscriptions[reader]:
            self.count()

    async def close(self) -> None:
        for subscription in self._subscriptions:
            subscription.close()
        await super().close()


class QueueEach(Fanout):
    """A queue for each reader, into which the publisher puts every event."""

    def open(self, readers: int) -> None:
        self._queues: list[asyncio.Queue[Published]] = [asyncio.Queue() for _ in range(readers)]
        self._position = 0

    def publish(self, text: str) -> None:
        self._position += 1
        event = Published(
            event=TextStreamed(1, text),
            at_ms=0,
            revision=0,
            epoch=1,
            position=self._position,
            session="s",
            incarnation="cafe",
        )
        for queue in self._queues:
            queue.put_nowait(event)

    async def read(self, reader: int) -> None:
        get = self._queues[reader].get
        while True:
            await get()
            self.count()


# --- what is measured ----------------------------------------------------------------------------


def measured(work: Callable[[], Awaitable[float]]) -> float:
    return asyncio.run(work())  # type: ignore[arg-type]


async def deliveries(make: Callable[[], Fanout], times: int, burst: int) -> float:
    """Deliveries per second, everybody who is awake together."""
    fanout = make()
    await fanout.tell(1)
    taken = fanout.taken
    with timed() as clock:
        for _ in range(times):
            await fanout.tell(burst)
    taken = fanout.taken - taken
    await fanout.close()
    return taken / clock.seconds


async def publisher(make: Callable[[], Fanout], times: int, burst: int) -> float:
    """Microseconds of the publisher's time per publication."""
    fanout = make()
    await fanout.tell(1)
    spent = 0.0
    for _ in range(times):
        spent += await fanout.tell(burst)
    await fanout.close()
    return spent / times / burst * 1e6


async def heap(make: Callable[[], Fanout], publications: int) -> float:
    """KB by which the heap has grown over the second half of the publications."""
    tracemalloc.start()
    fanout = make()
    sizes = []
    for _ in range(2):
        for _ in range(publications // 2 // BURST):
            await fanout.tell(BURST)
        gc.collect()
        sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    await fanout.close()
    return (sizes[1] - sizes[0]) / 1024


# --- the table -----------------------------------------------------------------------------------

CONTENDERS: dict[str, tuple[type[Fanout], bool]] = {
    "greenroom": (Greenroom, True),
    "none stalled": (Greenroom, False),
    "queue each": (QueueEach, True),
}


def cases(scale: Scale) -> list[Case]:
    """Every row of the table."""

    def each(
        work: Callable[..., Awaitable[float]], *arguments: int, readers: int = scale.readers
    ) -> dict[str, Callable[[], float]]:
        return {
            name: functools.partial(
                measured,
                functools.partial(
                    work,
                    functools.partial(kind, readers, scale.stalled if stalls else 0),
                    *arguments,
                ),
            )
            for name, (kind, stalls) in CONTENDERS.items()
        }

    singles, bursts = (scale.singles, 1), (scale.bursts, BURST)
    grown = each(heap, scale.heap_publications, readers=scale.heap_readers)
    return [
        Case("delivered, one event at a time", "deliveries/s", each(deliveries, *singles), True),
        Case("delivered, in bursts", "deliveries/s", each(deliveries, *bursts), True),
        Case("publisher, one event at a time", "us", each(publisher, *singles)),
        Case("publisher, in bursts", "us", each(publisher, *bursts)),
        Case("heap grown while some have stalled", "KB", grown),
    ]


def notes(scale: Scale, rounds: int) -> str:
    about = "  ".join(f"{name} {value}" for name, value in machine().items())
    return (
        f"{about}  rounds {rounds}: median (spread)\n"
        f"  {scale.readers:,} readers, {scale.stalled} of them stalled; "
        f"{scale.singles} single events, {scale.bursts} bursts of {BURST}; "
        f"heap: {scale.heap_readers} readers, "
        f"the last {scale.heap_publications // 2:,} of {scale.heap_publications:,} events"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Benchmark greenroom's live log.")
    parser.add_argument("--smoke", action="store_true", help="tiny counts: does it run at all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--readers", type=int, default=FULL.readers)
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures there too")
    options = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    full = replace(FULL, readers=options.readers)
    scale, rounds = (SMOKE, 1) if options.smoke else (full, options.rounds)
    measured_cases = cases(scale)
    run_rounds(measured_cases, rounds)
    print(notes(scale, rounds))
    print(table(measured_cases, list(CONTENDERS)))
    if options.json:
        write_json(options.json, measured_cases, rounds=rounds)


if __name__ == "__main__":
    main()
