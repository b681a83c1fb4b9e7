"""Timers: when a session is woken, once or again and again."""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

import msgspec
from msgspec import Meta

from ....actors.session.approvals import MAX_EXPIRES_S
from ....actors.session.values import MAX_NAME, MAX_TIME_MS
from ....actors.session.wakes import Wake, WakeReceipt
from ....supervisor.handles.wakes import MAX_CRON_BYTES, MIN_EVERY_S
from ..call import Call
from ..endpoint import Endpoint, endpoint

TAG: Final = "wakes"

REFUSALS: Final = ("ended", "idempotency_conflict", "not_allowed", "not_found", "rejected")

Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]

Every: TypeAlias = (
    Annotated[float, Meta(ge=MIN_EVERY_S, le=MAX_EXPIRES_S)]
    | Annotated[str, Meta(max_length=MAX_CRON_BYTES)]
)


class NewWake(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When the timer goes off: at `at_ms` (UTC milliseconds), or after `after_s` seconds; and
    again `every` so many seconds, or as that cron expression says in the time zone `zone`. The
    room hears of it, with `payload`, and with `turn` a turn begins."""

    at_ms: Annotated[int, Meta(ge=1, le=MAX_TIME_MS)] | None = None
    after_s: Annotated[float, Meta(ge=0, le=MAX_EXPIRES_S)] | None = None
    every: Every | None = None
    zone: Name | None = None
    payload: Any = None
    turn: bool = True


class Timers(msgspec.Struct, frozen=True, kw_only=True):
    """The timers that are set, the earliest first."""

    wakes: tuple[Wake, ...]


@endpoint("GET", "/v1/sessions/{id}/wakes", tag=TAG, raises=("not_found",))
async def list_wakes(call: Call, id: str) -> Timers:  # noqa: A002
    """The timers of the session. For participants."""
    return Timers(wakes=await call.session(id).wakes(call.user))


@endpoint(
    "PUT",
    "/v1/sessions/{id}/wakes/{name}",
    tag=TAG,
    raises=(*REFUSALS, "too_many_wakes", "wrong_state"),
    takes=("Idempotency-Key",),
)
async def put_wake(call: Call, id: str, name: str, body: NewWake) -> WakeReceipt:  # noqa: A002
    """Set a timer, in the place of an earlier one with this name."""
    session = await call.membership(id)
    return await session.wake_at(
        call.user,
        body.at_ms,
        name=name,
        after_s=body.after_s,
        every=body.every,
        zone=body.zone,
        payload=body.payload,
        turn=body.turn,
        key=call.key,
    )


@endpoint(
    "DELETE",
    "/v1/sessions/{id}/wakes/{name}",
    tag=TAG,
    raises=REFUSALS,
    takes=("Idempotency-Key",),
)
async def cancel_wake(call: Call, id: str, name: str) -> WakeReceipt:  # noqa: A002
    """Have a timer go off no more. `due_ms` is null if there was none (any more)."""
    session = await call.membership(id)
    return await session.cancel_wake(call.user, name, key=call.key)


ENDPOINTS: Final[tuple[Endpoint, ...]] = (list_wakes, put_wake, cancel_wake)
