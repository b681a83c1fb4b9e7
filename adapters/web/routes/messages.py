"""Messages: what people say, and the turns that answer them."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from ....actors.kernel.reply import Reply
from ....actors.ports import Policy
from ....actors.session.answers import Receipt, WaitsFor
from ....actors.session.info import TurnResult
from ....actors.session.values import MAX_NAME
from ....supervisor.handles.talk import Turn
from ..call import Call
from ..endpoint import Endpoint, endpoint
from ..errors import WrongShape
from ..results import within
from .kinds import WaitS

TAG: Final = "messages"

REFUSALS: Final = (
    "idempotency_conflict",
    "not_allowed",
    "not_found",
    "rejected",
    "ended",
    "wrong_state",
)

SENT: Final = (*REFUSALS, "turn_busy", "turn_queue_full", "no_pipeline")


class NewMessage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the caller says. `policy` is how it meets a running turn, if not as the session's
    settings say; `answer_key` names the answer, so that a late one can be placed. Without `answer`
    it is posted only: no turn begins.
    """

    text: str
    policy: Policy | None = None
    answer_key: Annotated[str, Meta(max_length=MAX_NAME)] = ""
    answer: bool = True


class Steering(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the caller says to a running turn."""

    text: str
    answer_key: Annotated[str, Meta(max_length=MAX_NAME)] = ""


class TurnReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """The turn is accepted, durably. `ahead` turns must end before it starts; `waits_for` is what
    keeps the first of them, or it."""

    turn: int
    ahead: int
    waits_for: WaitsFor | None = None


@endpoint(
    "POST",
    "/v1/sessions/{id}/messages",
    tag=TAG,
    status=202,
    also={200: TurnResult, 201: Receipt},
    raises=SENT,
    takes=("Idempotency-Key",),
    gives=("Location",),
)
async def send_message(
    call: Call,
    id: str,  # noqa: A002
    body: NewMessage,
    wait_s: WaitS = 0.0,
) -> TurnReceipt | TurnResult | Receipt:
    """Say something, and have the pipeline answer. 202: the turn is accepted; `Location` is its
    result. 200: with `wait_s`, it has ended meanwhile. 201: without `answer`, it is posted.
    """
    if body.answer:
        sent = call.session(id).send(
            call.user,
            body.text,
            policy=body.policy,
            answer_key=body.answer_key,
            key=call.key,
        )
        return await _answered(call, id, sent, wait_s)
    for field in ("policy", "answer_key"):
        if getattr(body, field):
            raise WrongShape(field, "left out of what needs no answer")
    call.status = 201
    return await call.session(id).post(call.user, body.text, key=call.key)


@endpoint(
    "POST",
    "/v1/sessions/{id}/steer",
    tag=TAG,
    status=202,
    also={200: TurnResult},
    raises=SENT,
    takes=("Idempotency-Key",),
    gives=("Location",),
)
async def steer(
    call: Call,
    id: str,  # noqa: A002
    body: Steering,
    wait_s: WaitS = 0.0,
) -> TurnReceipt | TurnResult:
    """Say something to the running turn at its next safe point: a message with the policy `steer`.
    If the turn ends before that, it is the next one.
    """
    sent = call.session(id).send(
        call.user, body.text, policy="steer", answer_key=body.answer_key, key=call.key
    )
    return await _answered(call, id, sent, wait_s)


async def _answered(
    call: Call,
    id: str,  # noqa: A002
    sent: Reply[Turn],
    wait_s: float,
) -> TurnReceipt | TurnResult:
    if call.hall.follow is not None:
        call.hall.follow(id, sent, call.request.headers)
    turn = await sent
    call.headers["location"] = call.path(f"/v1/sessions/{id}/turns/{turn.id}")
    if wait_s > 0:
        result = call.hall.results.of(id, turn.id)
        # Refused, as the server stops: the message stays accepted; nobody shall repeat it.
        if await within(call.most(wait_s), result) and result.error is None:
            call.status = 200
            return result.result()
    return TurnReceipt(turn=turn.id, ahead=turn.ahead, waits_for=turn.waits_for)


ENDPOINTS: Final[tuple[Endpoint, ...]] = (send_message, steer)
