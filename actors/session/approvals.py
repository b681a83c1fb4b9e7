"""What people decide on: the tool calls that a pipeline asks about before it makes them."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from ..errors import InvalidInput
from .state import Approval, State
from .transcript import RequestApproval, ToolCall
from .values import copied, plain, text
from .view import outputs_of

MAX_REQUEST_BYTES: Final = 4 << 20
"""Of what a request saves, and of its calls, as they are journaled."""

MAX_EXPIRES_S: Final = 100 * 365 * 86_400.0
"""A hundred years: what is longer has no date that every client can read."""


class DecideReceipt(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag="decide"):
    """What was decided on each call of the approval. It is durable, and nobody decides otherwise.

    `turn` goes on with it, at once or when the session has a pipeline to run it.
    """

    turn: int
    approval: str
    decisions: dict[str, bool]
    revision: int


class PendingApproval(msgspec.Struct, frozen=True, kw_only=True):
    """What waits for a decision: `turn` is suspended until somebody decides on its `calls`.

    At `expires_ms` (UTC milliseconds) all of them are rejected.
    """

    id: str
    turn: int
    calls: tuple[ToolCall, ...]
    expires_ms: int


def undecided(state: State) -> Approval | None:
    """The approval that may be decided, if there is one."""
    approval = state.approval
    return approval if approval is not None and approval.decisions is None else None


def is_decided(state: State) -> bool:
    """Whether the suspended turn could go on."""
    return state.approval is not None and state.approval.decisions is not None


def pending(state: State) -> PendingApproval | None:
    """The approval that may be decided with its calls, copied out of the state."""
    approval, running = undecided(state), state.running
    if approval is None or running is None:
        return None
    outputs = outputs_of(state.history, running.turn)
    calls = {line.id: line for line in outputs if isinstance(line, ToolCall)}
    return PendingApproval(
        id=approval.id,
        turn=running.turn,
        calls=tuple(_copy(calls[call]) for call in approval.calls),
        expires_ms=approval.expires_ms,
    )


def _copy(call: ToolCall) -> ToolCall:
    return msgspec.structs.replace(call, arguments=copied(call.arguments))


def check_call(call: ToolCall) -> ToolCall:
    """A tool call as a pipeline may yield it, with its arguments copied. Raises InvalidInput."""
    if type(call.arguments) is not dict:
        raise InvalidInput("arguments", type(call.arguments).__name__, "a dict")
    arguments = plain(call.arguments, "arguments")
    name, own_id = text(call.name, "tool name"), text(call.id, "id")
    return ToolCall(name=name, arguments=arguments, id=own_id)


def check_request(request: RequestApproval) -> RequestApproval:
    """A request for approval with its free-form values copied. Raises InvalidInput."""
    calls = _calls(request.calls)
    saved = request.saved
    if type(saved) is not bytes:
        saved = plain(saved, "saved")
    _check_size("saved", saved)
    if request.expires_s is not None:
        check_expiry(request.expires_s)
    return RequestApproval(calls=calls, saved=saved, expires_s=request.expires_s)


def check_expiry(seconds: Any) -> None:
    """Refuse what is no time in which people can decide. Raises InvalidInput."""
    if type(seconds) not in (int, float) or not 0 < seconds <= MAX_EXPIRES_S:
        raise InvalidInput("expires_s", seconds, f"positive, and at most {MAX_EXPIRES_S:.0f} s")


def _calls(calls: Any) -> list[ToolCall]:
    if type(calls) not in (list, tuple) or not calls:
        raise InvalidInput("calls", calls, "a list of at least one ToolCall")
    checked, seen = list[ToolCall](), set[str]()
    for call in calls:
        if not isinstance(call, ToolCall):
            raise InvalidInput("calls", type(call).__name__, "a list of at least one ToolCall")
        if call.id in seen:
            raise InvalidInput("id", call.id, "used once among the calls of a request")
        checked.append(check_call(call))
        seen.update(filter(None, (call.id,)))
    _check_size("calls", checked)
    return checked


def _check_size(field: str, value: Any) -> None:
    size = len(msgspec.msgpack.encode(value))
    if size > MAX_REQUEST_BYTES:
        raise InvalidInput(field, f"{size} bytes", f"at most {MAX_REQUEST_BYTES} bytes, encoded")
