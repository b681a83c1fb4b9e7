"""Where participants are just now: the newest of each, published at a bounded rate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ..ports import Clock, Timer, UserId
from .events import PresenceChanged

WINDOW_S: Final = 0.1
"""At most one publication of a participant's presence in this time."""


class Presences:
    """The presence of those who have told of it, while the session is on stage. Never journaled.

    A change is published at once, and what follows within the window as one, at its end: `flush`
    is then asked for through `ask_to_flush`.
    """

    __slots__ = ("_ask_to_flush", "_clock", "_due", "_timer", "latest")

    def __init__(self, clock: Clock, ask_to_flush: Callable[[], None]) -> None:
        self._clock = clock
        self._ask_to_flush = ask_to_flush
        self._due: dict[UserId, PresenceChanged] = {}
        self._timer: Timer | None = None
        self.latest: dict[UserId, PresenceChanged] = {}

    def change(self, presence: PresenceChanged) -> list[PresenceChanged]:
        """Note a presence; returns what is to be published now."""
        if self.latest.get(presence.user) == presence:
            return []
        self.latest[presence.user] = presence
        self._due[presence.user] = presence
        return self.flush() if self._timer is None else []

    def flush(self) -> list[PresenceChanged]:
        """What is to be published at the end of a window; the next one begins if that is any."""
        due, self._due = list(self._due.values()), {}
        self._timer = self._clock.call_later(WINDOW_S, self._ask_to_flush) if due else None
        return due

    def forget(self, user: UserId) -> None:
        """The user has left."""
        self.latest.pop(user, None)
        self._due.pop(user, None)
