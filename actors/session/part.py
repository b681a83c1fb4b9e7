"""What the parts of a session's actor have in common."""

from __future__ import annotations

from enum import Enum, auto
from typing import Any

from ..kernel.actor import Actor
from .agenda import Agenda
from .commands import Command
from .desk import Desk
from .events import Ephemeral, TurnStarted
from .lane import Lane
from .legacy import Legacy
from .live import LiveLog
from .outbox import Held, Outbox
from .screen import Screen
from .stage import Stage
from .state import State
from .wings import Wings


class Phase(Enum):
    """LIVE takes commands; LEAVING lets its last commits arrive; GONE is off its mailbox."""

    LIVE = auto()
    LEAVING = auto()
    GONE = auto()


class Part(Actor):
    """One activation of one session, as every part of its actor sees it.

    What most sessions have no use for is made when it is first used, and is None until then.
    """

    state: State
    epoch: int
    phase: Phase
    active_s: float
    _stage: Stage
    _live: LiveLog
    _outbox: Outbox
    _lane: Lane | None
    _desk_made: Desk | None
    _screen: Screen | None
    _wings: Wings | None
    _agenda: Agenda | None = None  # of the class: most sessions have none of their own
    legacy: Legacy | None = None
    renewing = False
    unbegun: TurnStarted | None = None

    def run_command(self, command: Command, reply: Any, key: str | None = None) -> None:
        """Decide, journal, fold, and let out what follows when it is durable."""
        raise NotImplementedError

    def renew(self) -> None:
        """Have the session claimed anew, in a new epoch."""
        raise NotImplementedError

    def publish_only(self, event: Ephemeral) -> None:
        """Publish what is not journaled, after all that was decided before it."""
        self._outbox.put(Held((event,), self._stage.clock.now_ms()))
