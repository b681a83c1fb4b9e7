"""An event loop without time: it knows when nothing is left to do."""

from __future__ import annotations

import asyncio
import selectors
import threading
from collections.abc import Callable
from contextvars import Context
from typing import Any, Final

from .clock import ManualClock

GUARD_S: Final = 20.0
"""How long a thread may take, in real time, to report to a loop that waits for nothing else."""

PASSES: Final = 200_000
"""Passes of the loop after which a house that never comes to rest is taken not to."""


class Stuck(AssertionError):
    """Nothing is left that could happen, and what was waited for has not."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs on a `ManualClock`: timers of asyncio are timers of that clock.

    Nothing happens by real time, so the same program takes the same way each time. Sockets are not
    looked at. A thread is waited for when nothing else is left to do.
    """

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self._until_s = 0.0
        self._threads = threading.active_count()
        self._idlers: list[asyncio.Future[None]] = []
        super().__init__(_Idle(self._on_idle))

    def time(self) -> float:
        return self.clock.monotonic()

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., Any],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)

        def run() -> None:
            if not handle.cancelled():
                callback(*args)

        def due() -> None:
            self.call_soon(run, context=context)

        self.clock.call_later(max(when - self.time(), 0.0), due)
        return handle

    def run_in_executor(  # type: ignore[override]
        self, _: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Call `func` on the loop: where a thread would have it, no seed draws the order."""
        done: asyncio.Future[Any] = self.create_future()

        def run() -> None:
            try:
                result = func(*args)
            except Exception as error:
                done.set_exception(error)
            else:
                done.set_result(result)

        self.call_soon(run)
        return done

    async def idle(self) -> None:
        """Return when nothing is ready to run: what is not done by then waits for time, or help."""
        waiter = self.create_future()
        self._idlers.append(waiter)
        await waiter

    def _on_idle(self) -> bool:
        """Have something to do again. False: only a thread can help now."""
        idlers, self._idlers = self._idlers, []
        for waiter in idlers:
            if not waiter.done():
                waiter.set_result(None)
        if idlers:
            return True
        if threading.active_count() > self._threads:
            return False
        if self.clock.jump(self._until_s):
            return True
        raise Stuck("nothing is left to happen, and what is waited for has not")

    def be_patient(self, seconds: float) -> None:
        """Let the clock jump to the next timer, up to `seconds` from now, when all else rests."""
        self._until_s = self.clock.monotonic() + seconds


class _Idle(selectors.DefaultSelector):
    """A selector that is asked for nothing while there is something to do."""

    def __init__(self, on_idle: Callable[[], bool]) -> None:
        super().__init__()
        self._on_idle = on_idle
        self._passes = 0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is not None:
            self._passes += 1
            if self._passes > PASSES:
                self._passes = 0
                raise Stuck(f"{PASSES} passes of the loop, and still not at rest")
            return []
        self._passes = 0
        if self._on_idle():
            return []
        found = super().select(GUARD_S)
        if not found:
            raise Stuck(f"a thread has not reported for {GUARD_S} s")
        return found
