"""Who has the mailbox of a session that leaves, until all that goes with it has come to its end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..kernel.mailbox import Mail, Mailbox, Owner
from .messages import (
    Committed,
    Delivered,
    FlushPresence,
    Passivate,
    Present,
    ReportFailure,
    ResourcesSettled,
)
from .permits import PermitGranted
from .turns import LateAnswer, RunGone, TakeSteering, TurnOutput
from .wings import Wings

NOTICES: Final = frozenset(
    {
        Committed,
        LateAnswer,
        Passivate,
        PermitGranted,
        ResourcesSettled,
        RunGone,
        TakeSteering,
        TurnOutput,
    }
)
"""What an activation that leaves is told by its own: it knows what to do about it."""

UNHEARD: Final = frozenset({Delivered, FlushPresence, Present, ReportFailure})
"""What nobody needs to hear when the session is not on stage."""


class Parting:
    """Has the mailbox of a session that leaves, until its wings are cleared: then it goes on.

    Commands wait while the resources are closed, so that those of two activations do not meet.
    While the end hook runs the first one that comes, or has come, makes the session go on at once,
    and be started again: or a hook that asks its own session would wait for itself.

    If the activation crashes while it leaves, the mailbox is its successor's, and left alone.
    """

    def __init__(
        self, mailbox: Mailbox, wings: Wings, leaving: Owner, go_on: Callable[[], None]
    ) -> None:
        self._mailbox = mailbox
        self._leaving = leaving
        self._go_on: Callable[[], None] | None = go_on
        wings.cleared.on_done(lambda _: self._go())
        wings.due.on_done(lambda _: self._watch())

    def handle(self, mail: Mail) -> None:
        kind = type(mail.message)
        if kind in NOTICES:
            self._leaving.handle(mail)
        elif kind not in UNHEARD:
            self._mailbox.put_back(mail)
            self._go()

    def contain(self, mail: Mail, error: BaseException) -> None:
        self._leaving.contain(mail, error)

    def _watch(self) -> None:
        if self._mailbox.depth:
            self._go()
        elif self._has_mailbox:
            self._mailbox.attach(self)

    def _go(self) -> None:
        if self._go_on is not None and self._has_mailbox:
            go_on, self._go_on = self._go_on, None
            self._mailbox.suspend()
            go_on()

    @property
    def _has_mailbox(self) -> bool:
        owner = self._mailbox.owner
        return self._go_on is not None and (owner is self or owner is self._leaving)
