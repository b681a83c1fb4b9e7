"""What a test needs to hold a whole runtime: a clock, a journal that waits, a lottery."""

from __future__ import annotations

import asyncio
import heapq
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any, TypeVar

import pytest
from house import GUARD_S

import greenroom
from greenroom.actors.kernel.dispatcher import Runnable
from greenroom.actors.kernel.reply import Reply
from greenroom.actors.ports import Claim, Commit, End, IndexRow, NewSession
from greenroom.actors.session import actor as session_actor
from greenroom.adapters.journals.memory import MemoryJournal

T = TypeVar("T")


def play(scene: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run `scene` on a loop of its own; fail, by name, if it hangs."""

    async def guarded() -> T:
        try:
            return await asyncio.wait_for(scene(), GUARD_S)
        except TimeoutError:
            raise AssertionError(f"{scene.__qualname__}: its end never came") from None

    return asyncio.run(guarded())


async def settle(rounds: int = 50) -> None:
    """Let everything that can happen without time or outside help happen."""
    for _ in range(rounds):
        await asyncio.sleep(0)


class ManualClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self._timers: list[tuple[float, int, ManualTimer]] = []
        self._count = 0

    def now_ms(self) -> int:
        return int(self.now_s * 1000)

    def monotonic(self) -> float:
        return self.now_s

    def call_later(self, delay_s: float, call: Callable[[], None]) -> ManualTimer:
        self._count += 1
        timer = ManualTimer(call)
        heapq.heappush(self._timers, (self.now_s + delay_s, self._count, timer))
        return timer

    @property
    def last_due_s(self) -> float:
        """When the last timer that still runs is due, from now."""
        due = (due_s for due_s, _, timer in self._timers if timer.runs)
        return max(due, default=self.now_s) - self.now_s

    async def advance(self, seconds: float) -> None:
        """Move on, running what falls due in order, and let all of it settle."""
        until = self.now_s + seconds
        await settle()
        while self._timers and self._timers[0][0] <= until:
            self.now_s, _, timer = heapq.heappop(self._timers)
            timer.run()
            await settle()
        self.now_s = until
        await settle()


class ManualTimer:
    def __init__(self, call: Callable[[], None]) -> None:
        self._call: Callable[[], None] | None = call

    @property
    def runs(self) -> bool:
        return self._call is not None

    def cancel(self) -> None:
        self._call = None

    def run(self) -> None:
        if self._call is not None:
            self._call()


class GatedJournal(MemoryJournal):
    """A memory journal whose writes wait for the test while `holding`, and fail when told to.

    `fail(error)` lets the next write fail; with `written=True` after it was written all the same.
    """

    def __init__(self) -> None:
        super().__init__()
        self.holding = False
        self.claims = 0
        self._held: list[Callable[[], None]] = []
        self._failures: list[tuple[Exception, bool]] = []

    def fail(self, error: Exception, *, written: bool = False) -> None:
        self._failures.append((error, written))

    @property
    def waiting(self) -> int:
        return len(self._held)

    def let(self, count: int | None = None) -> None:
        """Let `count` writes through, or all, and stop holding in that case."""
        if count is None:
            self.holding = False
        for _ in range(len(self._held) if count is None else count):
            self._held.pop(0)()

    def heal(self) -> None:
        """Let everything through, and have no more failures."""
        self._failures.clear()
        self.let()

    async def claim(self, session: str, *, create: NewSession | None = None) -> Claim:
        self.claims += 1
        return await super().claim(session, create=create)

    def append(
        self, session: str, events: Sequence[bytes], *, epoch: int, after: int, row: IndexRow
    ) -> Commit:
        write = super().append
        return self._gate(lambda: write(session, events, epoch=epoch, after=after, row=row))

    def release(self, session: str, *, epoch: int, end: End | None) -> Commit:
        write = super().release
        return self._gate(lambda: write(session, epoch=epoch, end=end))

    def _gate(self, write: Callable[[], Commit]) -> Commit:
        commit: Commit = Reply()

        def run() -> None:
            error, written = self._failures.pop(0) if self._failures else (None, True)
            done = write() if written else None
            if error is not None or done is None:
                commit.set_error(error or AssertionError("nothing written, and no error"))
            elif done.error is not None:
                commit.set_error(done.error)
            else:
                commit.set(done.result())

        if self.holding:
            self._held.append(run)
        else:
            run()
        return commit


class LotteryDispatcher:
    """Runs one message of one mailbox at a time on the running loop; a seed draws which.

    Between two draws the loop's own callbacks run, so tasks and commits interleave as well.
    """

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._ready: list[Runnable] = []
        self._armed = False

    def schedule(self, box: Runnable) -> None:
        self._ready.append(box)
        self._arm()

    def is_current(self) -> bool:
        return True

    def _arm(self) -> None:
        if not self._armed:
            self._armed = True
            asyncio.get_running_loop().call_soon(self._draw)

    def _draw(self) -> None:
        self._armed = False
        box = self._ready.pop(self._rng.randrange(len(self._ready)))
        if box.run(1):
            self._ready.append(box)
        if self._ready:
            self._arm()


class Script:
    """A pipeline that a test steps: each turn waits for `say` or `finish` or `fail`."""

    def __init__(self) -> None:
        self.turns: list[greenroom.Turn] = []
        self.closed: list[int] = []
        self._queues: dict[tuple[str, int], asyncio.Queue[Any]] = {}

    async def __call__(self, turn: greenroom.Turn) -> AsyncIterator[Any]:
        self.turns.append(turn)
        queue = self._queue(turn.session_id, turn.id)
        try:
            while (cue := await queue.get()) is not None:
                if isinstance(cue, BaseException):
                    raise cue
                yield cue
        finally:
            self.closed.append(turn.id)

    def cue(self, session: str, turn: int, *outputs: Any) -> None:
        """Have the turn yield, or raise, `outputs` one by one; None ends it."""
        for output in outputs:
            self._queue(session, turn).put_nowait(output)

    def _queue(self, session: str, turn: int) -> asyncio.Queue[Any]:
        return self._queues.setdefault((session, turn), asyncio.Queue())


def crash_once(patch: pytest.MonkeyPatch) -> None:
    """Have each message "boom" crash its session once; run again, it is refused."""
    decide, crashed = session_actor.decide, []

    def crashing(state: Any, command: Any, moment: Any) -> Any:
        if getattr(command, "text", "") != "boom":
            return decide(state, command, moment)
        if any(command is other for other in crashed):
            raise greenroom.NotAllowed(state.id, command.user, "host", "crash")
        crashed.append(command)
        raise RuntimeError("boom")

    patch.setattr(session_actor, "decide", crashing)


async def echo(turn: greenroom.Turn) -> AsyncIterator[str]:
    """A pipeline that says what it was told, word by word."""
    for word in turn.input.text.split():
        yield word + " "


def texts(history: Sequence[Any]) -> list[str]:
    """What was said, in order."""
    return [line.text for line in history if isinstance(line, greenroom.Message)]


async def take(subscription: greenroom.Subscription, count: int) -> list[Any]:
    """The next `count` items."""
    return [await anext(subscription) for _ in range(count)]
