"""Participants: who is in, who asks to come in, who leads, and where they are."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from ....actors.errors import NotMember
from ....actors.ports import UserId
from ....actors.session.answers import JoinReceipt, Receipt
from ....actors.session.info import Member
from ....actors.session.values import MAX_NAME, name
from ..call import Call
from ..endpoint import Endpoint, endpoint
from ..errors import WrongShape

TAG: Final = "participants"

LED: Final = ("not_found", "not_host", "ended")

Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]

Place = Annotated[str, Meta(max_length=1024)]


class Participants(msgspec.Struct, frozen=True, kw_only=True):
    """Everybody in a session, by user id, in the order of joining; `pending` have asked to join."""

    host: UserId
    owner: UserId
    participants: dict[UserId, Member]
    pending: list[UserId]


class Joining(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the caller comes in: `participant`, `observer` (may only read), or in a role that the
    session defines. `name` is how they are shown."""

    name: Name | None = None
    role: Name = "participant"


class Asker(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A user who has asked to join."""

    user: Name


class Host(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who leads a session."""

    host: Name


class Presence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether the caller is there, and where: for the others to see."""

    active: bool = True
    cursor: Place | None = None
    focus: Place | None = None


@endpoint("GET", "/v1/sessions/{id}/participants", tag=TAG, raises=("not_found",))
async def list_participants(call: Call, id: str) -> Participants:  # noqa: A002
    """Everybody who takes part, and who has asked to. For participants."""
    info = await (await call.membership(id)).info()
    return Participants(
        host=info.host, owner=info.owner, participants=info.participants, pending=info.pending
    )


@endpoint(
    "POST",
    "/v1/sessions/{id}/participants",
    tag=TAG,
    also={202: JoinReceipt},
    raises=("bad_role", "ended", "full", "idempotency_conflict", "join_closed", "not_found"),
    takes=("Idempotency-Key",),
)
async def join(call: Call, id: str, body: Joining) -> JoinReceipt:  # noqa: A002
    """Come in. Open to all who know the session's id: that is what a link is.

    202: the session wants the host's approval, and the caller waits for it. Joining again changes
    nothing.
    """
    shown = body.name or call.principal.name or None
    receipt = await call.session(id).join(call.user, name=shown, role=body.role, key=call.key)
    if receipt.status == "pending":
        call.status = 202
    return receipt


@endpoint(
    "POST",
    "/v1/sessions/{id}/participants/approve",
    tag=TAG,
    raises=(*LED, "full", "not_pending"),
)
async def approve(call: Call, id: str, body: Asker) -> Receipt:  # noqa: A002
    """Let in a user who has asked. For the host."""
    session = await call.membership(id)
    return await session.approve(call.user, body.user)


@endpoint("POST", "/v1/sessions/{id}/participants/deny", tag=TAG, raises=(*LED, "not_pending"))
async def deny(call: Call, id: str, body: Asker) -> Receipt:  # noqa: A002
    """Turn down a user who has asked. For the host."""
    session = await call.membership(id)
    return await session.deny(call.user, body.user)


@endpoint("DELETE", "/v1/sessions/{id}/participants/me", tag=TAG, raises=("not_found",))
async def leave(call: Call, id: str) -> Receipt:  # noqa: A002
    """Go. A host hands over to the participant who joined first; the last one out ends the session.

    The caller's streams of it end with this.
    """
    return await call.session(id).leave(call.user)


@endpoint("GET", "/v1/sessions/{id}/host", tag=TAG, raises=("not_found",))
async def get_host(call: Call, id: str) -> Host:  # noqa: A002
    """Who leads the session. For participants."""
    info = await (await call.membership(id)).info()
    return Host(host=info.host)


@endpoint("PUT", "/v1/sessions/{id}/host", tag=TAG, raises=LED)
async def transfer_host(call: Call, id: str, body: Host) -> Receipt:  # noqa: A002
    """Hand the session over to another participant. For the host, who stays as a participant."""
    to = name(body.host, "host")
    session = await call.membership(id)
    try:
        return await session.transfer_host(call.user, to)
    except NotMember as error:
        if error.user == call.user:
            raise
        raise WrongShape("host", "a participant of the session is wanted") from None


@endpoint("PUT", "/v1/sessions/{id}/presence", tag=TAG)
async def put_presence(call: Call, id: str, body: Presence) -> None:  # noqa: A002
    """Tell the others where the caller is just now.

    It wakes no session, and is ignored of somebody who is no participant, and where there is no
    such session: the answer is the same.
    """
    call.session(id).present(call.user, active=body.active, cursor=body.cursor, focus=body.focus)


ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    list_participants,
    join,
    approve,
    deny,
    leave,
    get_host,
    transfer_host,
    put_presence,
)
