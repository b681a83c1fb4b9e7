"""The time in which people can decide, while their session is on stage."""

from __future__ import annotations

from functools import partial

from ..kernel.mailbox import Mailbox
from ..ports import Clock, Timer
from .approvals import undecided
from .messages import ApprovalDue
from .state import State


class Expiry:
    """The timer of a session's pending approval: at most one runs."""

    __slots__ = ("_approval", "_clock", "_mailbox", "_timer")

    def __init__(self, clock: Clock, mailbox: Mailbox) -> None:
        self._clock = clock
        self._mailbox = mailbox
        self._approval = ""
        self._timer: Timer | None = None

    def follow(self, state: State) -> None:
        """Run for the approval that `state` has pending, and for no other one."""
        approval = undecided(state)
        if approval is not None and approval.id == self._approval:
            return
        self.stop()
        if approval is not None:
            self._approval = approval.id
            left_s = max(approval.expires_ms - self._clock.now_ms(), 0) / 1000
            due = partial(self._mailbox.signal, ApprovalDue(approval.id))
            self._timer = self._clock.call_later(left_s, due)

    def stop(self) -> None:
        """Run no longer."""
        self._approval = ""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
