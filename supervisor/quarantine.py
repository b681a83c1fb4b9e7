"""Sessions that the journal could not give back: not read again for every message that they get."""

from __future__ import annotations

from typing import Final

from ..actors.errors import SessionDamaged
from ..actors.ports import SessionId

HOLD_S: Final = 30.0
"""How long a damaged session is not looked at again. After a repair it is back by then."""

MOST: Final = 1_000
"""Damaged sessions remembered; of more, the longest held are looked at again sooner."""


class Quarantine:
    """Remembers the error of each damaged session for `HOLD_S` seconds (spec SX3).

    Nothing is written: what the journal has of a damaged session stays as it is. Times are
    monotonic seconds.
    """

    def __init__(self) -> None:
        self._held: dict[SessionId, tuple[int, str, float]] = {}

    def hold(self, session: SessionId, error: SessionDamaged, now_s: float) -> None:
        """Remember that `session` is damaged."""
        self._held.pop(session, None)
        self._held[session] = (error.revision, error.why, now_s + HOLD_S)
        if len(self._held) > MOST:
            del self._held[next(iter(self._held))]

    def sessions(self, now_s: float) -> list[SessionId]:
        """Those that are not to be looked at now, the longest held first."""
        return [session for session, (_, _, until_s) in self._held.items() if now_s < until_s]

    def release(self, session: SessionId) -> bool:
        """Have it looked at again with the next message: whether it was held."""
        return self._held.pop(session, None) is not None

    def of(self, session: SessionId, now_s: float) -> SessionDamaged | None:
        """Why `session` is not to be looked at now; None if it is not held, or no longer."""
        held = self._held.get(session)
        if held is None:
            return None
        revision, why, until_s = held
        if now_s < until_s:
            return SessionDamaged(session, revision=revision, why=why)
        del self._held[session]
        return None

    def period_s(self, session: SessionId) -> tuple[float, float]:
        """From when until when one that is held is not looked at."""
        until_s = self._held[session][2]
        return until_s - HOLD_S, until_s
