"""What those who run the house see of it, and do to it. No membership is asked for."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

import msgspec
import structlog
from msgspec import Meta
from starlette.responses import PlainTextResponse, Response

from ....actors.ports import UserId
from ....actors.session.answers import Receipt
from ....actors.session.stage import Stats
from ....actors.session.values import MAX_NAME
from ....supervisor.explanation import Explanation, Verdict
from ....supervisor.messages import DrainReport
from ....supervisor.occupancy import CapacityReport
from ....supervisor.residents import ResidentQuery, Residents, Sort
from ..call import Call
from ..endpoint import Endpoint, endpoint
from ..stacks import stacks

TAG: Final = "admin"

Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]

Top: TypeAlias = Annotated[int, Meta(ge=1, le=200, description="How many of them, at most.")]

Prefix: TypeAlias = Annotated[
    str, Meta(max_length=MAX_NAME, description="What the id or the name begins with.")
]

Held: TypeAlias = Literal[
    "resident", "passivating", "reserved", "restarting", "parked", "quarantined"
]

State: TypeAlias = Literal["created", "active", "paused", "ended"]


log = structlog.get_logger()


class Eviction(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`force`: also if it is at work; a running turn is stopped, and found lost or run again."""

    force: bool = False


class Parking(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why it is set aside: whoever writes to it is told."""

    reason: Name = "operator"


class Ending(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why it ends: its readers are told."""

    reason: Name = "operator"


class Draining(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long turns may take to finish; without it, as the house is configured."""

    budget_s: Annotated[float, Meta(ge=0, le=3600)] | None = None


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """Whether anything was done."""

    done: bool


@endpoint("GET", "/v1/admin/sessions", tag=TAG, operator=True)
async def list_residents(
    call: Call,
    limit: Top = 50,
    sort: Sort = "depth",
    verdict: Held | None = None,
    state: State | None = None,
    owner: UserId | None = None,
    prefix: Prefix = "",
) -> Residents:
    """The sessions that this process holds something of, the largest by `sort` first."""
    query = ResidentQuery(
        limit=limit,
        sort=sort,
        verdict=None if verdict is None else Verdict(verdict),
        state=state,
        owner=owner,
        prefix=prefix,
    )
    return await call.runtime.residents(query)


@endpoint("GET", "/v1/admin/explain/{id}", tag=TAG, operator=True)
async def explain(call: Call, id: str) -> Explanation:  # noqa: A002
    """Why a session is, or is not, on stage, since when, what keeps it there, and how it died."""
    return await call.runtime.explain(id)


@endpoint("GET", "/v1/admin/capacity", tag=TAG, operator=True)
async def get_capacity(call: Call) -> CapacityReport:
    """What is in use, who waits, and the limits."""
    return call.runtime.capacity()


@endpoint("GET", "/v1/admin/stats", tag=TAG, operator=True)
async def get_stats(call: Call) -> Stats:
    """Plain counters since the runtime started."""
    return call.runtime.stats


@endpoint("GET", "/v1/admin/stacks", tag=TAG, operator=True, produces=("text/plain",))
async def get_stacks(call: Call) -> Response:  # noqa: ARG001
    """What every task and thread of the process is doing just now."""
    return PlainTextResponse(stacks())


@endpoint("POST", "/v1/admin/sessions/{id}/evict", tag=TAG, operator=True)
async def evict(call: Call, id: str, body: Eviction) -> Done:  # noqa: A002
    """Have a session leave the stage now, if it is idle. Nothing is lost by it."""
    _note(call, "evict", id)
    return Done(done=await call.runtime.passivate(id, force=body.force))


@endpoint("POST", "/v1/admin/sessions/{id}/park", tag=TAG, operator=True)
async def park(call: Call, id: str, body: Parking) -> Done:  # noqa: A002
    """Set a session aside, whatever it does, until it is revived or the process ends."""
    _note(call, "park", id)
    return Done(done=await call.runtime.park(id, body.reason))


@endpoint("POST", "/v1/admin/sessions/{id}/revive", tag=TAG, operator=True)
async def revive(call: Call, id: str) -> Done:  # noqa: A002
    """Let a parked session on stage again, or have a damaged one looked at again at once."""
    _note(call, "revive", id)
    return Done(done=await call.runtime.revive(id))


@endpoint(
    "POST",
    "/v1/admin/sessions/{id}/end",
    tag=TAG,
    operator=True,
    raises=("capacity", "damaged", "not_found", "parked"),
)
async def end(call: Call, id: str, body: Ending) -> Receipt:  # noqa: A002
    """End a session for good. What has ended stays as it is."""
    _note(call, "end", id)
    return await call.runtime.end(id, body.reason)


@endpoint("POST", "/v1/admin/drain", tag=TAG, operator=True)
async def drain(call: Call, body: Draining) -> DrainReport:
    """Have streams end and sessions leave, and stop the runtime: no request is served after it.

    The answer comes when that is done. Draining again hurries it, if it leaves less time.
    """
    _note(call, "drain", None)
    return await call.hall.drain(body.budget_s)


def _note(call: Call, action: str, session: str | None) -> None:
    log.warning("operator_acted", operator=call.user, action=action, session=session)


ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    list_residents,
    explain,
    get_capacity,
    get_stats,
    get_stacks,
    evict,
    park,
    revive,
    end,
    drain,
)
