"""What a test needs to hold actors still: dispatchers it steps, gates, and an actor that notes."""

from __future__ import annotations

import asyncio
import logging
import random
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

import structlog

from greenroom.actors.kernel.actor import Actor, Ref
from greenroom.actors.kernel.dispatcher import THROUGHPUT, LoopDispatcher, Runnable

T = TypeVar("T")

GUARD_S = 20.0
"""How long a test waits for what must come at once. It only ever passes when the test fails."""

STEPS = 100_000
"""Steps after which actors that keep each other busy are taken to do so for ever."""


class FifoDispatcher:
    """Runs mailboxes when the test says so, in the order they were scheduled.

    The thread that made it is the one that runs them, so a blocking `get` there raises.
    """

    throughput = THROUGHPUT

    def __init__(self) -> None:
        self._ready: list[Runnable] = []
        self._twice: list[Runnable] = []
        self._thread = threading.get_ident()

    def schedule(self, box: Runnable) -> None:
        if box in self._ready:
            self._twice.append(box)
        self._ready.append(box)

    def is_current(self) -> bool:
        return threading.get_ident() == self._thread

    def step(self) -> bool:
        """Run one mailbox once. False: there was none to run."""
        if not self._ready:
            return False
        box = self._ready.pop(self._pick(len(self._ready)))
        if box.run(self.throughput):
            self.schedule(box)
        assert not self._twice, f"{self._twice} scheduled again while scheduled"
        return True

    def run_until_idle(self) -> None:
        """Run mailboxes until none has work."""
        for _ in range(STEPS):
            if not self.step():
                return
        raise AssertionError(f"the actors were not idle after {STEPS} steps")

    def _pick(self, waiting: int) -> int:
        return 0


class SeededDispatcher(FifoDispatcher):
    """The next mailbox is drawn by `random.Random(seed)`; replay = same seed."""

    throughput = 1  # smallest step: the most interleavings

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._rng = random.Random(seed)

    def _pick(self, waiting: int) -> int:
        return self._rng.randrange(waiting)


class Gate:
    """Holds every thread that passes until it is opened; a thread held too long fails by name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._event = threading.Event()

    def open(self) -> None:
        self._event.set()

    def passed(self) -> None:
        """Return once the gate is open.

        Raises:
            AssertionError: it was not opened within `GUARD_S`.
        """
        assert self._event.wait(GUARD_S), f"{self.name}: never happened"


class Interrupted:
    """A lock that lets another thread act just before it is next taken, or just after.

    What races by bad luck once in a million times happens every time, on one thread.
    """

    def __init__(
        self, *, before: Callable[[], Any] | None = None, after: Callable[[], Any] | None = None
    ) -> None:
        self._lock = threading.Lock()
        self._before, self._after = before, after

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    def acquire(self) -> None:
        act, self._before = self._before, None
        if act is not None:
            act()
        self._lock.acquire()

    def release(self) -> None:
        self._lock.release()
        act, self._after = self._after, None
        if act is not None:
            act()


def run(main: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run`, but what waits for ever fails by name.

    Raises:
        AssertionError: `main` did not end within `GUARD_S`.
    """

    async def guarded() -> T:
        task = asyncio.ensure_future(main)
        done, _ = await asyncio.wait([task], timeout=GUARD_S)
        assert done, f"the end of {main}: never happened"
        return task.result()

    return asyncio.run(guarded())


class Probe(Actor):
    """Notes what it is handed. A message that can be called is a step run inside the handler."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.seen: list[Any] = []
        self.life: list[Any] = []

    def on_start(self) -> None:
        self.life.append("started")

    def on_stop(self) -> None:
        self.life.append("stopped")

    def on_failure(self, kind: Any, error: Any, traceback: Any) -> None:
        self.life.append(kind)

    def on_receive(self, message: Any) -> Any:
        if callable(message):
            return message(self)
        self.seen.append(message)
        return message


def probe(*args: Any, **kwargs: Any) -> tuple[Probe, Ref[Probe]]:
    """A started `Probe`, and the reference to it."""
    ref = Probe.start(*args, **kwargs)
    actor = ref.actor_inbox.owner
    assert isinstance(actor, Probe)
    return actor, ref


@contextmanager
def logged(note: Callable[[dict[str, Any]], Any] | None = None) -> Iterator[list[dict[str, Any]]]:
    """What is logged within the block; each line is also handed to `note`, as it is logged."""
    lines: list[dict[str, Any]] = []

    def process(_: Any, __: str, line: Any) -> Any:
        lines.append(line)
        if note is not None:
            note(line)
        raise structlog.DropEvent

    everything = structlog.make_filtering_bound_logger(logging.DEBUG)
    before = structlog.get_config()
    structlog.configure(processors=[process], wrapper_class=everything)
    try:
        yield lines
    finally:
        structlog.configure(**before)


def unwritable(_: dict[str, Any]) -> None:
    """A log whose disk is full."""
    raise OSError("the log cannot be written")


class LoopThread:
    """An asyncio loop that runs on a thread of its own, and its dispatcher."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.dispatcher = self.do(lambda: LoopDispatcher(loop))

    def do(self, act: Callable[[], T]) -> T:
        """Call `act` on the loop's thread and return what it returns."""
        done: Future[T] = Future()

        def run() -> None:
            try:
                done.set_result(act())
            except BaseException as error:
                done.set_exception(error)

        self.loop.call_soon_threadsafe(run)
        return done.result(GUARD_S)


@contextmanager
def loop_thread() -> Iterator[LoopThread]:
    """Run a loop beside the test, and end it with the block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="loop", daemon=True)
    thread.start()
    try:
        yield LoopThread(loop)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(GUARD_S)
        assert not thread.is_alive(), "the loop's end: never happened"
        loop.close()
