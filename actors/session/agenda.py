"""What a session does by itself at some time, while it is on stage."""

from __future__ import annotations

from typing import Final

from ..kernel.mailbox import Mailbox
from ..ports import Clock, Timer
from .messages import Due
from .state import State
from .wakes import wants_ms

LOOK_AGAIN_S: Final = 3600.0
"""The wall clock may jump, and a machine may sleep: no timer is trusted for longer."""


class Agenda:
    """One timer for the earliest of all: the expiry of an approval, and what else was set.

    It goes off with `Due`; whoever handles that looks what is due, and has the agenda follow again.
    """

    __slots__ = ("_at_ms", "_clock", "_mailbox", "_timer")

    def __init__(self, clock: Clock, mailbox: Mailbox) -> None:
        self._clock = clock
        self._mailbox = mailbox
        self._at_ms = 0
        self._timer: Timer | None = None

    def follow(self, state: State) -> None:
        """Run for what `state` wants to do first, and for nothing else."""
        at_ms = wants_ms(state)
        if at_ms == self._at_ms:
            return
        self.stop()
        if at_ms:
            self._at_ms = at_ms
            left_s = max(at_ms - self._clock.now_ms(), 0) / 1000
            self._timer = self._clock.call_later(min(left_s, LOOK_AGAIN_S), self._ring)

    def stop(self) -> None:
        """Run no longer."""
        self._at_ms = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        self._at_ms, self._timer = 0, None
        self._mailbox.signal(Due())
