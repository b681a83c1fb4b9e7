"""The capacity ledger: which sessions hold a slot, and whose they are."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final, Literal, TypeAlias

from ..actors.errors import CapacityError
from ..actors.ports import SessionId, UserId

Scope: TypeAlias = Literal["global", "per_tenant", "per_user"]
TenantId: TypeAlias = str


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
    """Every slot in use, against a limit for all, one for each tenant and one for each owner.

    A wake reserves before the owner is known, and `assign`s the owner when it is. A session that
    has ended holds its slot until it leaves, but counts for its owner and tenant no more (spec
    A06). No sequence of calls exceeds a limit: what would, raises or reports (promise P14).

    With `max_sessions_per_tenant` a user id may begin with its tenant's: all before its first `/`.
    One without is in no tenant. `exempt` is the one user, if any, whose sessions only the limit for
    all counts.
    """

    def __init__(
        self,
        *,
        max_sessions: int,
        max_sessions_per_user: int,
        max_sessions_per_tenant: int | None = None,
        exempt: UserId | None = None,
    ) -> None:
        self.max_sessions = max_sessions
        self.max_sessions_per_user = max_sessions_per_user
        self.max_sessions_per_tenant = max_sessions_per_tenant
        self._exempt = exempt
        self._tenants: dict[TenantId, set[SessionId]] = {}
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

    def tenant_of(self, user: UserId) -> TenantId | None:
        """The tenant that the sessions of `user` count for; None: there is none, or no limit."""
        if self.max_sessions_per_tenant is None or user == self._exempt:
            return None
        tenant, slash, _ = user.partition("/")
        return tenant if tenant and slash else None

    def of_tenant(self, tenant: TenantId) -> frozenset[SessionId]:
        """The sessions of all users of `tenant` that hold a slot."""
        return frozenset(self._tenants.get(tenant, ()))

    def by_user(self) -> dict[UserId, int]:
        """How many slots are held for each user."""
        return {user: len(owned) for user, owned in list(self._owned.items())}

    def by_tenant(self) -> dict[TenantId, int]:
        """How many slots are held for each tenant."""
        return {tenant: len(held) for tenant, held in list(self._tenants.items())}

    def full(self, user: UserId | None) -> Scope | None:
        """Which limit forbids one more session (of `user`, if known); the widest one first."""
        return "global" if len(self._slots) >= self.max_sessions else self.owner_full(user)

    def owner_full(self, user: UserId | None) -> Scope | None:
        """Which limit of its own forbids `user` one more session: its tenant's first.

        A limit that is no lower than that of the house is none: who fills the house alone makes
        room for himself.
        """
        if user is None:
            return None
        tenant, limit = self.tenant_of(user), self.max_sessions_per_tenant
        if tenant is not None and limit is not None and self._fills(self._held(tenant), limit):
            return "per_tenant"
        held = len(self._owned.get(user, ()))
        own = user != self._exempt and self._fills(held, self.max_sessions_per_user)
        return "per_user" if own else None

    def reserve(self, session: SessionId, user: UserId | None) -> None:
        """Take a slot, before anything is built."""
        if session in self._slots or self.full(user):
            raise IllegalMove(f"{session} cannot be reserved")
        self._slots[session] = Slot.RESERVED
        if user is not None:
            self.assign(session, user)

    def assign(self, session: SessionId, user: UserId) -> bool:
        """Say whose a reserved slot is. False: that user or its tenant is full (`owner_full` says
        which); the slot is still unowned.

        Raises IllegalMove: it has no slot, or that is somebody else's.
        """
        owner = self._owners.get(session)
        if owner == user:
            return True
        if owner is not None or session not in self._slots:
            raise IllegalMove(f"{session} cannot be given to {user}")
        if self.owner_full(user) is not None:
            return False
        self._owners[session] = user
        self._owned.setdefault(user, set()).add(session)
        if (tenant := self.tenant_of(user)) is not None:
            self._tenants.setdefault(tenant, set()).add(session)
        return True

    def disown(self, session: SessionId) -> None:
        """Count a session that has ended for its owner no more; harmless if it has no slot."""
        user = self._owners.pop(session, None)
        if user is None:
            return
        _discard(self._owned, user, session)
        if (tenant := self.tenant_of(user)) is not None:
            _discard(self._tenants, tenant, session)

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

    def error(
        self,
        user: UserId | None = None,
        *,
        retry_after_s: float | None,
        scope: Scope | None = None,
    ) -> CapacityError:
        """The refusal of one more session: of `user`, or, without one, of any.

        `scope` is the limit that refuses it, if that is not the narrowest one.
        """
        if user is None or scope == "global":
            limit, in_use = self.max_sessions, self.in_use
            return CapacityError("global", limit=limit, in_use=in_use, retry_after_s=retry_after_s)
        tenant, most = self.tenant_of(user), self.max_sessions_per_tenant
        if scope == "per_tenant" and tenant is not None and most is not None:
            return CapacityError(
                "per_tenant",
                limit=most,
                in_use=self._held(tenant),
                retry_after_s=retry_after_s,
                user=user,
                tenant=tenant,
            )
        return CapacityError(
            "per_user",
            limit=self.max_sessions_per_user,
            in_use=len(self._owned.get(user, ())),
            retry_after_s=retry_after_s,
            user=user,
        )

    def _fills(self, held: int, limit: int) -> bool:
        return held >= limit and limit < self.max_sessions

    def _held(self, tenant: TenantId) -> int:
        return len(self._tenants.get(tenant, ()))


def _discard(sets: dict[str, set[SessionId]], key: str, session: SessionId) -> None:
    held = sets[key]
    held.discard(session)
    if not held:
        del sets[key]
