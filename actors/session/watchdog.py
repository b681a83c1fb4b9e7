"""Who looks whether turns take longer than they may."""

from __future__ import annotations

from typing import Protocol

import msgspec

from ..ports import Clock, Timer


class TurnLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much a turn may take: seconds in all, seconds without an output, outputs, bytes of them.

    `grace_s`: how long a pipeline that is stopped may take to stop.
    """

    wall_s: float = 3600.0
    silence_s: float = 600.0
    outputs: int = 2_000_000
    bytes: int = 8 << 20
    grace_s: float = 3.0

    @property
    def first_look_s(self) -> float:
        """The earliest that a turn can have taken too long."""
        return min(self.wall_s, self.silence_s)


class Watched(Protocol):
    """A run, as its watchdog sees it."""

    def look(self) -> float | None:
        """Do what is due by now. Returns in how many seconds to look again; None: never."""
        ...


class Watchdog:
    """Looks at every run when it may first have taken too long, and again when the run says.

    The runs of a runtime share one timer, as they all wait equally long at first and nearly all of
    them have ended by then: a timer for each was measured to cost 6 of the 110 us of a short turn.
    """

    def __init__(self, clock: Clock, limits: TurnLimits) -> None:
        self.clock = clock
        self.limits = limits
        self._delay_s = limits.first_look_s
        self._due: dict[Watched, float] = {}  # in the order of being due
        self._again: dict[Watched, Timer] = {}
        self._timer: Timer | None = None

    def watch(self, run: Watched) -> None:
        """Look at `run` from now on."""
        self._due[run] = self.clock.monotonic() + self._delay_s
        if self._timer is None:
            self._timer = self.clock.call_later(self._delay_s, self._ring)

    def forget(self, run: Watched) -> None:
        """Look at it no more."""
        self._due.pop(run, None)
        timer = self._again.pop(run, None)
        if timer is not None:
            timer.cancel()

    def close(self) -> None:
        """Look at nothing any more."""
        if self._timer is not None:
            self._timer.cancel()
        for run in list(self._again):
            self.forget(run)

    def _ring(self) -> None:
        self._timer = None
        now = self.clock.monotonic()
        while self._due:
            run, due = next(iter(self._due.items()))
            if due > now:
                self._timer = self.clock.call_later(due - now, self._ring)
                return
            del self._due[run]
            self._look(run)

    def _look(self, run: Watched) -> None:
        self._again.pop(run, None)
        delay_s = run.look()
        if delay_s is not None:
            self._again[run] = self.clock.call_later(delay_s, lambda: self._look(run))
