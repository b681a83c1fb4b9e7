"""What all streams of a house share."""

from __future__ import annotations

from collections import Counter
from random import randrange
from typing import TYPE_CHECKING, Final

from ..hall import Hall
from .encodings import Encodings
from .frames import Draining
from .rhythm import Rhythm

if TYPE_CHECKING:
    from ....supervisor.session import Session

RETRY_MS: Final = 2000
"""How long whoever has lost its connection waits before the next try, unless told otherwise."""


class Hub:
    """The hall, the encoded events, the rhythm, and who is shown as present."""

    def __init__(self, hall: Hall) -> None:
        settings = hall.settings
        self.hall = hall
        self.clock = hall.runtime.clock
        self.encodings = Encodings()
        self.rhythm = Rhythm(
            self.clock, batch_s=settings.batch_ms / 1000, heartbeat_s=settings.heartbeat_s
        )
        self._streams: Counter[tuple[str, str]] = Counter()

    def draining(self) -> Draining:
        """Come back later: not all at once."""
        return Draining(retry_ms=randrange(RETRY_MS // 4, RETRY_MS))

    def come(self, session: Session, user: str) -> None:
        """One more stream shows that `user` is there; the room hears of the first one."""
        self._streams[session.id, user] += 1
        if self._streams[session.id, user] == 1:
            session.present(user, active=True)

    def go(self, session: Session, user: str) -> None:
        """One stream less; the room hears of the last one."""
        self._streams[session.id, user] -= 1
        if not self._streams[session.id, user]:
            del self._streams[session.id, user]
            session.present(user, active=False)
