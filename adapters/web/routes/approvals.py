"""Approvals: the tool calls that wait for people, and what they decide."""

from __future__ import annotations

from typing import Final

import msgspec

from ....actors.errors import NoApproval
from ....actors.session.approvals import DecideReceipt, PendingApproval
from ..call import Call
from ..endpoint import Endpoint, endpoint

TAG: Final = "approvals"


class PendingApprovals(msgspec.Struct, frozen=True, kw_only=True):
    """What waits for a decision: one at most, as a session runs one turn at a time."""

    rows: list[PendingApproval]


class Decision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """True or false by the ids of calls. A call that is not named is rejected."""

    decisions: dict[str, bool]


@endpoint("GET", "/v1/sessions/{id}/approvals", tag=TAG, raises=("not_found",))
async def list_approvals(call: Call, id: str) -> PendingApprovals:  # noqa: A002
    """What waits for a decision. For participants."""
    pending = await call.session(id).approval(call.user)
    return PendingApprovals(rows=[] if pending is None else [pending])


@endpoint(
    "GET",
    "/v1/sessions/{id}/approvals/{approval}",
    tag=TAG,
    raises=("not_found", "no_approval"),
)
async def get_approval(call: Call, id: str, approval: str) -> PendingApproval:  # noqa: A002
    """What waits for this decision, if it has not been made. For participants."""
    pending = await call.session(id).approval(call.user)
    if pending is None or pending.id != approval:
        raise NoApproval(id, approval)
    return pending


@endpoint(
    "POST",
    "/v1/sessions/{id}/approvals/{approval}",
    tag=TAG,
    raises=("idempotency_conflict", "no_approval", "not_allowed", "not_found"),
    takes=("Idempotency-Key",),
)
async def decide(
    call: Call,
    id: str,  # noqa: A002
    approval: str,
    body: Decision,
) -> DecideReceipt:
    """Approve or reject the calls that wait, and have their turn go on. The first decision is the
    only one.
    """
    return await call.session(id).decide(call.user, body.decisions, approval, key=call.key)


ENDPOINTS: Final[tuple[Endpoint, ...]] = (list_approvals, get_approval, decide)
