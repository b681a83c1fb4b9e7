"""Time that stands still until a test moves it."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from .settling import settle


class ManualClock:
    """A clock that stands still until it is moved. Implements `Clock`.

    What falls due at the same moment runs in the order in which it was asked for.
    """

    def __init__(self, start_s: float = 1000.0) -> None:
        self.now_s = start_s
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

    @property
    def pending(self) -> list[Callable[[], None]]:
        """What is still to be called, the earliest first."""
        return [timer.call for _, _, timer in sorted(self._timers) if timer.call is not None]

    def clear(self) -> None:
        """Forget every timer, as a process that dies does."""
        self._timers.clear()

    def jump(self, until_s: float) -> bool:
        """Move to the next timer that is due by `until_s` and run it. False: there is none."""
        timers = self._timers
        while timers and not timers[0][2].runs:
            heapq.heappop(timers)
        if not timers or timers[0][0] > until_s:
            return False
        due_s, _, timer = heapq.heappop(timers)
        self.now_s = max(self.now_s, due_s)
        timer.run()
        return True

    async def advance(self, seconds: float) -> None:
        """Move on, running what falls due in order, and let all of it settle."""
        until_s = self.now_s + seconds
        await settle()
        while self.jump(until_s):
            await settle()
        self.now_s = until_s
        await settle()


class ManualTimer:
    """A call that is due later. Implements `Timer`."""

    __slots__ = ("call",)

    def __init__(self, call: Callable[[], None]) -> None:
        self.call: Callable[[], None] | None = call

    @property
    def runs(self) -> bool:
        """Whether it is still to be called."""
        return self.call is not None

    def cancel(self) -> None:
        self.call = None

    def run(self) -> None:
        """Call it, unless it was cancelled."""
        if self.call is not None:
            self.call()
