"""The capacity ledger: which sessions hold a slot, and whose they are."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final, Literal, TypeAlias

from ..actors.errors import CapacityError
from ..actors.ports import SessionId, UserId

Scope: TypeAlias = Literal["global", "per_user"]


class Slot(Enum):
    """What a session holds its slot for. A session without one is free."""

    RESERVED = auto()
    """Nothing is built yet, or it is being built anew: created, woken, restarted."""

    RESIDENT = auto()
    """Its actor lives."""

    PASSIVATING = auto()
    """Its actor is on its way out."""


MOVES: Final = {
    Slot.RESERVED: frozenset({Slot.RESIDENT}),
    Slot.RESIDENT: frozenset({Slot.PASSIVATING, Slot.RESERVED}),
    Slot.PASSIVATING: frozenset({Slot.RESIDENT, Slot.RESERVED}),
}


class IllegalMove(Exception):
    """The supervisor has lost track of a slot: a bug."""


class Ledger:
    """Every slot in use, against a limit for all and one for each owner.

    A wake reserves before the owner is known, and `assign`s the owner when it is. A session that
    has ended holds its slot until it leaves, but counts for its owner no more (spec A06). No
    sequence of calls exceeds a limit: what would, raises or reports (promise P14).

    `exempt` is the one user, if any, whose sessions only the limit for all counts.
    """

    def __init__(
        self, *, max_sessions: int, max_sessions_per_user: int, exempt: UserId | None = None
    ) -> None:
        self.max_sessions = max_sessions
        self.max_sessions_per_user = max_sessions_per_user
        self._exempt = exempt
        self._slots: dict[SessionId, Slot] = {}
        self._passivating = 0
        self._owners: dict[SessionId, UserId] = {}
        self._owned: dict[UserId, set[SessionId]] = {}

    @property
    def in_use(self) -> int:
        """Slots held, for whatever reason."""
        return len(self._slots)

    @property
    def passivating(self) -> int:
        """Slots whose sessions are on their way out."""
        return self._passivating

    def slot(self, session: SessionId) -> Slot | None:
        """What the session holds its slot for; None if it has none."""
        return self._slots.get(session)

    def owned_by(self, user: UserId) -> frozenset[SessionId]:
        """The sessions of `user` that hold a slot."""
        return frozenset(self._owned.get(user, ()))

    def held(self) -> frozenset[SessionId]:
        """The sessions that hold a slot: on stage, or on their way there or from there."""
        return frozenset(self._slots)

    def full(self, user: UserId | None) -> Scope | None:
        """Which limit forbids one more session (of `user`, if known); the global one first."""
        if len(self._slots) >= self.max_sessions:
            return "global"
        return "per_user" if user is not None and self._user_full(user) else None

    def reserve(self, session: SessionId, user: UserId | None) -> None:
        """Take a slot, before anything is built."""
        if session in self._slots or self.full(user):
            raise IllegalMove(f"{session} cannot be reserved")
        self._slots[session] = Slot.RESERVED
        if user is not None:
            self.assign(session, user)

    def assign(self, session: SessionId, user: UserId) -> bool:
        """Say whose a reserved slot is. False: that user is full; the slot is still unowned.

        Raises IllegalMove: it has no slot, or that is somebody else's.
        """
        owner = self._owners.get(session)
        if owner == user:
            return True
        if owner is not None or session not in self._slots:
            raise IllegalMove(f"{session} cannot be given to {user}")
        if self._user_full(user):
            return False
        self._owners[session] = user
        self._owned.setdefault(user, set()).add(session)
        return True

    def disown(self, session: SessionId) -> None:
        """Count a session that has ended for its owner no more; harmless if it has no slot."""
        user = self._owners.pop(session, None)
        if user is not None:
            owned = self._owned[user]
            owned.discard(session)
            if not owned:
                del self._owned[user]

    def move(self, session: SessionId, to: Slot) -> None:
        """Change what a slot is held for. Raises IllegalMove."""
        now = self._slots.get(session)
        if now is None or to not in MOVES[now]:
            raise IllegalMove(f"{session}: {now} to {to}")
        self._passivating += (to is Slot.PASSIVATING) - (now is Slot.PASSIVATING)
        self._slots[session] = to

    def free(self, session: SessionId) -> None:
        """Give the slot back."""
        slot = self._slots.pop(session, None)
        if slot is None:
            raise IllegalMove(f"{session} is free already")
        self._passivating -= slot is Slot.PASSIVATING
        self.disown(session)

    def error(self, user: UserId | None = None, *, retry_after_s: float) -> CapacityError:
        """The refusal of one more session: of `user`, or, without one, of any."""
        return CapacityError(
            "global" if user is None else "per_user",
            limit=self.max_sessions if user is None else self.max_sessions_per_user,
            in_use=self.in_use if user is None else len(self._owned.get(user, ())),
            retry_after_s=retry_after_s,
            user=user,
        )

    def _user_full(self, user: UserId) -> bool:
        return user != self._exempt and len(self._owned.get(user, ())) >= self.max_sessions_per_user
