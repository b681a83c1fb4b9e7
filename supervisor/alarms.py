"""Passivated sessions that want to be on stage again at some time, though nobody calls them."""

from __future__ import annotations

from collections.abc import Callable

from ..actors.ports import Clock, SessionId, Timer


class Alarms:
    """One timer for each such session, in this process only: a session wakes by itself, at the
    latest, when its next message comes.

    An alarm is set until the session is on stage: `ring` is called again every `again_s` seconds,
    as a full house may have turned the session away.
    """

    def __init__(self, clock: Clock, ring: Callable[[SessionId], None], again_s: float) -> None:
        self._clock = clock
        self._ring = ring
        self._again_s = again_s
        self._timers: dict[SessionId, Timer] = {}

    def __len__(self) -> int:
        return len(self._timers)

    def set(self, session: SessionId, at_ms: int) -> None:
        """Ring for `session` at `at_ms`, in UTC milliseconds."""
        self._set(session, max(at_ms - self._clock.now_ms(), 0) / 1000)

    def cancel(self, session: SessionId) -> None:
        """It is on stage, or cannot be."""
        timer = self._timers.pop(session, None)
        if timer is not None:
            timer.cancel()

    def clear(self) -> None:
        """No session is woken any more."""
        for session in list(self._timers):
            self.cancel(session)

    def _set(self, session: SessionId, delay_s: float) -> None:
        self.cancel(session)
        self._timers[session] = self._clock.call_later(delay_s, lambda: self._go_off(session))

    def _go_off(self, session: SessionId) -> None:
        self._set(session, self._again_s)
        self._ring(session)
