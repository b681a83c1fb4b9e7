"""Sessions: how they are made, listed, looked at, and brought to their end."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from ....actors.errors import NotHost
from ....actors.ports import IndexRow
from ....actors.session.answers import Receipt
from ....actors.session.info import SessionInfo
from ....actors.session.state import Lifecycle
from ....supervisor.handles.ending import GRACE_S
from ..call import Call
from ..endpoint import Endpoint, endpoint
from ..places import row_at
from .creation import NewSession, created
from .paging import After, Limit, SessionRows, page

TAG: Final = "sessions"

LED: Final = ("not_found", "not_host", "ended", "wrong_state")


class Shutdown(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long a running turn may take to finish, in seconds."""

    grace_s: Annotated[float, Meta(ge=0, le=86_400)] = GRACE_S


@endpoint(
    "POST",
    "/v1/sessions",
    tag=TAG,
    status=201,
    also={200: SessionInfo},
    raises=("exists", "idempotency_conflict", "rejected"),
    takes=("Idempotency-Key",),
    gives=("Location",),
)
async def create_session(call: Call, body: NewSession) -> SessionInfo:
    """Make a session with the caller as its owner and host.

    With an `Idempotency-Key` and no `id` the id is made of the user and the key, so that a repeat
    finds what the first request has made, also after a restart; the key is 16 characters at least,
    and hard to guess, as whoever knows the id may ask to join. The same key with another body is
    refused. With an `id` of one's own, a key says that a repeat of the same body is no error.
    200: `if_exists` is `return`, and it did.
    """
    session = await created(call, body)
    call.headers["location"] = call.path(f"/v1/sessions/{session.id}")
    return await session.info()


@endpoint("GET", "/v1/sessions", tag=TAG, gives=("Link",))
async def list_sessions(
    call: Call,
    role: Literal["owner", "member"] = "owner",
    state: Lifecycle | None = None,
    limit: Limit = 100,
    after: After | None = None,
) -> SessionRows:
    """The sessions of the caller, a page at a time: those that they own, in any state, or those
    that are open and in which they take part.
    """
    last = row_at(after)
    if role == "owner":
        found = await call.runtime.sessions(call.user, state, limit=limit, after=last)
        return page(call, found.rows, more=found.more)
    rows = [row for row in await call.runtime.sessions_of(call.user) if state in (None, row.state)]
    rows.sort(key=_recency, reverse=True)
    if last is not None:
        rows = [row for row in rows if _recency(row) < _recency(last)]
    return page(call, rows[:limit], more=len(rows) > limit)


def _recency(row: IndexRow) -> tuple[int, str]:
    return row.updated_ms, row.id


@endpoint("GET", "/v1/sessions/{id}", tag=TAG, raises=("not_found",))
async def get_session(call: Call, id: str) -> SessionInfo:  # noqa: A002
    """One session at a glance. For participants."""
    session = await call.membership(id)
    return await session.info()


@endpoint(
    "DELETE", "/v1/sessions/{id}", tag=TAG, raises=("not_found", "not_host", "archive_failed")
)
async def delete_session(call: Call, id: str, archive: bool = True) -> None:  # noqa: A002
    """End a session and hide it for good. For its host, and its owner.

    It is archived first, if the house has an archive, unless `archive` is false.
    """
    session = call.session(id)
    try:
        await session.delete(call.user, archive)
    except NotHost:
        await session.require_member(call.user)  # an owner need not be one
        raise


@endpoint("POST", "/v1/sessions/{id}/start", tag=TAG, raises=LED)
async def start_session(call: Call, id: str) -> Receipt:  # noqa: A002
    """Open a created session for messages. For the host."""
    session = await call.membership(id)
    return await session.start(call.user)


@endpoint("POST", "/v1/sessions/{id}/pause", tag=TAG, raises=LED)
async def pause_session(call: Call, id: str) -> Receipt:  # noqa: A002
    """Take no messages for a while; queued turns wait. For the host."""
    session = await call.membership(id)
    return await session.pause(call.user)


@endpoint("POST", "/v1/sessions/{id}/resume", tag=TAG, raises=LED)
async def resume_session(call: Call, id: str) -> Receipt:  # noqa: A002
    """Take messages again. For the host."""
    session = await call.membership(id)
    return await session.resume(call.user)


@endpoint("POST", "/v1/sessions/{id}/end", tag=TAG, raises=("not_found", "not_host"))
async def end_session(call: Call, id: str) -> Receipt:  # noqa: A002
    """End a session for good: its turns are cancelled, its readers see the end. For the host.

    Ending an ended session changes nothing.
    """
    session = await call.membership(id)
    return await session.end(call.user)


@endpoint(
    "POST", "/v1/sessions/{id}/shutdown", tag=TAG, status=202, raises=("not_found", "not_host")
)
async def shut_down_session(call: Call, id: str, body: Shutdown) -> Receipt:  # noqa: A002
    """Take no more messages, and end the session when its running turn has ended, or the grace
    period is over. For the host. It is accepted, durably, when this is answered.
    """
    session = await call.membership(id)
    return await session.shutdown(call.user, body.grace_s)


ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    create_session,
    list_sessions,
    get_session,
    delete_session,
    start_session,
    pause_session,
    resume_session,
    end_session,
    shut_down_session,
)
