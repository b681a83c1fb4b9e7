"""Turns: how they end, how they are ended, and how much of their answers was seen."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from ....actors.errors import NotHost
from ....actors.session.answers import CancelReceipt, Receipt, StopFact
from ....actors.session.info import SessionInfo, TurnResult
from ....actors.session.values import MAX_NAME
from ..call import Call
from ..endpoint import Endpoint, endpoint
from ..results import within
from .kinds import TurnId, WaitS

TAG: Final = "turns"

SOUGHT: Final = ("not_found", "turn_not_found")
CANCELLED: Final = ("not_found", "not_allowed")


class TurnPending(msgspec.Struct, frozen=True, kw_only=True):
    """The turn has not ended: it waits for others, runs, or is suspended until people decide on
    its `approval`."""

    turn: int
    state: Literal["queued", "running", "suspended"]
    approval: str | None = None


class Stopped(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the pipeline of an ended turn. `abandoned`: it has ignored its cancellation
    for too long, or cannot be stopped; nobody hears what it still does."""

    turn: int
    fact: StopFact


class Delivery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first `chars` characters of the answer have been seen, or heard."""

    chars: Annotated[int, Meta(ge=0, le=2**63 - 1)]


class LateAnswer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An answer, and the `answer_key` that its turn was sent with."""

    key: Annotated[str, Meta(min_length=1, max_length=MAX_NAME)]
    text: str


@endpoint(
    "GET",
    "/v1/sessions/{id}/turns/{turn}",
    tag=TAG,
    also={202: TurnPending},
    raises=SOUGHT,
)
async def get_turn(
    call: Call,
    id: str,  # noqa: A002
    turn: TurnId,
    wait_s: WaitS = 0.0,
) -> TurnResult | TurnPending:
    """How a turn ended. 202: it has not, also after waiting for `wait_s`. For participants.

    A turn that failed is a result, too. One that was merged into another tells that one's.
    """
    session = await call.membership(id)
    result = call.hall.results.of(id, turn)
    # A session answers in the order of the questions: what ended before is told before this.
    info = await session.info()
    if not result.done and wait_s > 0:
        await within(call.most(wait_s), result)
        info = await session.info()
    if result.done:
        return result.result()
    call.status = 202
    return _pending(info, turn)


@endpoint("POST", "/v1/sessions/{id}/turns/{turn}/cancel", tag=TAG, raises=CANCELLED)
async def cancel_turn(call: Call, id: str, turn: TurnId) -> CancelReceipt:  # noqa: A002
    """End a running or queued turn. The receipt tells who was first: after `won`, nothing more of
    the turn is seen anywhere.
    """
    return await call.session(id).interrupt(call.user, turn)


@endpoint("POST", "/v1/sessions/{id}/interrupt", tag=TAG, raises=CANCELLED)
async def interrupt(call: Call, id: str) -> CancelReceipt:  # noqa: A002
    """End the running turn, whichever it is. The receipt tells which one it was."""
    return await call.session(id).interrupt(call.user)


@endpoint(
    "GET",
    "/v1/sessions/{id}/turns/{turn}/stopped",
    tag=TAG,
    also={202: TurnPending},
    raises=SOUGHT,
)
async def get_stopped(
    call: Call,
    id: str,  # noqa: A002
    turn: TurnId,
    wait_s: WaitS = 0.0,
) -> Stopped | TurnPending:
    """Whether the pipeline of a turn has stopped after the turn was ended. For participants.

    202: the turn has not ended, or whether its pipeline stops is not known within `wait_s`.
    """
    session = await call.membership(id)
    result, stopped = call.hall.results.of(id, turn), session.stopped(turn)
    info = await session.info()
    if not result.done:
        call.status = 202
        return _pending(info, turn)
    result.result()  # refused for a turn that there never was
    if stopped.done or await within(call.most(wait_s), stopped):
        return Stopped(turn=turn, fact=stopped.result())
    call.status = 202
    return TurnPending(turn=turn, state="running")


@endpoint("PUT", "/v1/sessions/{id}/turns/{turn}/delivered", tag=TAG)
async def put_delivered(call: Call, id: str, turn: TurnId, body: Delivery) -> None:  # noqa: A002
    """Say how much of a running answer the caller has seen, or heard.

    It wakes no session, and is ignored of somebody who is no participant, of a turn that does not
    run, and where there is no such session: the answer is the same.
    """
    call.session(id).delivered(call.user, turn, body.chars)


@endpoint(
    "POST",
    "/v1/sessions/{id}/answers",
    tag=TAG,
    status=201,
    raises=("not_found", "not_host", "not_expected", "rejected"),
)
async def place_answer(call: Call, id: str, body: LateAnswer) -> Receipt:  # noqa: A002
    """Place the answer that an interrupted turn did not come to give, in that turn, once.

    For the host: what is placed is what the pipeline would have said.
    """
    session = await call.membership(id)
    host = (await session.info()).host
    if call.user != host:
        raise NotHost(id, call.user, host)
    return await session.late_answer(body.key, body.text)


def _pending(info: SessionInfo, turn: int) -> TurnPending:
    """What a turn that has not ended does. If it is none of these, it was merged into another."""
    if turn != info.running_turn:
        return TurnPending(turn=turn, state="queued")
    state: Literal["running", "suspended"] = "suspended" if info.approval else "running"
    return TurnPending(turn=turn, state=state, approval=info.approval)


ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    get_turn,
    cancel_turn,
    interrupt,
    get_stopped,
    put_delivered,
    place_answer,
)
