"""Voice sessions: phases, the greeting, dialog context, and signs of life."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from ....actors.session.answers import PhaseReceipt, Receipt
from ....actors.session.events import Exchange
from ....supervisor.handles.voice import MAX_EXCHANGES
from ..call import Call
from ..endpoint import Endpoint, endpoint
from .messages import SENT, TurnReceipt

TAG: Final = "voice"


class NewPhase(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the session goes; with `turn`, only if that turn is current still."""

    phase: Literal["init", "connected", "listening", "processing", "speaking"]
    turn: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None = None


class Greeting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the pipeline is told about how to greet."""

    prompt: str = ""


class Greeted(msgspec.Struct, frozen=True, kw_only=True):
    """The session was greeted already, or is being greeted: once in its life."""

    greeted: bool = True


class Dialog(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Pairs of what was asked and answered, oldest first."""

    dialog: Annotated[list[Exchange], Meta(max_length=MAX_EXCHANGES)]


@endpoint(
    "PUT",
    "/v1/sessions/{id}/phase",
    tag=TAG,
    raises=("ended", "not_allowed", "not_found", "wrong_phase"),
)
async def put_phase(call: Call, id: str, body: NewPhase) -> PhaseReceipt:  # noqa: A002
    """Move the session to a phase. It is activity, and nothing of it is journaled."""
    session = await call.membership(id)
    return await session.set_phase(call.user, body.phase, turn=body.turn)


@endpoint(
    "POST",
    "/v1/sessions/{id}/greet",
    tag=TAG,
    status=202,
    also={200: Greeted},
    raises=SENT,
    takes=("Idempotency-Key",),
    gives=("Location",),
)
async def greet(call: Call, id: str, body: Greeting) -> TurnReceipt | Greeted:  # noqa: A002
    """Have the pipeline greet. 202: the caller is the first, and gets the turn; 200: is not."""
    session = await call.membership(id)
    turn = await session.greet(call.user, body.prompt, key=call.key)
    if turn is None:
        call.status = 200
        return Greeted()
    call.headers["location"] = call.path(f"/v1/sessions/{id}/turns/{turn.id}")
    return TurnReceipt(turn=turn.id, ahead=turn.ahead, waits_for=turn.waits_for)


@endpoint("POST", "/v1/sessions/{id}/touch", tag=TAG, raises=("ended", "not_found"))
async def touch(call: Call, id: str) -> Receipt:  # noqa: A002
    """Show that the caller is there: this is activity, and nobody hears of it."""
    return await call.session(id).touch(call.user)


@endpoint("GET", "/v1/sessions/{id}/dialog", tag=TAG, raises=("not_found",))
async def get_dialog(call: Call, id: str) -> Dialog:  # noqa: A002
    """What pipelines are told of the conversation so far. For participants."""
    return Dialog(dialog=list(await call.session(id).dialog(call.user)))


@endpoint(
    "PUT",
    "/v1/sessions/{id}/dialog",
    tag=TAG,
    raises=("ended", "idempotency_conflict", "not_allowed", "not_found", "rejected"),
    takes=("Idempotency-Key",),
)
async def put_dialog(call: Call, id: str, body: Dialog) -> Receipt:  # noqa: A002
    """Replace what pipelines are told of the conversation so far: 1 MiB at most."""
    session = await call.membership(id)
    return await session.set_dialog(call.user, body.dialog, key=call.key)


ENDPOINTS: Final[tuple[Endpoint, ...]] = (put_phase, greet, touch, get_dialog, put_dialog)
