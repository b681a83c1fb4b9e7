"""How full a runtime is: places in use, those who wait for one, and the limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ..actors.ports import UserId
from ..actors.session.permits import Permits
from .capacity import Ledger, TenantId
from .waiting import WaitingLine


class Occupancy(msgspec.Struct, frozen=True, kw_only=True):
    """`in_use` of `limit` places (None: of any number), and how many wait for one."""

    in_use: int
    waiting: int = 0
    limit: int | None = None


class CapacityReport(msgspec.Struct, frozen=True, kw_only=True):
    """What is in use at this moment, in all, and of each tenant and user that uses something.

    A session that is being woken, or has ended, counts in all only. Who waits for a session that is
    woken is listed by who has written to it, if that is known. `turns` count sessions: one has a
    place while a turn of it runs, or a pipeline that was stopped has not done so yet.
    """

    sessions: Occupancy
    sessions_by_tenant: dict[TenantId, Occupancy]
    sessions_by_user: dict[UserId, Occupancy]
    turns: Occupancy
    turns_by_user: dict[UserId, Occupancy]


def report(ledger: Ledger, line: WaitingLine, permits: Permits | None) -> CapacityReport:
    """How full it is now."""
    turns = Permits() if permits is None else permits
    return CapacityReport(
        sessions=Occupancy(in_use=ledger.in_use, waiting=len(line), limit=ledger.max_sessions),
        sessions_by_tenant=_each(ledger.by_tenant(), {}, ledger.max_sessions_per_tenant),
        sessions_by_user=_each(ledger.by_user(), line.waiting(), ledger.max_sessions_per_user),
        turns=Occupancy(in_use=turns.in_use, waiting=turns.waiting, limit=turns.most),
        turns_by_user=_each(turns.used(), turns.waiting_of(), turns.most_per_user),
    )


def _each(
    used: Mapping[str, int], waiting: Mapping[Any, int], limit: int | None
) -> dict[str, Occupancy]:
    names = sorted({*used, *(name for name in waiting if name is not None)})
    return {
        name: Occupancy(in_use=used.get(name, 0), waiting=waiting.get(name, 0), limit=limit)
        for name in names
    }
