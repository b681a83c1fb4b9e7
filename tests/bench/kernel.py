"""What an actor costs: greenroom's kernel, pykka's own actors, and one asyncio task per actor.

    python tests/bench/kernel.py [--smoke] [--rounds N] [--uvloop] [--json out.json]

All figures of a table come from one run, whose rounds are interleaved. The number in brackets is
the spread of the rounds; the last columns say how many times better greenroom is. A handler does
the same little work everywhere: it counts down and returns its message.

pykka has a thread per actor, so it is measured with fewer actors and messages (printed with the
table). On a loop, pykka's futures block; what is "awaited" is their `get()`. A task takes all that
is in its queue before the loop turns to anything else; greenroom's mailbox takes 16 messages, or
its share of 128.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import gc
import logging
import subprocess
import sys
import threading
import tracemalloc
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pykka
import structlog
from measure import (
    Case,
    Loops,
    machine,
    resident_bytes,
    run,
    run_rounds,
    table,
    timed,
    write_json,
)

from greenroom.actors.kernel.actor import Actor, Ref
from greenroom.actors.kernel.dispatcher import LoopDispatcher

MESSAGE: Any = 1
"""What all are told. Not a literal: a tuple of literals would be made once for all messages."""

IN_FLIGHT = 100
"""Asks that wait for their answer at once in the measurement of asks per second."""


@dataclass(frozen=True)
class Scale:
    """How much is measured at once."""

    actors: int
    tells_each: int
    tells_to_one: int
    asks: int


FULL = {
    "greenroom": Scale(actors=5_000, tells_each=10, tells_to_one=50_000, asks=5_000),
    "pykka": Scale(actors=1_000, tells_each=10, tells_to_one=10_000, asks=2_000),
    "task+queue": Scale(actors=5_000, tells_each=10, tells_to_one=50_000, asks=5_000),
}
SMOKE = dict.fromkeys(FULL, Scale(actors=20, tells_each=2, tells_to_one=100, asks=20))


class Handler:
    """What every contender's actor does with a message."""

    left = 0
    done: Callable[[Handler], None]

    def on_receive(self, message: Any) -> Any:
        self.left -= 1
        if not self.left:
            self.done(self)
        return message


class Contender(ABC):
    """The same measurements of another kind of actor. Times are in us per actor or message."""

    def __init__(self, scale: Scale) -> None:
        self.scale = scale

    def tell_queued(self) -> float:
        return self._tell(self.scale.actors, self.scale.tells_each)

    def tell_idle(self) -> float:
        return self._tell(self.scale.actors, 1, batches=self.scale.tells_each)

    def tell_one(self) -> float:
        return self._tell(1, self.scale.tells_to_one)

    @abstractmethod
    def _tell(self, actors: int, each: int, batches: int = 1) -> float:
        """Messages per second, when all that is sent in a batch is handled before the next."""

    @abstractmethod
    def ask_one_by_one(self) -> float: ...

    @abstractmethod
    def ask_in_flight(self) -> float: ...

    @abstractmethod
    def ask_from_thread(self) -> float: ...

    @abstractmethod
    def spawn(self) -> float: ...

    @abstractmethod
    def stop(self) -> float: ...

    @abstractmethod
    def idle(self, weigh: Callable[[], int]) -> float:
        """Bytes per actor that has handled a message and waits for the next."""


# --- on an asyncio loop --------------------------------------------------------------------------


class OnLoop(Contender):
    """What lives on an asyncio loop: subclasses say how to start, tell, ask and stop an actor."""

    @abstractmethod
    def begin(self) -> None:
        """Make ready on the running loop."""

    @abstractmethod
    def start(self, room: int = 1024) -> Any: ...

    @abstractmethod
    def handler(self, ref: Any) -> Handler: ...

    @abstractmethod
    def tell(self, ref: Any) -> None: ...

    @abstractmethod
    def ask(self, ref: Any) -> Awaitable[Any]: ...

    @abstractmethod
    def ask_blocking(self, ref: Any, loop: asyncio.AbstractEventLoop) -> Any: ...

    @abstractmethod
    def ask_to_stop(self, ref: Any) -> Awaitable[Any]: ...

    def _tell(self, actors: int, each: int, batches: int = 1) -> float:
        async def main() -> float:
            refs = await self._started(actors, room=each)
            waiting, all_done = actors, asyncio.Event()

            def done(handler: Handler) -> None:
                nonlocal waiting
                handler.left = each
                waiting -= 1
                if not waiting:
                    waiting = actors
                    all_done.set()

            for ref in refs:
                handler = self.handler(ref)
                handler.left, handler.done = each, done
            tell = self.tell
            with timed() as clock:
                for _ in range(batches):
                    all_done.clear()
                    for _ in range(each):
                        for ref in refs:
                            tell(ref)
                    await all_done.wait()
            await self._stopped(refs)
            return batches * each * actors / clock.seconds

        return run(main())

    def ask_one_by_one(self) -> float:
        async def main() -> float:
            (ref,) = refs = await self._started(1)
            with timed() as clock:
                for _ in range(self.scale.asks):
                    await self.ask(ref)
            await self._stopped(refs)
            return clock.seconds / self.scale.asks * 1e6

        return run(main())

    def ask_in_flight(self) -> float:
        async def main() -> float:
            refs = await self._started(IN_FLIGHT)
            rounds = max(1, self.scale.asks // IN_FLIGHT)
            with timed() as clock:
                for _ in range(rounds):
                    replies = [self.ask(ref) for ref in refs]
                    for reply in replies:
                        await reply
            await self._stopped(refs)
            return rounds * IN_FLIGHT / clock.seconds

        return run(main())

    def ask_from_thread(self) -> float:
        async def main() -> float:
            (ref,) = refs = await self._started(1)
            loop = asyncio.get_running_loop()

            def ask_all() -> float:
                with timed() as clock:
                    for _ in range(self.scale.asks):
                        self.ask_blocking(ref, loop)
                return clock.seconds

            seconds = await loop.run_in_executor(None, ask_all)
            await self._stopped(refs)
            return seconds / self.scale.asks * 1e6

        return run(main())

    def spawn(self) -> float:
        async def main() -> float:
            with timed() as clock:
                refs = await self._started(self.scale.actors)
            await self._stopped(refs)
            return clock.seconds / self.scale.actors * 1e6

        return run(main())

    def stop(self) -> float:
        async def main() -> float:
            refs = await self._started(self.scale.actors)
            with timed() as clock:
                await self._stopped(refs)
            return clock.seconds / self.scale.actors * 1e6

        return run(main())

    def idle(self, weigh: Callable[[], int]) -> float:
        async def main() -> float:
            await self._stopped(await self._started(1))
            before = weigh()
            refs = await self._started(self.scale.actors)
            for ref in refs:
                await self.ask(ref)
            used = weigh() - before
            await self._stopped(refs)
            return used / self.scale.actors

        return run(main())

    async def _started(self, actors: int, room: int = 1024) -> list[Any]:
        self.begin()
        refs = [self.start(room) for _ in range(actors)]
        await asyncio.sleep(0)  # a task has only started once the loop has run it
        return refs

    async def _stopped(self, refs: Sequence[Any]) -> None:
        stopping = [self.ask_to_stop(ref) for ref in refs]
        for stopped in stopping:
            await stopped


class CountingActor(Handler, Actor):
    """greenroom's."""


class Greenroom(OnLoop):
    """greenroom's kernel: mailboxes on one shared dispatcher."""

    def begin(self) -> None:
        self.dispatcher = LoopDispatcher(asyncio.get_running_loop())

    def start(self, room: int = 1024) -> Ref[CountingActor]:
        return CountingActor.start(self.dispatcher, capacity=max(room, 1024))

    def handler(self, ref: Ref[CountingActor]) -> Handler:
        actor = ref.actor_inbox.owner
        assert isinstance(actor, CountingActor)
        return actor

    def tell(self, ref: Ref[CountingActor]) -> None:
        ref.tell(MESSAGE)

    def ask(self, ref: Ref[CountingActor]) -> Awaitable[Any]:
        reply: Awaitable[Any] = ref.ask(MESSAGE, block=False)
        return reply

    def ask_blocking(self, ref: Ref[CountingActor], loop: asyncio.AbstractEventLoop) -> Any:
        return ref.ask(MESSAGE)

    def ask_to_stop(self, ref: Ref[CountingActor]) -> Awaitable[Any]:
        stopped: Awaitable[Any] = ref.stop(block=False)
        return stopped


class TaskActor(Handler):
    """What one writes without a library: a task that takes from its queue."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[tuple[Any, asyncio.Future[Any] | None]] = asyncio.Queue()
        self.task = asyncio.get_running_loop().create_task(self.run())

    async def run(self) -> None:
        while True:
            message, reply = await self.queue.get()
            if message is None:
                return
            answer = self.on_receive(message)
            if reply is not None:
                reply.set_result(answer)

    def ask(self) -> asyncio.Future[Any]:
        reply = asyncio.get_running_loop().create_future()
        self.queue.put_nowait((MESSAGE, reply))
        return reply


class TaskQueue(OnLoop):
    """One asyncio task and queue per actor."""

    def begin(self) -> None: ...

    def start(self, room: int = 1024) -> TaskActor:
        return TaskActor()

    def handler(self, ref: TaskActor) -> Handler:
        return ref

    def tell(self, ref: TaskActor) -> None:
        ref.queue.put_nowait((MESSAGE, None))

    def ask(self, ref: TaskActor) -> Awaitable[Any]:
        return ref.ask()

    def ask_blocking(self, ref: TaskActor, loop: asyncio.AbstractEventLoop) -> Any:
        async def ask() -> Any:
            return await ref.ask()

        return asyncio.run_coroutine_threadsafe(ask(), loop).result()

    def ask_to_stop(self, ref: TaskActor) -> Awaitable[Any]:
        ref.queue.put_nowait((None, None))
        return ref.task


# --- on threads ----------------------------------------------------------------------------------


class CountingThread(Handler, pykka.ThreadingActor):
    """pykka's."""


class Pykka(Contender):
    """pykka's own `ThreadingActor`: a thread per actor."""

    def _tell(self, actors: int, each: int, batches: int = 1) -> float:
        refs = self._started(actors)
        waiting, lock, all_done = actors, threading.Lock(), threading.Event()

        def done(handler: Handler) -> None:
            nonlocal waiting
            handler.left = each
            with lock:
                waiting -= 1
                if not waiting:
                    waiting = actors
                    all_done.set()

        for ref in refs:
            actor = ref._actor_weakref()
            assert actor is not None
            actor.left, actor.done = each, done
        with timed() as clock:
            for _ in range(batches):
                all_done.clear()
                for _ in range(each):
                    for ref in refs:
                        ref.tell(MESSAGE)
                all_done.wait()
        self._stopped(refs)
        return batches * each * actors / clock.seconds

    def ask_one_by_one(self) -> float:
        (ref,) = refs = self._started(1)
        with timed() as clock:
            for _ in range(self.scale.asks):
                ref.ask(MESSAGE)
        self._stopped(refs)
        return clock.seconds / self.scale.asks * 1e6

    ask_from_thread = ask_one_by_one

    def ask_in_flight(self) -> float:
        refs = self._started(IN_FLIGHT)
        rounds = max(1, self.scale.asks // IN_FLIGHT)
        with timed() as clock:
            for _ in range(rounds):
                pykka.get_all([ref.ask(MESSAGE, block=False) for ref in refs])
        self._stopped(refs)
        return rounds * IN_FLIGHT / clock.seconds

    def spawn(self) -> float:
        with timed() as clock:
            refs = self._started(self.scale.actors)
        self._stopped(refs)
        return clock.seconds / self.scale.actors * 1e6

    def stop(self) -> float:
        refs = self._started(self.scale.actors)
        with timed() as clock:
            self._stopped(refs)
        return clock.seconds / self.scale.actors * 1e6

    def idle(self, weigh: Callable[[], int]) -> float:
        self._stopped(self._started(1))
        before = weigh()
        refs = self._started(self.scale.actors)
        pykka.get_all([ref.ask(MESSAGE, block=False) for ref in refs])
        used = weigh() - before
        self._stopped(refs)
        return used / self.scale.actors

    def _started(self, actors: int) -> list[pykka.ActorRef[CountingThread]]:
        return [CountingThread.start() for _ in range(actors)]

    def _stopped(self, refs: Sequence[pykka.ActorRef[CountingThread]]) -> None:
        pykka.get_all([ref.stop(block=False) for ref in refs])


# --- memory, each in a process of its own --------------------------------------------------------


def traced_bytes() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


WEIGHS: dict[str, Callable[[], int]] = {"rss": resident_bytes, "heap": traced_bytes}


def weigh_here(name: str, how: str, actors: int) -> float:
    """What the child process does."""
    if how == "heap":
        tracemalloc.start()
    scale = replace(FULL[name], actors=actors)
    return CONTENDERS[name](scale).idle(WEIGHS[how])


def weigh_in_a_child(name: str, how: str, actors: int) -> float:
    """Bytes per actor in a fresh process, as memory that was once used is not given back."""
    child = [sys.executable, __file__, "--weigh", name, how, str(actors)]
    if Loops.factory is not None:
        child.append("--uvloop")
    return float(subprocess.run(child, capture_output=True, text=True, check=True).stdout)


# --- the table -----------------------------------------------------------------------------------

CONTENDERS: dict[str, type[Contender]] = {
    "greenroom": Greenroom,
    "pykka": Pykka,
    "task+queue": TaskQueue,
}


def cases(scales: dict[str, Scale]) -> list[Case]:
    """Every row of the table."""
    made = {name: kind(scales[name]) for name, kind in CONTENDERS.items()}

    def each(method: str) -> dict[str, Callable[[], float]]:
        return {name: getattr(contender, method) for name, contender in made.items()}

    def weighed(how: str) -> dict[str, Callable[[], float]]:
        return {
            name: functools.partial(weigh_in_a_child, name, how, scales[name].actors)
            for name in CONTENDERS
        }

    return [
        Case("tell, all actors, idle ones", "messages/s", each("tell_idle"), True),
        Case("tell, all actors, queued up", "messages/s", each("tell_queued"), True),
        Case("tell, to one actor", "messages/s", each("tell_one"), True),
        Case("ask, awaited one by one", "us", each("ask_one_by_one")),
        Case(f"ask, {IN_FLIGHT} in flight", "asks/s", each("ask_in_flight"), True),
        Case("ask, from another thread", "us", each("ask_from_thread")),
        Case("spawn an actor", "us", each("spawn")),
        Case("stop an actor", "us", each("stop")),
        Case("idle actor, resident (RSS)", "bytes", weighed("rss")),
        Case("idle actor, Python heap (tracemalloc)", "bytes", weighed("heap")),
    ]


def notes(scales: dict[str, Scale], rounds: int) -> str:
    about = "  ".join(f"{name} {value}" for name, value in machine().items())
    lines = [f"{about}  rounds {rounds}: median (spread)"]
    lines.extend(
        f"  {name}: {s.actors:,} actors, {s.actors * s.tells_each:,} tells spread, "
        f"{s.tells_to_one:,} to one, {s.asks:,} asks"
        for name, s in scales.items()
    )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Benchmark greenroom's actor kernel.")
    parser.add_argument("--smoke", action="store_true", help="tiny counts: does it run at all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures there too")
    Loops.offer(parser)
    parser.add_argument("--weigh", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    Loops.choose(options)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    if options.weigh:
        name, how, actors = options.weigh
        print(weigh_here(name, how, int(actors)))
        return
    scales, rounds = (SMOKE, 1) if options.smoke else (FULL, options.rounds)
    measured = cases(scales)
    run_rounds(measured, rounds)
    print(notes(scales, rounds))
    print(table(measured, list(CONTENDERS)))
    if options.json:
        write_json(options.json, measured, rounds=rounds)


if __name__ == "__main__":
    main()
