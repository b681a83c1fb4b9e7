"""A runtime that a test holds in its hand."""

from __future__ import annotations

import random
from collections.abc import Awaitable
from itertools import count
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from structlog.testing import capture_logs

from ...actors.ports import Journal, Pipeline, SessionId, UserId
from ..embedded import Runtime
from ..journals.memory import MemoryJournal
from .clock import ManualClock
from .dispatcher import SeededDispatcher
from .faults import FaultyJournal
from .gate import Gate
from .loop import Stuck, VirtualLoop
from .probe import Probe
from .settling import settle
from .tasks import cancel_all

T = TypeVar("T")

PATIENCE_S: Final = 3600.0
"""How far `Stage.do` lets the clock jump ahead while it waits."""


class Stage:
    """A runtime without threads, sockets and real time: a seed draws every schedule of its actors.

        with Stage(my_agent, seed=7) as stage:
            session = stage.do(stage.runtime.create(user="ann"))
            turn = stage.do(session.send("ann", "what is new?"))
            assert stage.do(turn.result()).status == "completed"

    The same seed gives the same schedule, in every process. Nothing runs but within `do`, `settle`,
    `advance`, `crash` and `restart`: what is sent between them is sent at one moment, and the seed
    draws what becomes of it. `asyncio.sleep` and `asyncio.timeout` of a pipeline follow `clock`.
    A pipeline that is a plain function runs in a thread: it is waited for, but no seed rules it.

    `settings` are those of `greenroom.Config`, and `compactor`, `resources` and `on_end`. `journal`
    is wrapped in a `FaultyJournal`, through which it is made to fail.
    """

    def __init__(
        self,
        pipeline: Pipeline | None = None,
        *,
        seed: int = 0,
        journal: Journal | None = None,
        **settings: Any,
    ) -> None:
        self.seed = seed
        self.clock = ManualClock()
        self.loop = VirtualLoop(self.clock)
        self.journal = FaultyJournal(journal or MemoryJournal())
        self._pipeline, self._settings = pipeline, settings
        self._ids = count(random.Random(seed).getrandbits(31))
        self._runs = 0

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if exc_type is None:
                self.journal.heal()
                self.do(self.runtime.stop())
        finally:
            self._end()

    # --- time ---

    def do(self, what: Awaitable[T], *, patience_s: float = PATIENCE_S) -> T:
        """Run until `what` is done, and return its result or raise its error.

        Time passes only when all else is at rest: then the clock jumps to the next timer, up to
        `patience_s` ahead. Raises Stuck (an AssertionError) if nothing is left to wait for.
        """
        self.loop.be_patient(patience_s)
        waiting = self.loop.create_task(_awaited(what))
        try:
            return self.loop.run_until_complete(waiting)
        except Stuck:
            waiting.cancel()
            raise

    def settle(self, passes: int | None = None) -> None:
        """Let everything happen that needs no time and no help, or so many passes of the loop."""
        self.loop.run_until_complete(settle(passes))

    def advance(self, seconds: float) -> None:
        """Let time pass, and all that falls due in it happen, in order."""
        self.loop.run_until_complete(self.clock.advance(seconds))

    # --- readers ---

    def watch(
        self,
        session: SessionId,
        user: UserId,
        *,
        after: str | None = None,
        gate: Gate | None = None,
    ) -> Probe:
        """Read a session from now on, or `after` a cursor; with `gate` slowly, item by item."""
        probe = Probe(gate)
        handle = self.runtime.session(session)
        self.do(handle.subscribe(user, probe, after=after, on_close=probe.on_close))
        return probe

    # --- the process ---

    def crash(self, *, keep: int = 0) -> None:
        """The process dies at once, and another one opens the journal.

        Of the writes that `journal` holds the first `keep` are durable, the others gone. Nothing
        is answered that had not been; every task is cancelled, and what it does then is lost.
        """
        self.dispatcher.stop()
        self.journal.crash(keep)
        with capture_logs():  # a process that has died logs nothing
            self.loop.run_until_complete(cancel_all())
        self.clock.clear()
        self.journal = self.journal.successor()
        self._start()

    def restart(self, *, budget_s: float | None = None) -> None:
        """Drain the runtime, and have another one open the journal."""
        journal = self.journal
        self.do(self.runtime.stop(budget_s=budget_s))
        self.journal = journal.successor()
        self._start()

    def _start(self) -> None:
        self._runs += 1
        self.dispatcher = SeededDispatcher(self.seed + self._runs - 1, loop=self.loop)
        self.runtime = Runtime(
            self._pipeline,
            journal=self.journal,
            clock=self.clock,
            new_id=self._new_id,
            dispatcher=self.dispatcher,
            **self._settings,
        )
        self.do(self.runtime.start())

    def _new_id(self, size: int) -> str:
        return f"{next(self._ids) % (1 << 8 * size):0{2 * size}x}"

    def _end(self) -> None:
        self.dispatcher.stop()
        self.loop.run_until_complete(cancel_all())
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()


async def _awaited(what: Awaitable[T]) -> T:
    return await what
